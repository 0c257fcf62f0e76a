"""Centres of the instances of a label image, from one of its coarser levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.io.slides.base import Slide

FIRST_LOOK_PX = 4_000_000
MOST_PX = 64_000_000
"""Levels with more pixels than this are never scanned while opening."""


def label_centres(
    slide: Slide, ids: NDArray[np.int64], stored: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Find the centres of labels in level-0 pixels; NaN for those that were not met.

    The scan begins at a level of about four million pixels and goes finer only while labels
    are missing. Positions stored in the table are taken when they agree with what the scan found.
    """
    sizes = [level.width * level.height for level in slide.levels]
    allowed = [i for i, size in enumerate(sizes) if size <= MOST_PX] or [len(sizes) - 1]
    fitting = [i for i in allowed if sizes[i] <= FIRST_LOOK_PX]
    level = fitting[0] if fitting else allowed[-1]
    xy = _scan(slide, level, ids)
    if stored is not None and _agree(stored, xy, slide.levels[level].downsample_x):
        return stored
    while np.isnan(xy[:, 0]).any() and level > allowed[0]:
        level -= 1
        xy = _scan(slide, level, ids)
    return xy


def _agree(stored: NDArray[np.float64], found: NDArray[np.float64], downsample: float) -> bool:
    seen = np.isfinite(found[:, 0])
    if not seen.any() or not np.isfinite(stored).all():
        return False
    distance = np.linalg.norm(stored[seen] - found[seen], axis=1)
    return bool(np.median(distance) <= 3 * max(downsample, 1.0))


def _scan(slide: Slide, level: int, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    grid = slide.levels[level]
    order = np.argsort(ids, kind="stable")
    known = ids[order]
    total = np.zeros((len(ids), 3))  # sum of x, sum of y, pixels
    for row in range(-(-grid.height // grid.tile_height)):
        for col in range(-(-grid.width // grid.tile_width)):
            tile = slide.tile(level, row, col)[..., 0]
            y, x = np.nonzero(tile)
            values = tile[y, x].astype(np.int64)
            at = np.minimum(np.searchsorted(known, values), len(known) - 1)
            mine = known[at] == values
            at, y, x = at[mine], y[mine] + row * grid.tile_height, x[mine] + col * grid.tile_width
            for column, weight in enumerate((x + 0.5, y + 0.5, None)):
                total[:, column] += np.bincount(at, weights=weight, minlength=len(ids))
    centres = np.full((len(ids), 2), np.nan)
    met = total[:, 2] > 0
    scale = np.array([grid.downsample_x, grid.downsample_y])
    centres[order[met]] = total[met, :2] / total[met, 2:] * scale
    return centres
