from __future__ import annotations

from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_stml.io.slides import tile_cache
from napari_stml.io.slides.cache import default_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STML_CACHE_HOME", str(tmp_path / "cache"))
    tile_cache().clear()
    tile_cache().resize(default_bytes())
    yield
    tile_cache().clear()


@pytest.fixture
def picture() -> Callable[..., np.ndarray]:
    """Make a smooth colour picture in which every place differs."""

    def make(width: int, height: int, channels: int = 3, dtype: str = "uint8") -> np.ndarray:
        y, x = np.mgrid[:height, :width].astype(float)
        planes = [
            127 + 60 * np.sin(x / (17 + 5 * c) + c) + 60 * np.cos(y / (23 - 3 * c))
            for c in range(channels)
        ]
        scale = np.iinfo(dtype).max / 255 if dtype != "float32" else 1
        return (np.stack(planes, axis=-1) * scale).astype(dtype)

    return make


@pytest.fixture
def jpeg_slide(tmp_path: Path, picture) -> Callable[..., Path]:
    """Write a pyramid of JPEG tiles, 4:2:0, as scanners do; OpenSlide reads it as well."""

    def write(
        width: int = 1024,
        height: int = 768,
        steps: tuple[int, ...] = (1, 4),
        *,
        name: str = "slide.tif",
        tile: int = 256,
        tables: bool = False,
        **extra: object,
    ) -> Path:
        full = picture(width, height)
        path = tmp_path / name
        with tifffile.TiffWriter(path) as tif:
            for i, step in enumerate(steps):
                pixels = np.ascontiguousarray(full[::step, ::step])
                tif.write(
                    pixels,
                    tile=(tile, tile),
                    photometric="ycbcr",
                    subsampling=(2, 2),
                    compression="jpeg",
                    compressionargs={"level": 80},
                    subfiletype=1 if i else 0,
                    metadata=None,
                    **extra,
                )
        return path

    return write


@pytest.fixture
def encoded() -> Callable[[np.ndarray], bytes]:
    return lambda pixels: imagecodecs.jpeg8_encode(pixels, level=80, subsampling="420")
