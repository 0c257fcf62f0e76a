"""Outlines of cells: from vertex tables (Xenium, CosMx) and GeoJSON (Visium HD)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.instrument_files import finite_xy, read_json

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd
    import pandas as pd
    from numpy.typing import NDArray

    from napari_stml.core.geometry import Affine


def polygons_of_vertices(
    frame: pd.DataFrame, part: NDArray[Any], x: str, y: str, where: Path
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """One polygon per run of equal ``part``, and the row where each begins.

    Runs with fewer than three vertices are no polygons and become empty ones.
    """
    import shapely

    xy = finite_xy(frame, x, y, where)
    if not len(xy):
        return np.array([], dtype=object), np.array([], dtype=np.intp)
    starts = np.flatnonzero(np.r_[True, part[1:] != part[:-1]]).astype(np.intp)
    sizes = np.diff(np.r_[starts, len(xy)])
    ring_of = np.repeat(np.arange(len(starts)), sizes)
    enough = sizes >= 3
    keep = enough[ring_of]
    polygons = np.full(len(starts), shapely.Polygon(), dtype=object)
    if enough.any():
        new_index = np.cumsum(enough) - 1
        rings = _closed_rings(xy[keep], new_index[ring_of[keep]])
        polygons[enough] = shapely.polygons(rings)
    return polygons, starts


def _closed_rings(xy: NDArray[np.float64], ring_of: NDArray[np.intp]) -> NDArray[Any]:
    """Linear rings; the first vertex is appended to each, a vertex more does no harm."""
    import shapely

    starts = np.flatnonzero(np.r_[True, ring_of[1:] != ring_of[:-1]])
    order = np.argsort(np.r_[ring_of, ring_of[starts]], kind="stable")
    closed = np.vstack([xy, xy[starts]])[order]
    indices = np.r_[ring_of, ring_of[starts]][order]
    return np.asarray(shapely.linearrings(closed, indices=indices), dtype=object)


def frame_of(
    polygons: NDArray[Any], names: NDArray[np.object_], affine: Affine
) -> gpd.GeoDataFrame:
    """Polygons by name, mapped."""
    import geopandas as gpd
    import shapely

    if not affine.is_identity:
        polygons = shapely.transform(polygons, affine)
    return gpd.GeoDataFrame({"geometry": polygons}, index=names)


def geojson_cells(path: Path) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Cell numbers and polygons of a Space Ranger segmentation (full-resolution pixels)."""
    import shapely

    content = read_json(path)
    features = content.get("features")
    if not isinstance(features, list) or not features:
        raise CannotOpenError("This GeoJSON file holds no cells", where=path)
    try:
        ids = np.array([int(f["properties"]["cell_id"]) for f in features], dtype=np.int64)
        shells = [np.asarray(_outer(f["geometry"]), dtype=np.float64)[:, :2] for f in features]
        ring_of = np.repeat(np.arange(len(shells)), [len(shell) for shell in shells])
        rings = shapely.linearrings(np.vstack(shells), indices=ring_of)
        polygons: NDArray[Any] = np.asarray(shapely.polygons(rings), dtype=object)
    except (KeyError, TypeError, ValueError, IndexError, shapely.errors.GEOSException) as error:
        raise CannotOpenError(
            f"A cell of this GeoJSON file has no polygon or no cell_id: {error!r}", where=path
        ) from error
    return ids, polygons


def _outer(geometry: dict[str, Any]) -> list[list[float]]:
    """The outer ring of a polygon, of the largest part of several."""
    coordinates = geometry["coordinates"]
    if geometry.get("type") == "MultiPolygon":
        coordinates = max(coordinates, key=lambda part: len(part[0]))
    ring: list[list[float]] = coordinates[0]
    return ring
