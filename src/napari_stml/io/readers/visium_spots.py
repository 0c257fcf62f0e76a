"""Spot positions of Space Ranger, in all the forms that its versions wrote."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.instrument_files import (
    RECOPY,
    finite_xy,
    first_file,
    read_frame,
    unique_names,
    whole_numbers,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

POSITION_FILES = (
    "tissue_positions.parquet",
    "tissue_positions.csv",
    "tissue_positions.csv.gz",
    "tissue_positions_list.csv",
    "tissue_positions_list.csv.gz",
    "tissue_positions_list.txt",
)

COLUMNS = (
    "barcode",
    "in_tissue",
    "array_row",
    "array_col",
    "pxl_row_in_fullres",
    "pxl_col_in_fullres",
)


@dataclass(frozen=True)
class SpotPositions:
    """All positions of an array; ``xy`` in full-resolution pixels."""

    names: NDArray[np.object_]
    in_tissue: NDArray[np.bool_]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    xy: NDArray[np.float64]
    path: Path

    def __len__(self) -> int:
        return len(self.names)

    def where(self, keep: NDArray[np.bool_]) -> SpotPositions:
        return SpotPositions(
            self.names[keep],
            self.in_tissue[keep],
            self.rows[keep],
            self.cols[keep],
            self.xy[keep],
            self.path,
        )


def find_positions(spatial: Path) -> Path | None:
    return first_file(spatial, POSITION_FILES)


def read_positions(path: Path) -> SpotPositions:
    """Read a positions file; whether it has a header is seen in it, not in its name."""
    if path.name.endswith(".parquet"):
        frame = read_frame(path, COLUMNS, columns=COLUMNS)
    else:
        frame = _read_delimited(path)
    names = unique_names(frame["barcode"], path)
    tissue = whole_numbers(frame, "in_tissue", path) > 0
    rows = whole_numbers(frame, "array_row", path)
    cols = whole_numbers(frame, "array_col", path)
    xy = finite_xy(frame, "pxl_col_in_fullres", "pxl_row_in_fullres", path)
    return SpotPositions(names, tissue, rows, cols, xy, path)


def _read_delimited(path: Path) -> pd.DataFrame:
    import pandas as pd

    line = _first_line(path)
    separator = "\t" if "\t" in line else ","
    header = line.split(separator)[0].strip().strip('"').lower() == "barcode"
    try:
        frame = pd.read_csv(path, sep=separator, header=0 if header else None)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise CannotOpenError(f"Damaged or not a table: {error}", where=path, do=RECOPY) from error
    if header:
        frame.columns = frame.columns.str.strip()
    elif frame.shape[1] == len(COLUMNS):
        frame.columns = pd.Index(COLUMNS)
    else:
        raise CannotOpenError(
            f"A positions file without header has {len(COLUMNS)} columns, "
            f"this one {frame.shape[1]}",
            where=path,
            do=RECOPY,
        )
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise CannotOpenError(f"Column {', '.join(missing)} is missing", where=path, do=RECOPY)
    return frame


def _first_line(path: Path) -> str:
    try:
        if path.name.endswith(".gz"):
            with gzip.open(path, "rt", encoding="utf-8") as packed:
                return packed.readline()
        with path.open(encoding="utf-8") as plain:
            return plain.readline()
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise CannotOpenError(f"Damaged or not text: {error}", where=path, do=RECOPY) from error
