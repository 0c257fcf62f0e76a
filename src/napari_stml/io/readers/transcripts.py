"""Transcripts as lazy points: x, y, gene and what else the instrument wrote."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.contents import Element
from napari_stml.io.readers.instrument_files import RECOPY, csv_header

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import dask.dataframe as dd
    import pandas as pd

    from napari_stml.core.geometry import Affine

BLOCK_BYTES = 64 * 2**20


def transcripts_element(path: Path, names: Mapping[str, str], affine: Affine) -> Element:
    """An element that reads its file only when asked.

    Parameters
    ----------
    names
        The file's column by our name ("x", "y", "gene", and where there is one "z").
    affine
        From the file's coordinates to reference pixels.
    """
    columns, count = _columns_and_count(path)
    if missing := [theirs for theirs in names.values() if theirs not in columns]:
        raise CannotOpenError(f"Column {', '.join(missing)} is missing", where=path, do=RECOPY)
    load = partial(load_transcripts, path, dict(names))
    return Element("transcripts", "points", load, affine, count)


def load_transcripts(path: Path, names: Mapping[str, str]) -> dd.DataFrame:
    """A dask data frame; parquet by row groups, CSV by blocks (gzipped CSV as one)."""
    import dask.dataframe as dd

    if path.name.endswith(".parquet"):
        frame = dd.read_parquet(path, split_row_groups=True)
    else:
        block = None if path.name.endswith(".gz") else BLOCK_BYTES
        compression = "gzip" if block is None else None
        text = {name: "object" for name in csv_header(path) if name.lower() in _ID_LIKE}
        frame = dd.read_csv(path, blocksize=block, compression=compression, dtype=text)
    taken = {ours: f"{ours}_of_file" for ours, theirs in names.items() if ours != theirs}
    renamed = frame.rename(columns=taken | {theirs: ours for ours, theirs in names.items()})
    lazy: dd.DataFrame = renamed.map_partitions(_gene_as_text, meta=_gene_as_text(renamed._meta))
    return lazy


_ID_LIKE = {"cell_id", "cell", "entityid", "transcript_id", "gene", "target", "cellcomp"}


def _gene_as_text(part: pd.DataFrame) -> pd.DataFrame:
    """Old files hold bytes."""
    part = part.copy()
    part["gene"] = part["gene"].map(_text).astype(object)
    return part


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _columns_and_count(path: Path) -> tuple[list[str], int | None]:
    """Count known for parquet only: counting lines of a CSV would read it all."""
    if not path.name.endswith(".parquet"):
        return csv_header(path), None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return list(file.schema_arrow.names), int(file.metadata.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise CannotOpenError(
            f"Damaged or not a parquet file: {error}", where=path, do=RECOPY
        ) from error
