"""Regions as napari's shapes take them: one line through all rings of a region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from napari_stml.regions.shaping import rings_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

NOWHERE = np.array([[0.0, 0.0], [0.0, 1e-3], [1e-3, 0.0]])
"""Stands for a region that is not drawn; its place in the layer is used again."""


def thread(outline: BaseGeometry) -> NDArray[np.float64]:
    """Corners (y, x) of one closed line through all rings, going to each hole and back.

    napari fills it by the even-odd rule and draws no edge along the doubled ways, so holes and
    separate pieces come out right.
    """
    rings = [np.asarray(r.coords)[:, :2] for r in rings_of(outline) if not r.is_empty]
    if not rings:
        return NOWHERE
    first = rings[0]
    parts = [first]
    for ring in rings[1:]:
        parts += [ring, first[:1]]
    return np.vstack(parts)[:, ::-1]


def ways(outline: BaseGeometry) -> list[NDArray[np.float64]]:
    """The corners of an outline, then simpler ones for a canvas that refuses it."""
    found = [thread(outline)]
    if outline.geom_type in {"Polygon", "MultiPolygon"} and not outline.is_empty:
        sound = shapely.buffer(outline, 0)
        extent = float(np.hypot(*(np.array(outline.bounds[2:]) - outline.bounds[:2])))
        simple = shapely.buffer(shapely.simplify(sound, extent / 1000), -extent / 20_000)
        largest = max(shapely.get_parts(outline), key=lambda p: p.area)
        found += [thread(simple), thread(shapely.Polygon(largest.exterior))]
        found.append(thread(outline.convex_hull))
    return [*found, NOWHERE]


def crosses(outline: BaseGeometry, arm: float) -> BaseGeometry:
    """Points as little discs, so that they are seen and hit like areas."""
    return shapely.union_all(shapely.buffer(shapely.get_parts(outline), arm, quad_segs=2))


def drawable(outline: BaseGeometry, width: float) -> BaseGeometry:
    """What the layer draws of a region: areas as they are, lines as bands, points as discs."""
    if outline.is_empty or outline.geom_type in {"Polygon", "MultiPolygon"}:
        return outline
    if "Point" in outline.geom_type:
        return crosses(outline, 3 * width)
    return shapely.buffer(outline, width / 2, quad_segs=1, cap_style="flat")
