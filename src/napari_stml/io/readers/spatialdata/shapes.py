"""Shapes of a SpatialData store: centres without keeping outlines, outlines when asked."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import geopandas as gpd
    from numpy.typing import NDArray

    from napari_stml.io.readers.spatialdata.files import StoreFiles

BATCH_ROWS = 100_000
SAMPLE_ROWS = 1_000


@dataclass(frozen=True)
class Centres:
    """Centres of an element's instances in the element's own coordinates.

    ``radius`` is that of circles or the half side of squares, None for other outlines.
    """

    ids: NDArray[Any]
    xy: NDArray[np.float64]
    radius: float | None
    circles: bool
    squares: bool = False


def read_shapes(files: StoreFiles, name: str) -> gpd.GeoDataFrame:
    """Read a whole shapes element, in its own coordinates."""
    source = _parquet(files, name)
    if source is None:
        return _read_first_version(files, name)
    import geopandas as gpd

    return gpd.read_parquet(source)


def count_shapes(files: StoreFiles, name: str) -> int | None:
    """Count the rows without reading them; None where that would take a download."""
    path = files.at("shapes", name, "shapes.parquet")
    if not isinstance(path, Path) or not path.is_file():
        return None
    return int(_open(path, files, name).metadata.num_rows)


def are_circles(files: StoreFiles, name: str) -> bool:
    """Whether every shape of an element is a circle."""
    source = _parquet(files, name)
    if source is None:
        return "radius" in read_shapes(files, name)
    return "radius" in _open(source, files, name).schema_arrow.names


def read_centres(
    files: StoreFiles, name: str, stored: tuple[NDArray[Any], NDArray[np.float64]] | None = None
) -> Centres:
    """Read the centres of circles or outlines.

    Parameters
    ----------
    stored
        Instance ids and positions that the table carries (``obsm["spatial"]``). They are taken
        instead of reading every outline when they lie inside the outlines of a sample.
    """
    source = _parquet(files, name)
    if source is None:
        return _centres_of_frame(read_shapes(files, name))
    parquet = _open(source, files, name)
    columns = parquet.schema_arrow.names
    if "geometry" not in columns:
        raise CannotOpenError("This element has no geometry column", where=source)
    if _encoding(parquet) != "WKB":
        return _centres_of_frame(read_shapes(files, name))
    circles = "radius" in columns
    wanted = ["geometry", *(["radius"] if circles else []), *_index_columns(parquet)]
    batches = _batches(parquet, wanted)
    first = next(batches, None)
    if first is None:
        return Centres(np.array([]), np.empty((0, 2)), None, circles)
    if not circles and stored is not None and _agree(first, stored):
        return Centres(*stored, _half_side(first.geometry), False, _are_squares(first.geometry))
    parts, radii = [(first.ids, _centroids(first.geometry))], [first.radius]
    for batch in batches:
        parts.append((batch.ids, _centroids(batch.geometry)))
        radii.append(batch.radius)
    ids = np.concatenate([p[0] for p in parts])
    xy = np.concatenate([p[1] for p in parts])
    if circles:
        return Centres(ids, xy, float(np.median(np.concatenate(radii))), True)
    return Centres(ids, xy, _half_side(first.geometry), False, _are_squares(first.geometry))


@dataclass(frozen=True)
class _Batch:
    ids: NDArray[Any]
    geometry: NDArray[np.object_]
    radius: NDArray[np.float64]


def _batches(parquet: Any, columns: list[str]) -> Iterator[_Batch]:
    import shapely

    index = _index_columns(parquet)
    row = 0
    for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=columns):
        geometry = shapely.from_wkb(batch.column("geometry").to_numpy(zero_copy_only=False))
        if index:
            ids = batch.column(index[0]).to_numpy(zero_copy_only=False)
        else:
            start, step = _range(parquet)
            ids = start + step * np.arange(row, row + len(geometry))
        has_radius = "radius" in columns
        radius = batch.column("radius").to_numpy() if has_radius else np.empty(0)
        row += len(geometry)
        yield _Batch(ids, np.asarray(geometry, dtype=object), radius)


def _agree(batch: _Batch, stored: tuple[NDArray[Any], NDArray[np.float64]]) -> bool:
    """Whether nine in ten of the stored positions lie within the bounds of their outlines."""
    import pandas as pd
    import shapely

    ids, xy = stored
    sample = slice(0, SAMPLE_ROWS)
    at = pd.Index(ids).get_indexer(pd.Index(batch.ids[sample])) if pd.Index(ids).is_unique else []
    found = np.asarray(at) >= 0
    if not found.any():
        return False
    bounds = shapely.bounds(batch.geometry[sample][found])
    points = xy[np.asarray(at)[found]]
    inside = ((points >= bounds[:, :2]) & (points <= bounds[:, 2:])).all(axis=1)
    return bool(inside.mean() >= 0.9)


def _centroids(geometry: NDArray[np.object_]) -> NDArray[np.float64]:
    import shapely

    centres: NDArray[np.float64] = shapely.get_coordinates(shapely.centroid(geometry))
    if len(centres) == len(geometry):
        return centres
    filled = np.full((len(geometry), 2), np.nan)  # empty outlines have no centroid
    filled[~(shapely.is_missing(geometry) | shapely.is_empty(geometry))] = centres
    return filled


def _are_squares(geometry: NDArray[np.object_]) -> bool:
    """Whether a sample consists of squares of one size: bins."""
    import shapely

    sample = geometry[:SAMPLE_ROWS]
    area = shapely.area(sample)
    side = shapely.length(sample) / 4
    if (shapely.get_num_coordinates(sample) != 5).any() or not (area > 0).all():
        return False
    return bool(np.allclose(side**2, area, rtol=1e-3) and np.allclose(area, area[0], rtol=1e-3))


def _half_side(geometry: NDArray[np.object_]) -> float | None:
    import shapely

    if not _are_squares(geometry):
        return None
    return float(np.sqrt(np.median(shapely.area(geometry[:SAMPLE_ROWS]))) / 2)


def _centres_of_frame(frame: gpd.GeoDataFrame) -> Centres:
    geometry = np.asarray(frame.geometry.values, dtype=object)
    ids, xy = frame.index.to_numpy(), _centroids(geometry)
    if "radius" in frame:
        return Centres(ids, xy, float(frame["radius"].median()), True)
    return Centres(ids, xy, _half_side(geometry), False, _are_squares(geometry))


def _parquet(files: StoreFiles, name: str) -> Path | io.BytesIO | None:
    """Give what a parquet reader takes; None for the first version, which had no parquet."""
    place = files.at("shapes", name, "shapes.parquet")
    if isinstance(place, Path) and place.is_file():
        return place
    data = files.bytes(place)
    if data is not None:
        return io.BytesIO(data)
    attrs = files.element_attrs("shapes", name)
    if (attrs.get("spatialdata_attrs") or {}).get("version") == "0.1":
        return None
    raise CannotOpenError("The outlines of this element are missing", where=place)


def _open(source: Path | io.BytesIO, files: StoreFiles, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(source)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CannotOpenError(
            "The outlines are damaged (not a complete parquet file)",
            where=files.at("shapes", name, "shapes.parquet"),
            do="copy the store again from its source",
        ) from error


def _encoding(parquet: Any) -> str:
    geo = json.loads((parquet.schema_arrow.metadata or {}).get(b"geo", b"{}"))
    column = geo.get("columns", {}).get("geometry", {})
    return str(column.get("encoding", "WKB"))


def _index_description(parquet: Any) -> list[Any]:
    pandas = json.loads((parquet.schema_arrow.metadata or {}).get(b"pandas", b"{}"))
    return list(pandas.get("index_columns", []))


def _index_columns(parquet: Any) -> list[str]:
    return [name for name in _index_description(parquet) if isinstance(name, str)][:1]


def _range(parquet: Any) -> tuple[int, int]:
    for described in _index_description(parquet):
        if isinstance(described, dict) and described.get("kind") == "range":
            return int(described["start"]), int(described["step"])
    return 0, 1


def _read_first_version(files: StoreFiles, name: str) -> gpd.GeoDataFrame:
    """Read ragged arrays, as SpatialData wrote shapes before it used parquet."""
    import geopandas as gpd
    import shapely
    import zarr

    group = zarr.open_group(str(files.at("shapes", name)), mode="r", use_consolidated=False)
    attrs = files.element_attrs("shapes", name)["spatialdata_attrs"]
    kind = shapely.GeometryType(attrs["geos"]["type"])
    offsets = sorted(k for k in group.array_keys() if k.startswith("offset"))
    ragged = tuple(np.asarray(group[k]).ravel() for k in offsets)
    geometry = shapely.from_ragged_array(kind, np.asarray(group["coords"]), ragged or None)
    columns = {"radius": np.asarray(group["radius"])} if "radius" in group else {}
    return gpd.GeoDataFrame(columns, geometry=geometry, index=np.asarray(group["Index"]))
