"""Levels as lazy arrays, which a viewer takes as a pyramid without dask."""

from __future__ import annotations

import logging
import operator
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from napari_stml.io.slides.base import DamagedTileError, Pixels, Slide
from napari_stml.io.slides.tiled import TiledSlide

log = logging.getLogger(__name__)

_pools: dict[int, ThreadPoolExecutor] = {}


class LevelView:
    """One level of a slide as an array of axes y, x and, for several channels, c.

    Only the window that is asked for is read, its tiles side by side. Safe from several threads.
    A tile that is damaged is shown in plain grey and logged: the rest of the slide stays visible.
    """

    def __init__(self, slide: Slide, level: int, channel: int | None = None) -> None:
        lv = slide.levels[level]
        self.slide, self.level, self.channel = slide, level, channel
        self._flat = channel is not None or len(slide.channels) == 1
        last = () if self._flat else (len(slide.channels),)
        self.shape: tuple[int, ...] = (lv.height, lv.width, *last)
        self.chunks: tuple[int, ...] = (lv.tile_height, lv.tile_width, *last)
        self.dtype = slide.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<level {self.level} of {self.slide.uri}, {self.shape} {self.dtype}>"

    def __getitem__(self, key: Any) -> Pixels:
        rows, cols, *channels = _full(key, self.ndim)
        (y0, y1), every_y = _span(rows, self.shape[0])
        (x0, x1), every_x = _span(cols, self.shape[1])
        pixels = self._window(x0, y0, x1 - x0, y1 - y0)
        return pixels[(every_y, every_x, *(channels or (0,)))]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Pixels:
        pixels = self[...]
        return pixels.astype(dtype or self.dtype, copy=bool(copy))

    def _window(self, x: int, y: int, w: int, h: int) -> Pixels:
        slide = self.slide
        if not isinstance(slide, TiledSlide):
            return slide.read(x, y, self.level, w, h, channel=self.channel)
        tiles = (w // self.chunks[1] + 2) * (h // self.chunks[0] + 2)
        each = _pool().map if tiles > 4 else map
        try:
            return slide.compose(x, y, self.level, w, h, channel=self.channel, each=each)
        except DamagedTileError:
            return self._patched(slide, x, y, w, h)

    def _patched(self, slide: TiledSlide, x: int, y: int, w: int, h: int) -> Pixels:
        """Read tile by tile, leaving damaged ones grey."""
        depth = 1 if self._flat else len(slide.channels)
        out = np.full((h, w, depth), 128 if slide.rgb else 0, slide.dtype)
        th, tw = self.chunks[:2]
        for ty in range(y // th * th, y + h, th):
            for tx in range(x // tw * tw, x + w, tw):
                a, b, c, d = max(ty, y), min(ty + th, y + h), max(tx, x), min(tx + tw, x + w)
                try:
                    part = slide.read(c, a, self.level, d - c, b - a, channel=self.channel)
                except DamagedTileError as error:
                    log.warning("%s", error)
                    continue
                out[a - y : b - y, c - x : d - x] = part
        return out


def pyramid(slide: Slide, channel: int | None = None) -> list[LevelView]:
    """Return all levels, finest first, as napari's ``multiscale`` data."""
    return [LevelView(slide, i, channel) for i in range(len(slide.levels))]


def _pool() -> ThreadPoolExecutor:
    """Threads that decode tiles of one view; a forked process gets its own."""
    pool = _pools.get(os.getpid())
    if pool is None:
        threads = min(4, os.cpu_count() or 1)
        pool = _pools[os.getpid()] = ThreadPoolExecutor(threads, thread_name_prefix="stml-tiles")
    return pool


def _full(key: Any, ndim: int) -> tuple[Any, ...]:
    keys = key if isinstance(key, tuple) else (key,)
    if any(k is Ellipsis for k in keys):
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        missing = ndim - len(keys) + 1
        keys = (*keys[:at], *[slice(None)] * missing, *keys[at + 1 :])
    if len(keys) > ndim:
        raise IndexError(f"{len(keys)} indices for {ndim} axes")
    return (*keys, *[slice(None)] * (ndim - len(keys)))


def _span(key: Any, size: int) -> tuple[tuple[int, int], int | slice]:
    """Return the range to read along an axis and what to pick of it."""
    if isinstance(key, slice):
        start, stop, step = key.indices(size)
        if step < 1:
            raise IndexError("a level is read forwards")
        return (start, max(start, stop)), slice(None, None, step)
    i = operator.index(key)
    if not -size <= i < size:
        raise IndexError(f"{i} is outside an axis of {size}")
    return (i % size, i % size + 1), 0
