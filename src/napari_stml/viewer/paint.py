"""What observations are painted with: one small code each and a table of 256 colours.

Every way of drawing (points, grid, raster, mask) takes the same two things, so that a change of
colour touches one byte per observation or per pixel and never builds a layer anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_stml.viewer.colours import MISSING, RGBA

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_stml.viewer.colours import ColourScale

NOTHING = 0
"""The code of background and of hidden observations: transparent."""

NO_VALUE = 1
FIRST = 2
STEPS = 256 - FIRST

Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Threshold:
    """What lies below ``low`` or above ``high`` is hidden, or grey like a missing value."""

    low: float | None = None
    high: float | None = None
    hide: bool = True

    def beyond(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        out = np.zeros(len(values), dtype=bool)
        if self.low is not None:
            out |= values < self.low
        if self.high is not None:
            out |= values > self.high
        return out


@dataclass(frozen=True)
class Paint:
    """One code per observation, (n,), and the colour of every code, (256, 4)."""

    codes: Codes
    table: RGBA
    used: int = STEPS

    @property
    def colours(self) -> RGBA:
        """The colour of every observation, (n, 4)."""
        return self.table[self.codes]


def by_category(codes: NDArray[Any], colours: RGBA, hidden: Collection[int] = ()) -> Paint:
    """Paint category codes (-1: missing); the last row of ``colours`` is the missing one.

    Beyond 254 categories codes repeat: the palette does so long before.
    """
    count = len(colours) - 1
    lookup = np.empty(count + 1, dtype=np.uint8)
    lookup[:count] = FIRST + np.arange(count) % STEPS
    lookup[-1] = NO_VALUE
    for index in hidden:
        lookup[index] = NOTHING
    table = _table(colours[-1])
    kept = min(count, STEPS)
    table[FIRST : FIRST + kept] = colours[:kept]
    return Paint(lookup[np.asarray(codes)], table, max(1, kept))


def by_value(values: NDArray[Any], scale: ColourScale, threshold: Threshold | None = None) -> Paint:
    """Paint numbers in the 254 steps of a colour scale; what is not finite is missing."""
    numbers = np.asarray(values, dtype=np.float32)
    span = scale.high - scale.low
    missing = ~np.isfinite(numbers)
    if span > 0:
        steps = np.clip((numbers - np.float32(scale.low)) * np.float32(STEPS / span), 0, STEPS - 1)
    else:
        steps = np.full(numbers.shape, STEPS / 2, dtype=np.float32)
    steps[missing] = 0
    codes = steps.astype(np.uint8)
    codes += FIRST
    codes[missing] = NO_VALUE
    if threshold is not None:
        codes[threshold.beyond(numbers)] = NOTHING if threshold.hide else NO_VALUE
    table = _table(MISSING)
    table[FIRST:] = scale.table[np.linspace(0, len(scale.table) - 1, STEPS).round().astype(np.intp)]
    return Paint(codes, table)


def plain(count: int, colour: RGBA) -> Paint:
    """Everything in one colour."""
    table = _table(MISSING)
    table[FIRST] = colour
    return Paint(np.full(count, FIRST, dtype=np.uint8), table, 1)


def split(left: Paint, right: Paint, on_right: NDArray[np.bool_]) -> Paint:
    """Paint one part of the observations like ``left``, the others like ``right``.

    Both share one table of 256 colours, so scales of numbers keep half their steps.
    """
    half = STEPS // 2
    table = _table(MISSING)
    codes = np.empty(len(on_right), dtype=np.uint8)
    for paint, start, where in ((left, FIRST, ~on_right), (right, FIRST + half, on_right)):
        every = -(-paint.used // half)
        some = paint.table[FIRST : FIRST + paint.used : every]
        table[start : start + len(some)] = some
        mine = paint.codes[where]
        shown = mine >= FIRST
        mine[shown] = (mine[shown] - FIRST) // every + start
        codes[where] = mine
    return Paint(codes, table)


def only(paint: Paint, chosen: NDArray[np.bool_]) -> Paint:
    """The same paint on some observations; the others are not drawn."""
    return Paint(np.where(chosen, paint.codes, np.uint8(NOTHING)), paint.table, paint.used)


def _table(missing: RGBA) -> RGBA:
    table = np.zeros((256, 4), dtype=np.float32)
    table[NO_VALUE] = missing
    return table
