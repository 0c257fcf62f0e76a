"""Slides of pixels that are in memory at once: arrays, and JPEG or PNG files."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.slides.base import DamagedTileError, Pixels
from napari_stml.io.slides.identity import file_stamp, key_of
from napari_stml.io.slides.levels import TILE_PX, measured
from napari_stml.io.slides.tiled import TiledSlide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.ImageFile import ImageFile

    from napari_stml.core.geometry import UmPerPx
    from napari_stml.io.slides.tile_memory import Empty

RGB = ("red", "green", "blue")


class ArraySlide(TiledSlide):
    """An image in memory, (y, x) or (y, x, c); it is not copied and must not change."""

    _direct: ClassVar[bool] = True

    def __init__(
        self,
        pixels: Pixels,
        *,
        name: str = "image",
        um_per_px: UmPerPx | None = None,
        channels: Sequence[str] | None = None,
        mask: bool | None = None,
    ) -> None:
        self._pixels = _as_yxc(pixels)
        self.uri = name
        self.um_per_px = um_per_px
        h, w, count = self._pixels.shape
        dtype = self._pixels.dtype
        rgb = count == 3 and dtype == np.uint8 and channels is None
        self._describe(
            measured([(w, h)], [(TILE_PX, TILE_PX)]),
            key=f"array-{uuid.uuid4().hex}",
            channels=channels or (RGB if rgb else numbered(count)),
            dtype=dtype,
            rgb=rgb,
            mask=is_mask(dtype, count) if mask is None else mask,
        )

    def _decode(self, stored: int, row: int, col: int, plane: int, empty: Empty) -> Pixels:
        y, x = row * TILE_PX, col * TILE_PX
        view = self._pixels[y : y + TILE_PX, x : x + TILE_PX]
        view.flags.writeable = False
        return view


class ImageFileSlide(TiledSlide):
    """A JPEG, PNG or other flat picture; it is decoded whole when first needed.

    Orientation tags are not applied: spot positions refer to the pixels as they are stored.
    """

    _direct: ClassVar[bool] = True
    _handles: ClassVar[tuple[str, ...]] = ("_pixels", "_lock")

    def __init__(self, path: Path, *, um_per_px: UmPerPx | None = None) -> None:
        self.uri = str(path)
        self.um_per_px = um_per_px
        self._pixels: Pixels | None = None
        self._lock: threading.Lock | None = threading.Lock()
        with _picture(path) as picture:
            w, h = picture.size
            self._mode = _mode(picture.mode)
        count = len(self._mode)
        wide = self._mode in {"I", "F"}
        self._describe(
            measured([(w, h)], [(TILE_PX, TILE_PX)]),
            key=key_of("picture", *file_stamp(path)),
            channels=RGB if count == 3 else ("grey",),
            dtype=np.dtype({"I": np.int32, "F": np.float32}[self._mode] if wide else np.uint8),
            rgb=count == 3,
        )

    def _decode(self, stored: int, row: int, col: int, plane: int, empty: Empty) -> Pixels:
        pixels = self._whole()
        y, x = row * TILE_PX, col * TILE_PX
        view = pixels[y : y + TILE_PX, x : x + TILE_PX]
        if self.pyramid is None:
            view.flags.writeable = False
            return view
        tile = empty(view.shape, view.dtype)  # the cache must not hold the whole picture
        tile[...] = view
        return tile

    def _whole(self) -> Pixels:
        if self._lock is None:
            self._lock = threading.Lock()
        with self._lock:
            if self._pixels is None:
                self._pixels = self._load()
            return self._pixels

    def _load(self) -> Pixels:
        try:
            with _picture(Path(self.uri)) as picture:
                pixels = _flat(picture, self._mode)
        except (OSError, ValueError, SyntaxError) as error:
            raise DamagedTileError(
                f"The picture cannot be decoded ({error})",
                where=self.uri,
                do="export it again from the program that made it",
            ) from error
        if pixels.shape[:2] != (self.height, self.width):
            raise DamagedTileError("The picture has changed since it was opened", where=self.uri)
        return pixels

    def pyramid_made(self) -> None:
        self._pixels = None


def _picture(path: Path) -> ImageFile:
    """Open without Pillow's limit on the number of pixels, which slides exceed."""
    from PIL import Image, UnidentifiedImageError

    Image.preinit()
    with path.open("rb") as file:
        head = file.read(16)
    for name in ("JPEG", "PNG"):
        factory, accept = Image.OPEN[name]
        if accept is None or accept(head):
            try:
                return factory(path, str(path))  # type: ignore[arg-type]
            except (SyntaxError, OSError, ValueError) as error:
                raise _not_a_picture(path, error) from error
    try:
        return Image.open(path)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise _not_a_picture(path, error) from error


def _not_a_picture(path: Path, error: Exception) -> StmlError:
    return CannotOpenError(
        f"This is no slide or picture that can be read ({error})",
        where=path,
        do="check that the file is complete and has the right ending",
    )


def _mode(mode: str) -> str:
    """Return what a picture is turned into."""
    if mode in {"1", "L"}:
        return "L"
    return {"I;16": "I", "I": "I", "F": "F"}.get(mode, "RGB")


def _flat(picture: ImageFile, mode: str) -> Pixels:
    from PIL import Image

    if "A" in picture.getbands() or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return np.asarray(Image.alpha_composite(white, coloured).convert(mode)).reshape(
            coloured.height, coloured.width, -1
        )
    same = picture if picture.mode == mode else picture.convert(mode)
    pixels: Pixels = np.asarray(same)
    return pixels.reshape(picture.height, picture.width, -1)


def _as_yxc(pixels: Pixels) -> Pixels:
    pixels = np.asarray(pixels)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or 0 in pixels.shape or pixels.dtype.kind not in "buif":
        raise CannotOpenError(
            f"An image needs axes y, x or y, x, channel, not shape {pixels.shape} of {pixels.dtype}"
        )
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8)
    if pixels.shape[2] in {3, 4} and pixels.dtype.kind == "f" and _within_one(pixels):
        pixels = (pixels * 255 + 0.5).astype(np.uint8)  # matplotlib's colours
    if pixels.shape[2] == 4 and pixels.dtype == np.uint8:
        pixels = over_white(pixels)
    return pixels[...]


def _within_one(pixels: Pixels) -> bool:
    """Colours as parts of one; with NaN among them nothing can be said of the colour."""
    return bool(pixels.min() >= 0 and pixels.max() <= 1)


def numbered(count: int) -> tuple[str, ...]:
    """Name channels of which nobody says what they are."""
    return ("grey",) if count == 1 else tuple(f"channel {i + 1}" for i in range(count))


def over_white(rgba: Pixels) -> Pixels:
    """Lay straight-alpha colours over white."""
    alpha = rgba[:, :, 3:]
    if (alpha == 255).all():
        return np.ascontiguousarray(rgba[:, :, :3])
    a = alpha.astype(np.uint16)
    mixed = rgba[:, :, :3] * a + 255 * (255 - a)
    return ((mixed + 127) // 255).astype(np.uint8)


def is_mask(dtype: np.dtype[Any], channels: int) -> bool:
    """One channel of 32 or 64 bit integers holds ids: no camera counts that far."""
    return channels == 1 and dtype.kind in "iu" and dtype.itemsize >= 4
