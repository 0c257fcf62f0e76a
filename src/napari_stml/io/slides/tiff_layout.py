"""Where a TIFF's pixels lie: levels, planes of channels, segments, and how to decode them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.slides.tile_memory import Empty

Decode = Callable[[bytes, int, bytes | None, Empty], NDArray[Any]]
"""Bytes of a segment, its index, its JPEG tables -> (y, x, c)."""

HIDDEN = ("label", "macro", "thumbnail", "overview", "map")
"""Images that may show a patient's name, or are no level."""

_JPEG = 7
_RGB, _YCBCR = 2, 6
_RAW_ROWS = 64
_MOST_STACKED = 64


@dataclass(frozen=True)
class Plane:
    """Channels stored together: byte ranges of the segments, row by row."""

    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    tables: bytes | None
    first: int
    """Index of the plane's first segment in its page (planes of one page follow each other)."""


@dataclass(frozen=True)
class TiffLevel:
    """One resolution; a segment is a tile or a strip."""

    width: int
    height: int
    segment_width: int
    segment_height: int
    tiled: bool
    planes: tuple[Plane, ...]
    samples: int
    decode: Decode

    @property
    def across(self) -> int:
        return -(-self.width // self.segment_width)


def find_series(tif: Any, wanted: int | str | None) -> Any:
    """Return the image asked for, by default the largest; never a label or macro."""
    shown = [s for s in tif.series if not _hidden(s.name)]
    if not shown:
        raise CannotOpenError("This TIFF holds no image", where=tif.filename)
    if wanted is None:
        return max(shown, key=lambda s: s.levels[0].keyframe.imagewidth * s.keyframe.imagelength)
    for i, series in enumerate(shown):
        if wanted in {i, series.name}:
            return series
    names = ", ".join(f"{i} ({s.name})" if s.name else str(i) for i, s in enumerate(shown))
    raise CannotOpenError(
        f"There is no image {wanted!r} in this file", where=tif.filename, do=f"choose of {names}"
    )


def _hidden(name: str) -> bool:
    words = name.lower().replace("_", " ").split()
    return any(word in HIDDEN for word in words)


def find_levels(tif: Any, series: Any) -> list[TiffLevel]:
    """List the resolutions of one image, finest first."""
    levels = [_of_series(level) for level in series.levels]
    if len(levels) == 1 and len(levels[0].planes) == 1:
        levels += _reduced_pages(tif, series.keyframe, levels[0])
    return levels


def _reduced_pages(tif: Any, full: Any, finest: TiffLevel) -> list[TiffLevel]:
    """Smaller copies that follow as pages of their own, as libvips writes them."""
    found: list[TiffLevel] = []
    for page in tif.pages:
        page = page.aspage()
        width = found[-1].width if found else finest.width
        if not (page.is_reduced and page.is_tiled and page.imagewidth < width):
            continue
        if (page.dtype, page.samplesperpixel) != (full.dtype, full.samplesperpixel):
            continue
        scale = finest.width / page.imagewidth
        if abs(finest.height / scale - page.imagelength) > 1.5:
            continue  # another picture: a thumbnail of the whole glass, a label
        found.append(_level(page, [page]))
    return found


def _of_series(series: Any) -> TiffLevel:
    keyframe = series.keyframe
    if keyframe.imagedepth > 1:
        raise CannotOpenError("Volumes in one TIFF page are not supported")
    axes = [(a, n) for a, n in zip(series.axes, series.shape, strict=True) if a not in "YXS"]
    letters = [a for a, _ in axes]
    by_channel = next((a for a in "CIQ" if a in letters), None)
    if by_channel in {"I", "Q"} and dict(axes)[by_channel] > _MOST_STACKED:
        raise CannotOpenError("This TIFF is a long stack of pages, not an image of channels")
    count = dict(axes).get(by_channel, 1) if by_channel else 1
    shape = [n for _, n in axes]
    index = [
        int(np.ravel_multi_index([c if a == by_channel else 0 for a in letters], shape))
        if shape
        else 0
        for c in range(count)
    ]
    if series.dataoffset is not None and keyframe.compression == 1 and not keyframe.is_tiled:
        return _raw(keyframe, [series.dataoffset + i * _page_bytes(keyframe) for i in index])
    pages = [series[i] for i in index]
    if any(page is None for page in pages):
        raise CannotOpenError("A page of this TIFF is missing")
    return _level(keyframe, pages)


def _page_bytes(page: Any) -> int:
    size: int = page.imagewidth * page.imagelength * page.samplesperpixel * page.dtype.itemsize
    return size


def _level(keyframe: Any, pages: Sequence[Any]) -> TiffLevel:
    in_one_piece = keyframe.is_contiguous and all(len(p.dataoffsets) > 0 for p in pages)
    if in_one_piece and keyframe.compression == 1 and not keyframe.is_tiled:
        return _raw(keyframe, [p.dataoffsets[0] for p in pages])
    w, h = keyframe.imagewidth, keyframe.imagelength
    tiled = bool(keyframe.is_tiled)
    sw = keyframe.tilewidth if tiled else w
    sh = keyframe.tilelength if tiled else min(keyframe.rowsperstrip, h)
    apart = keyframe.planarconfig == 2 and keyframe.samplesperpixel > 1
    groups = keyframe.samplesperpixel if apart else 1
    per_group = math.ceil(w / sw) * math.ceil(h / sh)
    planes: list[Plane] = []
    for page in pages:
        offsets = np.asarray(page.dataoffsets, np.int64)
        counts = np.asarray(page.databytecounts, np.int64)
        if len(offsets) < per_group * groups or len(counts) != len(offsets):
            raise CannotOpenError("The TIFF's table of tiles is too short: the file is damaged")
        for g in range(groups):
            part = slice(g * per_group, (g + 1) * per_group)
            planes.append(Plane(offsets[part], counts[part], page.jpegtables, g * per_group))
    samples = 1 if apart else keyframe.samplesperpixel
    return TiffLevel(w, h, sw, sh, tiled, tuple(planes), samples, _decoder(keyframe, (sh, sw)))


def _raw(page: Any, starts: Sequence[int]) -> TiffLevel:
    """Uncompressed rows in one piece: cut into strips of our own."""
    w, h = page.imagewidth, page.imagelength
    apart = page.planarconfig == 2 and page.samplesperpixel > 1
    groups = page.samplesperpixel if apart else 1
    samples = page.samplesperpixel // groups
    row = w * samples * page.dtype.itemsize
    rows = np.arange(0, h, _RAW_ROWS, dtype=np.int64)
    counts = np.minimum(_RAW_ROWS, h - rows) * row
    stored = page.dtype.newbyteorder(page.parent.byteorder)
    planes = tuple(
        Plane(start + g * h * row + rows * row, counts, None, 0)
        for start in starts
        for g in range(groups)
    )

    def decode(data: bytes, index: int, tables: bytes | None, empty: Empty) -> NDArray[Any]:
        pixels = np.frombuffer(data, stored).reshape(-1, w, samples)
        native: NDArray[Any] = pixels.astype(stored.newbyteorder("="), copy=False)
        return native

    return TiffLevel(w, h, w, min(_RAW_ROWS, h), False, planes, samples, decode)


def _decoder(page: Any, segment: tuple[int, int]) -> Decode:
    general = page.decode
    try:
        general(None, 0)
    except (ValueError, NotImplementedError) as error:
        raise CannotOpenError(f"The way this TIFF is compressed is not supported ({error})") from (
            error
        )

    def any_codec(data: bytes, index: int, tables: bytes | None, empty: Empty) -> NDArray[Any]:
        more = {"jpegtables": tables} if tables is not None else {}
        volume = general(data, index, **more)[0]
        pixels: NDArray[Any] = volume[0]
        return pixels

    plain = page.compression == _JPEG and page.bitspersample == 8 and not page.extrasamples
    grey = page.samplesperpixel == 1 or page.planarconfig == 2
    colour = page.samplesperpixel == 3 and page.photometric in {_RGB, _YCBCR}
    if not (plain and page.is_tiled and (grey or colour)):
        return any_codec
    return _jpeg_decoder(page, segment, any_codec, grey=grey)


def _jpeg_decoder(page: Any, segment: tuple[int, int], other: Decode, *, grey: bool) -> Decode:
    from imagecodecs import Jpeg8Error, jpeg8_decode

    uint8 = np.dtype(np.uint8)
    shape = (*segment, 1) if grey else (*segment, 3)
    # Aperio stores RGB without saying so inside the JPEG stream, which then means YCbCr
    unsaid_rgb = not grey and page.photometric == _RGB and not page.is_jfif
    colours: dict[str, Any] = (
        {} if grey else {"colorspace": _RGB if unsaid_rgb else None, "outcolorspace": _RGB}
    )

    def jpeg(data: bytes, index: int, tables: bytes | None, empty: Empty) -> NDArray[Any]:
        pixels = empty(shape, uint8)
        try:
            jpeg8_decode(data, tables=tables, out=pixels[:, :, 0] if grey else pixels, **colours)
        except (Jpeg8Error, ValueError):  # of another size at the edge, 12 bit, lossless
            return other(data, index, tables, empty)
        return pixels

    return jpeg
