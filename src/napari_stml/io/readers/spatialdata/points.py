"""Points of a SpatialData store (transcripts) as a lazy data frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_stml.io.readers.spatialdata.files import StoreFiles


def read_points(files: StoreFiles, name: str) -> Any:
    """Open a points element as a dask data frame, in its own coordinates."""
    import dask.dataframe as dd

    return dd.read_parquet(files.parquet_parts("points", name))


def count_points(files: StoreFiles, name: str) -> int | None:
    """Count the rows by the parquet footers; None where that would take a download."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = files.at("points", name, "points.parquet")
    if not isinstance(folder, Path):
        return None
    parts = [folder] if folder.is_file() else folder.glob("*.parquet")
    try:
        return sum(int(pq.read_metadata(part).num_rows) for part in parts)
    except (pa.ArrowException, OSError):
        return None
