"""The pixels a print needs: the level at or above its resolution, read by bands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.colours import limits, rgba
from napari_stml.core.geometry import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_stml.io.slides.base import Level, Pixels, Slide

BAND_BYTES = 48_000_000
"""Pixels of a level that are held at once."""

LIGHTS = ("#56b4e9", "#e69f00", "#cc79a7", "#009e73")
"""Of channels that are shown together; a single one is grey."""


@dataclass(frozen=True)
class Picture:
    """What was read.

    Attributes
    ----------
    box
        What the pixels cover, in the slide's own level-0 pixels.
    level
        The level they come from.
    """

    pixels: NDArray[Any]
    box: Box
    level: int


@dataclass(frozen=True)
class Window:
    """A part of one level, in that level's pixels, and how many pixels it shall become."""

    level: int
    left: float
    top: float
    right: float
    bottom: float
    width: int
    height: int


def window_for(slide: Slide, box: Box, width: float, height: float) -> Window | None:
    """Choose the level for a box drawn on ``width`` x ``height`` pixels; None beside the slide.

    Where the slide is coarser than the print, its own pixels are taken, never more.
    """
    x0, y0 = max(box.x, 0.0), max(box.y, 0.0)
    x1 = min(box.x + box.width, slide.width)
    y1 = min(box.y + box.height, slide.height)
    if x1 <= x0 or y1 <= y0:
        return None
    across, down = box.width / width, box.height / height
    fine = [
        i for i, lv in enumerate(slide.levels)
        if lv.downsample_x <= across and lv.downsample_y <= down
    ]  # fmt: skip
    level = fine[-1] if fine else 0
    lv = slide.levels[level]
    left, right = x0 / lv.downsample_x, min(x1 / lv.downsample_x, lv.width)
    top, bottom = y0 / lv.downsample_y, min(y1 / lv.downsample_y, lv.height)
    wide, high = round((x1 - x0) / across), round((y1 - y0) / down)
    if wide >= right - left:
        left, right = math.floor(left), math.ceil(right)
        wide = round(right - left)
    if high >= bottom - top:
        top, bottom = math.floor(top), math.ceil(bottom)
        high = round(bottom - top)
    return Window(level, left, top, right, bottom, max(1, wide), max(1, high))


def box_of(window: Window, level: Level) -> Box:
    """What a window covers, in level-0 pixels."""
    dx, dy = level.downsample_x, level.downsample_y
    return Box(
        window.left * dx, window.top * dy,
        (window.right - window.left) * dx, (window.bottom - window.top) * dy,
    )  # fmt: skip


def read_picture(slide: Slide, window: Window, channels: Sequence[int] = ()) -> Picture:
    """Read a window in colours, (height, width, 3) of uint8.

    Memory is that of the result and one band; fluorescence channels are laid over each other
    within their 1st to 99.9th percentile.
    """
    box = box_of(window, slide.levels[window.level])
    if slide.rgb:
        return Picture(_averaged(slide, window, None).astype(np.uint8), box, window.level)
    chosen = tuple(channels) or tuple(range(min(len(slide.channels), len(LIGHTS))))
    total = np.zeros((window.height, window.width, 3), dtype=np.float32)
    for i, channel in enumerate(chosen):
        values = _averaged(slide, window, channel)
        low, high = limits(values, 1, 99.9)
        light = rgba(LIGHTS[i % len(LIGHTS)] if len(chosen) > 1 else "#ffffff")[:3]
        total += np.clip((values - low) / (high - low), 0, 1)[:, :, None] * light
    return Picture((np.clip(total, 0, 1) * 255).astype(np.uint8), box, window.level)


def read_mask(slide: Slide, window: Window, paint: Callable[[Pixels], NDArray[Any]]) -> Picture:
    """Pick the ids of a mask, never averaged; ``paint`` turns each band into RGBA of uint8."""
    box = box_of(window, slide.levels[window.level])
    out = np.zeros((window.height, window.width, 4), dtype=np.uint8)
    down = (window.bottom - window.top) / window.height
    across = (window.right - window.left) / window.width
    for rows, (left, top), ids in _bands(slide, window, 0):
        y = window.top + (np.arange(rows.start, rows.stop) + 0.5) * down - top
        x = window.left + (np.arange(window.width) + 0.5) * across - left
        y, x = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
        y, x = np.clip(y, 0, ids.shape[0] - 1), np.clip(x, 0, ids.shape[1] - 1)
        out[rows] = paint(ids[:, :, 0][np.ix_(y, x)])
    return Picture(out, box, window.level)


def _averaged(slide: Slide, window: Window, channel: int | None) -> NDArray[Any]:
    """Made smaller without aliasing, as if in one go."""
    from PIL import Image

    depth = (3,) if channel is None else ()
    kind = np.dtype(np.uint8 if channel is None else np.float32)
    out = np.empty((window.height, window.width, *depth), dtype=kind)
    step = (window.bottom - window.top) / window.height
    for rows, (left, top), pixels in _bands(slide, window, channel):
        flat = pixels if channel is None else pixels[:, :, 0]
        picture = Image.fromarray(np.ascontiguousarray(flat, dtype=kind))
        covered = (
            window.left - left,
            max(0.0, window.top + rows.start * step - top),
            min(window.right - left, picture.width),
            min(window.top + rows.stop * step - top, picture.height),
        )
        size = (window.width, rows.stop - rows.start)
        out[rows] = np.asarray(picture.resize(size, Image.Resampling.HAMMING, covered))
    return out


def _bands(
    slide: Slide, window: Window, channel: int | None
) -> Iterator[tuple[slice, tuple[int, int], Pixels]]:
    """Rows of the result, and the level's pixels below and about them with their first corner."""
    level = slide.levels[window.level]
    down = (window.bottom - window.top) / window.height
    edge = math.ceil(max(down, (window.right - window.left) / window.width)) + 1
    x0 = max(0, math.floor(window.left) - edge)
    x1 = max(x0 + 1, min(math.ceil(window.right) + edge, level.width))
    each = (x1 - x0) * slide.dtype.itemsize * (len(slide.channels) if channel is None else 1)
    count = max(1, int(BAND_BYTES / max(1, each) / down))
    for first in range(0, window.height, count):
        last = min(first + count, window.height)
        y0 = max(0, math.floor(window.top + first * down) - edge)
        y1 = max(y0 + 1, min(math.ceil(window.top + last * down) + edge, level.height))
        pixels = slide.read(x0, y0, window.level, x1 - x0, y1 - y0, channel=channel)
        yield slice(first, last), (x0, y0), pixels
