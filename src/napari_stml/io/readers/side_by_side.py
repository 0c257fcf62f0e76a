"""Several sections of one table on one canvas, each in a cell of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIDE_BY_SIDE = "side by side"
"""What `section` or `z` is asked for."""
GAP = 0.08
"""Between sections, of the larger side of the largest."""


def side_by_side(
    xy: NDArray[np.float64], of_row: NDArray[np.object_], order: Sequence[str]
) -> NDArray[np.float64]:
    """Move every section into its cell of a grid, in their order, rows first.

    What lies at one place in two sections lies at one place of their cells.
    """
    low = xy.min(axis=0)
    width, height = np.maximum(np.ptp(xy, axis=0), 1e-9)
    step = np.array([width, height]) + GAP * max(width, height)
    present = [name for name in order if (of_row == name).any()]
    across = math.ceil(math.sqrt(len(present) * step[1] / step[0]))
    moved: NDArray[np.float64] = xy - low
    for i, name in enumerate(present):
        moved[of_row == name] += step * (i % max(1, across), i // max(1, across))
    return moved
