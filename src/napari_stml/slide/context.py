"""Features of a place and of its surroundings: the same centre seen through wider windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.slide.encoders.basic import BasicEncoder, names
from napari_stml.slide.grid import Canvas, TileGrid, centred_on
from napari_stml.slide.reading import TileReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.io.slides.base import Slide
    from napari_stml.slide.brightfield import Look

SCALES = (1.0, 2.0, 4.0)


def context_names(scales: Sequence[float] = SCALES) -> tuple[str, ...]:
    """Names of all features: those of the tile itself, then of each wider window."""
    return tuple(c for s in scales for c in basic_at(1.0, s).columns)


def wider(grid: TileGrid, canvas: Canvas, factor: float) -> TileGrid:
    """The same centres with windows ``factor`` times as wide, at as many pixels."""
    wanted = grid.um_per_px * factor
    return centred_on(grid.centres, canvas, grid.pixels, wanted, upsample=True)


def basic_at(um_per_px: float, factor: float) -> BasicEncoder:
    """The encoder for the window ``factor`` times as wide."""
    return BasicEncoder(um_per_px * factor, "" if factor == 1 else f" (x{factor:g})")


def encode_at(
    slide: Slide, canvas: Canvas, xy: NDArray[np.float64], pixels: int, um_per_px: float,
    scales: Sequence[float] = SCALES, *, look: Look | None = None, threads: int = 1,
) -> NDArray[np.float32]:  # fmt: skip
    """Basic features around every point, (n, k), at all scales side by side."""
    grid = centred_on(xy, canvas, pixels, um_per_px)
    parts = []
    for factor in scales:
        seen = grid if factor == 1 else wider(grid, canvas, factor)
        encode = BasicEncoder(seen.um_per_px)
        out = np.empty((len(seen), len(names())), dtype=np.float32)
        for batch in TileReader(slide, seen, look=look).batches(32, threads=threads):
            out[batch.index] = encode(batch.pixels)
        parts.append(out)
    return np.concatenate(parts, axis=1)
