"""Scanner formats (ndpi, mrxs, scn, bif, DICOM, odd svs) through OpenSlide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Box, ScaleSource
from napari_stml.io.slides.array import RGB, over_white
from napari_stml.io.slides.base import DamagedTileError, Pixels
from napari_stml.io.slides.identity import file_stamp, key_of
from napari_stml.io.slides.levels import TILE_PX, measured
from napari_stml.io.slides.scale import Scale, first, from_objective, given, stated
from napari_stml.io.slides.tiled import TiledSlide

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_stml.io.slides.tile_memory import Empty

_TILES = range(128, 2049)


class OpenSlideSlide(TiledSlide):
    """A slide that OpenSlide reads; transparent (unscanned) pixels are white."""

    _handles: ClassVar[tuple[str, ...]] = ("_opened",)

    def __init__(self, path: Path, *, um_per_px: Scale = None) -> None:
        self.uri = str(path)
        self._stamp = file_stamp(path)
        self._opened: Any = None
        slide = self._open()
        said = dict(slide.properties)
        sizes = list(slide.level_dimensions)
        self._describe(
            measured(sizes, [_tile(said, i) for i in range(len(sizes))]),
            key=key_of("openslide", *self._stamp),
            channels=RGB,
            dtype=np.dtype(np.uint8),
            rgb=True,
        )
        self._downsamples = tuple(slide.level_downsamples)
        generic = said.get("openslide.vendor") == "generic-tiff"
        source = ScaleSource.TAGS if generic else ScaleSource.VENDOR
        x, y = said.get("openslide.mpp-x"), said.get("openslide.mpp-y")
        self.um_per_px = first(given(um_per_px), stated(x or y, y or x, source))
        self.um_per_px_guess = from_objective(said.get("openslide.objective-power"))
        self.bounds = _bounds(said)

    def _decode(self, stored: int, row: int, col: int, plane: int, empty: Empty) -> Pixels:
        import openslide

        number = self._stored[stored]
        lv = self.levels[number]
        x, y = col * lv.tile_width, row * lv.tile_height
        size = (min(lv.tile_width, lv.width - x), min(lv.tile_height, lv.height - y))
        factor = self._downsamples[stored]
        try:
            picture = self._open().read_region((round(x * factor), round(y * factor)), stored, size)
        except openslide.OpenSlideError as error:
            self._opened = None  # OpenSlide refuses everything after its first error
            raise DamagedTileError(
                f"A tile of the slide cannot be read ({error})",
                where=f"{self.uri}, level {number}, row {row}, column {col}",
                do="copy the file again from its source, it is damaged",
            ) from error
        return over_white(np.asarray(picture))

    def _open(self) -> Any:
        import openslide

        opened = self._opened
        if opened is None:
            try:
                same = file_stamp(self.uri) == self._stamp
                opened = openslide.OpenSlide(self.uri)
            except (openslide.OpenSlideError, OSError) as error:
                raise CannotOpenError(
                    f"OpenSlide cannot read this slide ({error})",
                    where=self.uri,
                    do="check that all files that belong to it are there and complete",
                ) from error
            if not same:
                raise CannotOpenError(
                    "The slide was changed since it was opened", where=self.uri, do="open it again"
                )
            self._opened = opened
        return opened


def vendor(path: Path) -> str | None:
    """Return OpenSlide's name of the format, None for what it does not know."""
    import openslide

    try:
        found: str | None = openslide.OpenSlide.detect_format(str(path))
    except openslide.OpenSlideError:
        return None
    return found


def _tile(said: Mapping[str, str], level: int) -> tuple[int, int]:
    """Return the file's own tile size where it is one to read by."""
    try:
        w = int(said[f"openslide.level[{level}].tile-width"])
        h = int(said[f"openslide.level[{level}].tile-height"])
    except (KeyError, ValueError):
        return TILE_PX, TILE_PX
    return (w, h) if w in _TILES and h in _TILES else (TILE_PX, TILE_PX)


def _bounds(said: Mapping[str, str]) -> Box | None:
    try:
        x, y, w, h = (float(said[f"openslide.bounds-{n}"]) for n in ("x", "y", "width", "height"))
    except (KeyError, ValueError):
        return None
    return Box(x, y, w, h) if w > 0 and h > 0 else None
