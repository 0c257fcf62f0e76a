"""The flat files of CosMx: cells and fields of view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.instrument_files import (
    finite_xy,
    matching,
    read_frame,
    require_columns,
    unique_names,
    whole_numbers,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

GLOBAL = ("CenterX_global_px", "CenterY_global_px")


@dataclass(frozen=True)
class Cells:
    """The metadata file; ``xy`` in global pixels, ``keys`` are "<fov>_<cell_ID>"."""

    frame: pd.DataFrame
    names: NDArray[np.object_]
    keys: dict[str, str]
    fov: NDArray[np.int64]
    cell_id: NDArray[np.int64]
    xy: NDArray[np.float64]
    path: Path


def read_cells(folder: Path) -> Cells:
    path = flat_file(folder, "metadata_file")
    if path is None:
        raise CannotOpenError("There is no *_metadata_file.csv", where=folder)
    frame = read_frame(path, ["fov", "cell_ID", *GLOBAL])
    fov, cell_id = (whole_numbers(frame, name, path) for name in ("fov", "cell_ID"))
    keys = unique_names([f"{f}_{c}" for f, c in zip(fov, cell_id, strict=True)], path)
    named = frame.get("cell")
    names = keys if named is None or named.duplicated().any() else unique_names(named, path)
    by_key = dict(zip(keys.tolist(), names.tolist(), strict=True))
    return Cells(frame, names, by_key, fov, cell_id, finite_xy(frame, *GLOBAL, path), path)


def flat_file(folder: Path, stem: str) -> Path | None:
    """The file ``<name>_<stem>.csv``, also gzipped."""
    found = matching(folder, f"*{stem}.csv", f"*{stem}.csv.gz")
    return found[0] if found else None


def read_fields(folder: Path) -> pd.DataFrame | None:
    """Positions of the fields; newer files call the column FOV."""
    path = flat_file(folder, "fov_positions_file")
    if path is None:
        return None
    frame = read_frame(path).rename(columns={"FOV": "fov"})
    require_columns(frame, ["fov"], path)
    return frame
