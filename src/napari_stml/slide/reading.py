"""Tiles out of a slide: read ahead in threads, whole chunks decoded once, one size of pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.slide.brightfield import Look
from napari_stml.slide.padding import tile_without_padding
from napari_stml.slide.resample import to_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.io.slides.base import Slide
    from napari_stml.slide.grid import TileGrid

GROUP = 16
"""Tiles per task: enough that handing them out costs nothing beside decoding."""

Buffer = Callable[[int], "NDArray[np.uint8]"]


@dataclass(frozen=True)
class Batch:
    """Some tiles, (n, p, p, 3) uint8, and their places in the grid."""

    number: int
    index: NDArray[np.intp]
    pixels: NDArray[np.uint8]


class TileReader:
    """Reads the tiles of a grid in an order in which each chunk of the file is decoded once.

    A tile is read from the coarsest level that is at least as fine as the target, its corner
    rounded to that level's pixels (at most half a level pixel off), and averaged to its size.
    """

    def __init__(self, slide: Slide, grid: TileGrid, *, look: Look | None = None) -> None:
        self.slide, self.grid = slide, grid
        self.look = look or Look()
        self.level = slide.level_for(grid.side / grid.pixels)
        lv = slide.levels[self.level]
        self._down = np.array([lv.downsample_x, lv.downsample_y])
        self._corner = np.round(grid.xy / self._down).astype(np.int64)
        self._size = tuple(max(1, round(grid.side / d)) for d in self._down)

    def order(self) -> NDArray[np.intp]:
        """Bands of chunks from top to bottom, within a band from left to right."""
        lv = self.slide.levels[self.level]
        x, y = self._corner.T
        return np.lexsort((y, x // lv.tile_width, y // lv.tile_height))

    def tile(self, i: int) -> NDArray[np.uint8]:
        """One tile, (p, p, 3); black padding of the scan is glass in it."""
        (x, y), (w, h) = self._corner[i], self._size
        p = self.grid.pixels
        pixels = self.look(self.slide.read(int(x), int(y), self.level, w, h))
        if self.look.is_colour:  # channels laid over each other are black where nothing glows
            pixels = tile_without_padding(pixels)
        return np.asarray(to_size(pixels, p, p), dtype=np.uint8)

    def batches(
        self, size: int, *, threads: int = 1, ahead: int = 3, skip: Collection[int] = (),
        buffer: Buffer | None = None,
    ) -> Generator[Batch, None, None]:  # fmt: skip
        """All tiles in `order`, ``size`` at a time, at most ``ahead`` batches before the reader.

        ``buffer`` gives the memory of a batch (pinned memory, say); it must not be given out
        again before the batch is done with. ``skip`` names batches to leave out by number: which
        tiles share a batch never changes, so that a resumed run computes the same bits.
        """
        order = self.order()
        cut = [order[i : i + size] for i in range(0, len(order), size)]
        parts = [(number, index) for number, index in enumerate(cut) if number not in skip]
        make = buffer or self._empty
        if threads < 1:
            for number, index in parts:
                batch = Batch(number, index, make(len(index)))
                self._fill(batch, 0, len(index))
                yield batch
            return
        pool = ThreadPoolExecutor(threads, thread_name_prefix="stml-read")
        waiting: deque[tuple[Batch, list[Future[None]]]] = deque()
        try:
            for number, index in parts:
                batch = Batch(number, index, make(len(index)))
                tasks = [
                    pool.submit(self._fill, batch, i, min(i + GROUP, len(index)))
                    for i in range(0, len(index), GROUP)
                ]
                waiting.append((batch, tasks))
                if len(waiting) > ahead:
                    yield _done(*waiting.popleft())
            while waiting:
                yield _done(*waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _empty(self, n: int) -> NDArray[np.uint8]:
        p = self.grid.pixels
        return np.empty((n, p, p, 3), dtype=np.uint8)

    def _fill(self, batch: Batch, start: int, stop: int) -> None:
        for i in range(start, stop):
            batch.pixels[i] = self.tile(int(batch.index[i]))


def _done(batch: Batch, tasks: list[Future[Any]]) -> Batch:
    for task in tasks:
        task.result()
    return batch
