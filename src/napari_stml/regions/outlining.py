"""Results as regions: masks, thresholded maps, classes of observations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from napari_stml.core.errors import StmlError
from napari_stml.regions.region import areas_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from napari_stml.core.geometry import Affine

MOST_OBSERVATIONS = 300_000
REACH = 0.75
"""How far an observation's cell reaches where no neighbour limits it, in distances to the next."""


def of_mask(
    pixels: NDArray[np.integer[Any]], affine: Affine, classes: Mapping[int, str] | None = None,
    least_px: float = 0.0,
) -> list[tuple[str, BaseGeometry]]:  # fmt: skip
    """Connected pieces of every class (0 is background) along the pixels' edges, with holes.

    ``least_px`` leaves out pieces of fewer pixels of the mask.
    """
    mask = np.asarray(pixels)
    if mask.ndim != 2 or mask.dtype.kind not in "iub":
        raise StmlError("Regions come from a mask of whole numbers", where=str(mask.shape))
    faces = _faces(mask)
    found = []
    for face in faces:
        at = face.representative_point()
        value = int(mask[int(at.y), int(at.x)])
        if value and face.area >= least_px:
            kind = (classes or {}).get(value, str(value))
            found.append((kind, shapely.transform(face, affine)))
    return found


def _faces(mask: NDArray[Any]) -> list[BaseGeometry]:
    """Polygons between pixels of different values, built from straight runs of pixel edges."""
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), dtype=mask.dtype)
    padded[1:-1, 1:-1] = mask
    across = padded[:-1, 1:-1] != padded[1:, 1:-1]  # (h + 1, w): the edge above row i
    down = padded[1:-1, :-1] != padded[1:-1, 1:]  # (h, w + 1): the edge left of column j
    node_h = np.zeros((height + 1, width + 1), dtype=bool)  # corners where vertical edges end
    node_h[:-1] |= down
    node_h[1:] |= down
    node_v = np.zeros((height + 1, width + 1), dtype=bool)
    node_v[:, :-1] |= across
    node_v[:, 1:] |= across
    rows, begin, end = _runs(across, node_h)
    columns, low, high = _runs(down.T, node_v.T)
    lines = np.concatenate([
        np.stack([np.column_stack([begin, rows]), np.column_stack([end, rows])], axis=1),
        np.stack([np.column_stack([columns, low]), np.column_stack([columns, high])], axis=1),
    ]).astype(np.float64)  # fmt: skip
    if not len(lines):
        return []
    edges: Any = shapely.linestrings(lines)
    return list(shapely.get_parts(shapely.polygonize(edges)))


def _runs(edges: NDArray[Any], nodes: NDArray[Any]) -> tuple[NDArray[np.intp], ...]:
    """Row, begin and end of runs of edges along a row, broken where other edges meet them."""
    before = np.zeros_like(edges)
    before[:, 1:] = edges[:, :-1]
    after = np.zeros_like(edges)
    after[:, :-1] = edges[:, 1:]
    rows, begin = np.nonzero(edges & (~before | nodes[:, :-1]))
    _, last = np.nonzero(edges & (~after | nodes[:, 1:]))
    return rows, begin, last + 1


def of_observations(
    xy: NDArray[np.float64], codes: NDArray[np.integer[Any]], names: Sequence[str]
) -> list[tuple[str, BaseGeometry]]:
    """Connected pieces that hold exactly the observations of each class; -1 is none.

    An observation stands for what is nearer to it than to any other, up to three quarters of the
    usual distance to the next one.
    """
    cells = _cells(np.asarray(xy, dtype=np.float64))
    found = []
    for code, name in enumerate(names):
        own = np.flatnonzero((np.asarray(codes) == code) & ~shapely.is_empty(cells))
        if len(own):
            pieces = shapely.get_parts(areas_of(shapely.union_all(cells[own])))
            found += [(name, piece) for piece in pieces]
    return found


def _cells(xy: NDArray[np.float64]) -> NDArray[Any]:
    from scipy.spatial import cKDTree

    cells = np.full(len(xy), shapely.Polygon(), dtype=object)
    good = np.flatnonzero(np.isfinite(xy).all(axis=1))
    unique, first = np.unique(xy[good], axis=0, return_index=True)
    if len(good) > MOST_OBSERVATIONS:
        raise StmlError("These are too many observations to outline", where=f"{len(good):,}",
                        do="make regions of a mask or a heat map")  # fmt: skip
    if len(unique) < 2:
        cells[good] = shapely.buffer(shapely.points(xy[good]), 10.0)
        return cells
    places = xy[good[first]]
    distance = cKDTree(places).query(places, k=2)[0][:, 1]
    reach = REACH * float(np.median(distance))
    discs: Any = shapely.buffer(shapely.points(places), reach, quad_segs=4)
    if len(places) < 4:
        near: Any = discs
    else:
        tiles = shapely.get_parts(shapely.voronoi_polygons(
            shapely.multipoints(places), ordered=True,
            extend_to=shapely.box(*(places.min(axis=0) - reach), *(places.max(axis=0) + reach)),
        ))  # fmt: skip
        near = np.asarray(tiles)
        wide = ~shapely.covers(discs, near)
        near[wide] = shapely.intersection(near[wide], discs[wide])
    cells[good[first]] = near
    return cells
