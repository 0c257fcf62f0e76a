"""Coarser levels of rasters with missing pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 2048
"""A raster with no longer side is drawn at once."""


def halved(pixels: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Means of two by two pixels (..., y, x), of those that are known; NaN where none is."""
    height, width = (n // 2 * 2 for n in pixels.shape[-2:])
    shape = (*pixels.shape[:-2], height // 2, width // 2)
    total, known = np.zeros(shape), np.zeros(shape, dtype=np.uint8)
    for dy in (0, 1):
        for dx in (0, 1):
            part = pixels[..., dy:height:2, dx:width:2]
            missing = np.isnan(part)
            total += np.where(missing, 0, part)
            known += ~missing
    mean = np.full(shape, np.nan)
    np.divide(total, known, out=mean, where=known > 0)
    return mean.astype(pixels.dtype)


def levels(pixels: NDArray[np.floating[Any]]) -> list[NDArray[np.floating[Any]]]:
    """The raster (y, x) and, where it is large, each half of the one before."""
    found = [pixels]
    while max(found[-1].shape) > LARGEST and min(found[-1].shape) > 1:
        found.append(halved(found[-1]))
    return found
