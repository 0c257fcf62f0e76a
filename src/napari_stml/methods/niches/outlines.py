"""Niches as shapes: triangles whose corners share the niche, joined, closed and cleaned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.methods.niches.contacts import triangles

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLOSE = 3.0
"""Holes and gaps up to this many mean edges are closed; areas depend on it."""
SMALLEST = 0.05
"""Pieces smaller than this share of the niche's largest are left out."""


@dataclass(frozen=True)
class Outline:
    """One piece of a niche (shapely), with its place among the niches."""

    niche: int
    shape: Any

    @property
    def roundness(self) -> float:
        """4 pi area / perimeter^2: 1 for a disc."""
        return float(4 * np.pi * self.shape.area / max(self.shape.length**2, 1e-12))


def outlines(
    xy: NDArray[np.float64], niche: NDArray[Any], longest: float,
    strata: NDArray[Any] | None = None,
) -> list[Outline]:  # fmt: skip
    """Polygons of every niche from the Delaunay triangles with edges up to ``longest``."""
    import shapely

    parts = triangles(xy, strata)
    if not parts:
        return []
    corners = np.concatenate(parts)
    points = xy[corners]
    sides = np.linalg.norm(points - np.roll(points, 1, axis=1), axis=2)
    good = (sides <= longest).all(axis=1)
    mean_edge = float(sides[good].mean()) if good.any() else 0.0
    owner = niche[corners]
    same = good & (owner[:, 0] == owner[:, 1]) & (owner[:, 1] == owner[:, 2]) & (owner[:, 0] >= 0)
    found: list[Outline] = []
    for i in np.unique(owner[same, 0]):
        mine = points[same & (owner[:, 0] == i)]
        joined = shapely.union_all(shapely.polygons(mine))
        closed = joined.buffer(CLOSE * mean_edge).buffer(-CLOSE * mean_edge)
        pieces = [p for p in shapely.get_parts(closed) if p.area > 0]
        largest = max((p.area for p in pieces), default=0.0)
        found += [Outline(int(i), p) for p in pieces if p.area >= SMALLEST * largest]
    return found
