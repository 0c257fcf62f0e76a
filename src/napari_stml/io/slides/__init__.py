"""Slides: pyramids of pixels out of any file, read window by window."""

from __future__ import annotations

from napari_stml.io.slides.base import DamagedTileError, Level, Slide
from napari_stml.io.slides.cache import TileCache, tile_cache
from napari_stml.io.slides.opening import open_slide
from napari_stml.io.slides.views import LevelView, pyramid

__all__ = [
    "DamagedTileError",
    "Level",
    "LevelView",
    "Slide",
    "TileCache",
    "open_slide",
    "pyramid",
    "tile_cache",
]
