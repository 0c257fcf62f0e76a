"""Which observations lie in which region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from napari_stml.regions.region import AREAS, sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry


class Positions:
    """Positions prepared for many questions; on the edge counts as inside."""

    def __init__(self, xy: NDArray[np.float64]) -> None:
        self.xy = np.asarray(xy, dtype=np.float64)
        finite: Any = np.isfinite(self.xy).all(axis=1)
        order = np.argsort(self.xy[:, 0], kind="stable")
        self._order = order[finite[order]]
        self._x = self.xy[self._order, 0]
        self._y = self.xy[self._order, 1]

    def __len__(self) -> int:
        return len(self.xy)

    def inside(self, outline: BaseGeometry) -> NDArray[np.intp]:
        """Rows that lie in an area, in their order; lines and points hold none."""
        if outline.geom_type not in AREAS or outline.is_empty:
            return np.empty(0, dtype=np.intp)
        area = sound(outline)
        left, low, right, high = area.bounds
        begin = int(np.searchsorted(self._x, left, "left"))
        end = int(np.searchsorted(self._x, right, "right"))
        y = self._y[begin:end]
        near = begin + np.flatnonzero((y >= low) & (y <= high))
        if not len(near):
            return np.empty(0, dtype=np.intp)
        shapely.prepare(area)
        hit: Any = shapely.intersects_xy(area, self._x[near], self._y[near])
        return np.asarray(np.sort(self._order[near[hit]]), dtype=np.intp)

    def count(self, outline: BaseGeometry) -> int:
        return len(self.inside(outline))


def memberships(
    xy: NDArray[np.float64], outlines: Sequence[BaseGeometry]
) -> list[NDArray[np.intp]]:
    """Rows inside of every outline; one position may lie in several."""
    place = Positions(xy)
    return [place.inside(outline) for outline in outlines]


def first_of(rows: Sequence[NDArray[np.intp]], count: int) -> NDArray[np.int32]:
    """One region per position: the last drawn one that holds it, -1 for none."""
    found = np.full(count, -1, dtype=np.int32)
    for i, own in enumerate(rows):
        found[own] = i
    return found


def by_class(
    xy: NDArray[np.float64], outlines: Sequence[BaseGeometry], kinds: Sequence[str]
) -> tuple[NDArray[np.int32], tuple[str, ...], int]:
    """A class per position, the classes, and how many positions lie in several classes.

    Those take the class drawn last, as they are seen on the canvas.
    """
    names = tuple(dict.fromkeys(kinds))
    codes = np.full(len(xy), -1, dtype=np.int32)
    several = np.zeros(len(xy), dtype=bool)
    place = Positions(xy)
    for outline, kind in zip(outlines, kinds, strict=True):
        rows = place.inside(outline)
        own = names.index(kind)
        several[rows] |= (codes[rows] >= 0) & (codes[rows] != own)
        codes[rows] = own
    return codes, names, int(several.sum())


def table_of(names: Sequence[Any], rows: Sequence[NDArray[np.intp]]) -> list[tuple[Any, int]]:
    """Pairs of a position's name and the number of a region that holds it."""
    return [(names[r], i) for i, own in enumerate(rows) for r in own.tolist()]
