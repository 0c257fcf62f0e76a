"""TIFF, OME-TIFF and svs: segments read by offset and decoded by imagecodecs."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.slides.array import RGB, is_mask, numbered, over_white
from napari_stml.io.slides.base import DamagedTileError, Pixels
from napari_stml.io.slides.cache import tile_cache
from napari_stml.io.slides.identity import file_stamp, key_of
from napari_stml.io.slides.levels import TILE_PX, measured
from napari_stml.io.slides.scale import Scale, first, given
from napari_stml.io.slides.tiff_layout import TiffLevel, find_levels, find_series
from napari_stml.io.slides.tiff_tags import channel_names, scales
from napari_stml.io.slides.tiled import TiledSlide

if TYPE_CHECKING:
    from napari_stml.io.slides.tile_memory import Empty

PARSE_ERRORS = (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError,
                struct.error, NotImplementedError, RuntimeError)  # fmt: skip
"""What tifffile and codecs raise on bytes that are not what they should be."""


class ForeignTiffError(CannotOpenError):
    """A dialect whose geometry only OpenSlide knows."""


class _File:
    """An open file that many threads read by offset; closed when nobody uses it any more."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - lives as long as the slide
        self._lock = threading.Lock()

    def read(self, offset: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), count, offset)
        with self._lock:
            self._file.seek(offset)
            return self._file.read(count) or b""

    def __del__(self) -> None:
        self._file.close()


class TiffSlide(TiledSlide):
    """A TIFF of any layout that tifffile understands."""

    _handles: ClassVar[tuple[str, ...]] = ("_opened",)

    def __init__(
        self,
        path: Path,
        *,
        um_per_px: Scale = None,
        series: int | str | None = None,
        mask: bool | None = None,
    ) -> None:
        self.uri = str(path)
        self._series = series
        self._stamp = file_stamp(path)
        levels, about = _parse(path, series)
        self._opened: tuple[_File, list[TiffLevel]] | None = (_File(self.uri), levels)
        top = levels[0]
        self._rgba = about.rgb and top.samples == 4
        count = 3 if self._rgba else len(top.planes) * top.samples
        names = RGB if about.rgb else about.names(count)
        self._describe(
            measured(
                [(lv.width, lv.height) for lv in levels],
                [
                    (lv.segment_width, lv.segment_height) if lv.tiled else (TILE_PX, TILE_PX)
                    for lv in levels
                ],
            ),
            key=key_of("tiff", *self._stamp, series),
            channels=names,
            dtype=about.dtype,
            rgb=about.rgb,
            per_plane=3 if self._rgba else top.samples,
            mask=is_mask(about.dtype, count) if mask is None else mask,
        )
        self.um_per_px = first(given(um_per_px), about.scale)
        self.um_per_px_guess = about.guess

    def _decode(self, stored: int, row: int, col: int, plane: int, empty: Empty) -> Pixels:
        level = self._open()[1][stored]
        if level.tiled:
            pixels = self._segment(stored, row * level.across + col, plane, empty)
            h, w = (
                level.height - row * level.segment_height,
                level.width - col * level.segment_width,
            )
            if pixels.shape[0] > h or pixels.shape[1] > w:
                return pixels[:h, :w]
            return pixels
        return self._from_strips(level, stored, row, col, plane)

    def _from_strips(self, level: TiffLevel, stored: int, row: int, col: int, plane: int) -> Pixels:
        y, x = row * TILE_PX, col * TILE_PX
        bottom, n = min(y + TILE_PX, level.height), level.segment_height
        parts = []
        for strip in range(y // n, -(-bottom // n)):
            key = (self._key, "strip", stored, strip, plane)
            pixels = tile_cache().get(key, self._segment, stored, strip, plane)
            top = strip * n
            parts.append(pixels[max(y - top, 0) : bottom - top, x : x + TILE_PX])
        return np.concatenate(parts)

    def _segment(self, stored: int, index: int, plane: int, empty: Empty) -> Pixels:
        file, levels = self._open()
        level = levels[stored]
        place = level.planes[plane]
        offset, count = int(place.offsets[index]), int(place.counts[index])
        if offset == 0 or count == 0:  # never scanned
            shape = (level.segment_height, level.segment_width, self._per_plane)
            return np.full(shape, self.fill, self.dtype)
        data = file.read(offset, count)
        if len(data) < count:
            raise self._damaged(stored, index, plane, "the file ends too early")
        try:
            pixels = level.decode(data, place.first + index, place.tables, empty)
        except PARSE_ERRORS as error:
            raise self._damaged(stored, index, plane, str(error)) from error
        if self._rgba:
            return over_white(pixels)
        return pixels

    def _damaged(self, stored: int, index: int, plane: int, why: str) -> StmlError:
        level = self._open()[1][stored]
        row, col = divmod(index, level.across)
        return DamagedTileError(
            f"A {'tile' if level.tiled else 'strip'} of the slide cannot be decoded ({why})",
            where=f"{self.uri}, level {self._stored[stored]}, row {row}, column {col}"
            + (f", channel {self.channels[plane]}" if self.planes > 1 else ""),
            do="copy the file again from its source, it is damaged",
        )

    def _open(self) -> tuple[_File, list[TiffLevel]]:
        opened = self._opened
        if opened is None:
            try:
                same = file_stamp(self.uri)[1:] == self._stamp[1:]
            except OSError as error:
                raise CannotOpenError("The slide is gone", where=self.uri) from error
            if not same:
                raise CannotOpenError(
                    "The slide was changed since it was opened", where=self.uri, do="open it again"
                )
            opened = self._opened = (_File(self.uri), _parse(Path(self.uri), self._series)[0])
        return opened


class _About:
    """What the tags say of an image."""

    def __init__(self, tif: Any, series: Any) -> None:
        page = series.keyframe
        if page.dtype is None or page.dtype.kind not in "buif":
            raise CannotOpenError(f"Pixels of type {page.dtype} are not supported")
        self.dtype: np.dtype[Any] = np.dtype(page.dtype).newbyteorder("=")
        self.rgb = (
            self.dtype == np.uint8
            and page.samplesperpixel in {3, 4}
            and int(page.photometric) in {2, 6}
            and "C" not in series.axes
        )
        self.scale, self.guess = scales(tif, series)
        self._named = channel_names(tif, series)

    def names(self, count: int) -> tuple[str, ...]:
        if len(self._named) == count:
            return self._named
        return numbered(count)


def _parse(path: Path, wanted: int | str | None) -> tuple[list[TiffLevel], _About]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            page = tif.pages[0]
            if page.is_ndpi or page.is_philips or page.is_bif or page.is_scn:
                raise ForeignTiffError("A scanner's TIFF dialect")
            series = find_series(tif, wanted)
            return find_levels(tif, series), _About(tif, series)
    except StmlError as error:
        if error.where:
            raise
        raise type(error)(error.what, where=path, do=error.do) from error
    except PARSE_ERRORS as error:
        raise CannotOpenError(
            f"The TIFF is damaged or not a TIFF ({error})",
            where=path,
            do="copy it again from its source",
        ) from error
