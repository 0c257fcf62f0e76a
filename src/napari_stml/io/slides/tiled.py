"""Slides made of tiles: windows composed from the shared cache, and the levels we add."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_stml.io.slides.base import Level, Pixels, Slide
from napari_stml.io.slides.cache import tile_cache
from napari_stml.io.slides.levels import Source, complete, halve

if TYPE_CHECKING:
    from napari_stml.io.slides.pyramid_store import PyramidStore
    from napari_stml.io.slides.tile_memory import Empty

Spot = tuple[int, int]
"""Row and column of a tile."""

Mapper = Callable[[Callable[[Spot], None], Iterable[Spot]], Iterable[None]]

SMALL_TILE = 4 << 20
"""Pixels of a file's tile up to which a coarse level is made tile by tile."""


class TiledSlide(Slide):
    """A slide whose file is cut into tiles.

    A subclass calls `_describe` once and defines `_decode`. Channels are stored in *planes*: all
    of them together (RGB), or groups of ``_per_plane`` channels that are read on their own.
    """

    _handles: ClassVar[tuple[str, ...]] = ()
    """Attributes that do not travel to another process; None stands for closed."""

    _direct: ClassVar[bool] = False
    """Tiles of level 0 lie in memory already: the cache would only hold them twice."""

    _key: str
    _sources: tuple[Source, ...]
    _stored: tuple[int, ...]
    _per_plane: int
    pyramid: PyramidStore | None = None

    def _describe(
        self,
        stored: Sequence[Level],
        *,
        key: str,
        channels: Sequence[str],
        dtype: np.dtype[Any],
        rgb: bool,
        per_plane: int | None = None,
        mask: bool = False,
    ) -> None:
        self.levels, self._sources = complete(stored)
        self._stored = tuple(i for i, s in enumerate(self._sources) if s.halvings == 0)
        self._key = key
        self.channels = tuple(channels)
        self.dtype = np.dtype(dtype)
        self.rgb = rgb
        self.mask = mask
        self._per_plane = per_plane or len(self.channels)

    @abstractmethod
    def _decode(self, stored: int, row: int, col: int, plane: int, empty: Empty) -> Pixels:
        """Decode a tile of the file's level number ``stored``, cut at the image's edge."""

    @property
    def key(self) -> str:
        return self._key

    @property
    def fill(self) -> int:
        """The value of what lies outside or was never scanned."""
        return 255 if self.rgb else 0

    def tile(self, level: int, row: int, col: int) -> Pixels:
        planes = range(-(-len(self.channels) // self._per_plane))
        parts = [self._make(level, row, col, plane, np.empty) for plane in planes]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)

    def read(
        self, x: int, y: int, level: int, w: int, h: int, *, channel: int | None = None
    ) -> Pixels:
        return self.compose(x, y, level, w, h, channel=channel)

    def compose(
        self,
        x: int,
        y: int,
        level: int,
        w: int,
        h: int,
        *,
        channel: int | None = None,
        each: Mapper = map,
    ) -> Pixels:
        """Read a window; ``each`` (a pool's map) may fetch its tiles side by side."""
        per_plane, count = self._per_plane, len(self.channels)
        if channel is not None:
            plane, nth = divmod(range(count)[channel], per_plane)
            pixels = self._plane(x, y, level, w, h, plane, each)
            return pixels if per_plane == 1 else pixels[:, :, nth : nth + 1]
        if count <= per_plane:
            return self._plane(x, y, level, w, h, 0, each)
        planes = range(-(-count // per_plane))
        return np.concatenate(
            [self._plane(x, y, level, w, h, plane, each) for plane in planes], axis=2
        )

    def _plane(
        self, x: int, y: int, level: int, w: int, h: int, plane: int, each: Mapper
    ) -> Pixels:
        lv = self.levels[level]
        tw, th = lv.tile_width, lv.tile_height
        col, left = divmod(x, tw)
        row, top = divmod(y, th)
        inside = x >= 0 and y >= 0 and x + w <= lv.width and y + h <= lv.height
        if inside and left + w <= tw and top + h <= th and w > 0 and h > 0:
            pixels = self._cached(level, row, col, plane)
            if left or top or pixels.shape[0] != h or pixels.shape[1] != w:
                return pixels[top : top + h, left : left + w]
            return pixels
        depth = min(self._per_plane, len(self.channels) - plane * self._per_plane)
        shape = (max(h, 0), max(w, 0), depth)
        out = np.empty(shape, self.dtype) if inside else np.full(shape, self.fill, self.dtype)
        x1, y1 = min(x + w, lv.width), min(y + h, lv.height)

        def paste(spot: Spot) -> None:
            row, col = spot
            pixels = self._cached(level, row, col, plane)
            ty, tx = row * th, col * tw
            a, b = max(ty, y), min(ty + th, y1)
            c, d = max(tx, x), min(tx + tw, x1)
            out[a - y : b - y, c - x : d - x] = pixels[a - ty : b - ty, c - tx : d - tx]

        if x1 > 0 and y1 > 0 and w > 0 and h > 0:
            rows = range(max(row, 0), -(-y1 // th))
            cols = range(max(col, 0), -(-x1 // tw))
            for _ in each(paste, [(r, c) for r in rows for c in cols]):
                pass
        return out

    def _cached(self, level: int, row: int, col: int, plane: int) -> Pixels:
        if self._direct and level == 0 and self.pyramid is None:
            return self._make(level, row, col, plane, np.empty)
        key = (self._key, level, row, col, plane)
        return tile_cache().get(key, self._make, level, row, col, plane)

    def _make(self, level: int, row: int, col: int, plane: int, empty: Empty) -> Pixels:
        if self.pyramid is not None:
            pixels = self.pyramid.tile(level, row, col, plane)
            if pixels is not None:
                return pixels
        source = self._sources[level]
        if source.halvings == 0:
            return self._decode(source.stored, row, col, plane, empty)
        return self._halved(level, row, col, plane)

    def _halved(self, level: int, row: int, col: int, plane: int) -> Pixels:
        """Make a tile of a level that the file does not have.

        One step below the file's level its tiles go through the cache, as a view of one is often
        followed by a view of the other. Further down that would sweep the cache: the file's tiles
        are decoded, shrunk and let go one by one.
        """
        lv, source = self.levels[level], self._sources[level]
        x, y = col * lv.tile_width, row * lv.tile_height
        w, h = min(lv.tile_width, lv.width - x), min(lv.tile_height, lv.height - y)
        factor = 1 << source.halvings
        base = self._stored[source.stored]
        grid = self.levels[base]
        steps = (grid.tile_width % factor, grid.tile_height % factor)
        if source.halvings == 1 or any(steps) or grid.tile_width * grid.tile_height > SMALL_TILE:
            finer = self.levels[level - 1]
            w2, h2 = min(2 * w, finer.width - 2 * x), min(2 * h, finer.height - 2 * y)
            return halve(self._plane(2 * x, 2 * y, level - 1, w2, h2, plane, map), mask=self.mask)
        return self._shrunk((x, y, w, h), base, source.halvings, plane)

    def _shrunk(
        self, box: tuple[int, int, int, int], base: int, halvings: int, plane: int
    ) -> Pixels:
        x, y, w, h = box
        grid = self.levels[base]
        tw, th = grid.tile_width >> halvings, grid.tile_height >> halvings
        depth = min(self._per_plane, len(self.channels) - plane * self._per_plane)
        out = np.empty((h, w, depth), self.dtype)
        for row in range(y // th, -(-(y + h) // th)):
            for col in range(x // tw, -(-(x + w) // tw)):
                pixels = self._fresh(base, row, col, plane)
                for _ in range(halvings):
                    pixels = halve(pixels, mask=self.mask)
                ty, tx = row * th - y, col * tw - x
                top, left = max(-ty, 0), max(-tx, 0)
                part = out[ty + top : ty + th, tx + left : tx + tw]
                part[...] = pixels[top : top + part.shape[0], left : left + part.shape[1]]
        return out

    def _fresh(self, level: int, row: int, col: int, plane: int) -> Pixels:
        pixels = tile_cache().peek((self._key, level, row, col, plane))
        return self._make(level, row, col, plane, np.empty) if pixels is None else pixels

    def bands(self, level: int, plane: int) -> Iterator[Pixels]:
        """Go down a level of the file in bands of its full width, past the cache."""
        lv = self.levels[level]
        for row in range(-(-lv.height // lv.tile_height)):
            cols = range(-(-lv.width // lv.tile_width))
            yield np.concatenate([self._fresh(level, row, c, plane) for c in cols], axis=1)

    def pyramid_made(self) -> None:
        """Let go of what only served until the background pyramid was there."""

    @property
    def planes(self) -> int:
        """How many groups of channels are stored apart."""
        return -(-len(self.channels) // self._per_plane)

    def close(self) -> None:
        if self.pyramid is not None:
            self.pyramid.close()
        for name in self._handles:
            setattr(self, name, None)

    def __getstate__(self) -> dict[str, Any]:
        return {k: None if k in self._handles else v for k, v in self.__dict__.items()}
