"""Levels of a pyramid, and those we add: halved until the coarsest has about 1024 px."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.io.slides.base import Level, Pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

COARSEST_PX = 1024
TILE_PX = 512
WIDEST_STEP = 2.5
"""A viewer may have to load (step squared) times more than it shows."""


@dataclass(frozen=True)
class Source:
    """A level's pixels: those of the file's level ``stored`` halved ``halvings`` times."""

    stored: int
    halvings: int


def complete(stored: Sequence[Level]) -> tuple[tuple[Level, ...], tuple[Source, ...]]:
    """Insert halved levels where a file's pyramid jumps, and below its coarsest level."""
    levels: list[Level] = []
    sources: list[Source] = []
    for i, level in enumerate(stored):
        following = stored[i + 1].downsample_x if i + 1 < len(stored) else np.inf
        levels.append(level)
        sources.append(Source(i, 0))
        halvings = 0
        while (
            following / levels[-1].downsample_x > WIDEST_STEP
            and max(levels[-1].width, levels[-1].height) > COARSEST_PX
        ):
            halvings += 1
            levels.append(halved(levels[-1]))
            sources.append(Source(i, halvings))
    return tuple(levels), tuple(sources)


def halved(level: Level) -> Level:
    """Return the next level of half the resolution."""
    return Level(
        width=-(-level.width // 2),
        height=-(-level.height // 2),
        downsample_x=level.downsample_x * 2,
        downsample_y=level.downsample_y * 2,
        tile_width=_even_tile(level.tile_width),
        tile_height=_even_tile(level.tile_height),
    )


def _even_tile(size: int) -> int:
    return size if size in {256, 512, 1024} else TILE_PX


def measured(
    sizes: Sequence[tuple[int, int]], tiles: Sequence[tuple[int, int]]
) -> tuple[Level, ...]:
    """Make the levels of a file from their (width, height) and tile sizes, finest first."""
    width0, height0 = sizes[0]
    return tuple(
        Level(w, h, width0 / w, height0 / h, min(tw, w), min(th, h))
        for (w, h), (tw, th) in zip(sizes, tiles, strict=True)
    )


def halve(pixels: Pixels, *, mask: bool = False) -> Pixels:
    """Average blocks of 2 x 2 pixels of (y, x, c), rounding half up; a mask keeps the first.

    An odd last row or column counts twice.
    """
    if mask or pixels.dtype == np.bool_:
        return pixels[::2, ::2]
    h, w = pixels.shape[:2]
    if h % 2 or w % 2:
        pixels = np.pad(pixels, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge")
    wide = _sum_type(pixels.dtype)
    rows = np.add(pixels[0::2], pixels[1::2], dtype=wide)
    total = rows[:, 0::2] + rows[:, 1::2]
    if wide.kind == "f":
        return (total * 0.25).astype(pixels.dtype)
    total += wide.type(2)
    total >>= wide.type(2)
    return total.astype(pixels.dtype)


def _sum_type(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    if dtype.kind == "f":
        return np.dtype(np.float32 if dtype.itemsize <= 4 else np.float64)
    if dtype.itemsize >= 4:
        return np.dtype(np.float64)
    return np.dtype(f"{dtype.kind}{dtype.itemsize * 2}")
