from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.core.results import View
from napari_stml.core.slide_views import formula
from napari_stml.core.stain import RUIFROK
from napari_stml.io.contents import PlacedSlide
from napari_stml.io.slides.array import ArraySlide
from napari_stml.viewer.frame import Frame
from napari_stml.viewer.seen_layer import seen_layer

if TYPE_CHECKING:
    from typing import Any

FRAME = Frame(UmPerPx.square(0.5, ScaleSource.USER))
NUMBERS = {"dyes": tuple(RUIFROK.ravel().tolist()), "most": (1.0, 1.0)}


def picture(side: int = 3000) -> np.ndarray:
    small = np.random.default_rng(0).integers(60, 255, (side // 50, side // 50, 3), dtype=np.uint8)
    return small.repeat(50, axis=0).repeat(50, axis=1)


@pytest.mark.parametrize("name", ["hematoxylin", "residual", "macenko"])
def test_every_level_and_window_is_the_formula_of_its_pixels(name: str) -> None:
    pixels = picture()
    slide = ArraySlide(pixels)
    view = View(name, name, NUMBERS)
    layer = seen_layer(view, PlacedSlide(slide), "x", FRAME)
    seen = formula(view)
    assert len(layer.data) == len(slide.levels) > 1
    window: Any = layer.data[0][100:180, 2900:3100]
    np.testing.assert_array_equal(window, seen.seen(pixels[100:180, 2900:3100]))
    assert layer.data[0].shape[:2] == (3000, 3000)
    coarse: Any = np.asarray(layer.data[-1])
    assert coarse.shape == layer.data[-1].shape
    assert layer.rgb == seen.rgb


def test_only_the_window_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    slide = ArraySlide(picture())
    layer = seen_layer(View("e", "eosin", NUMBERS), PlacedSlide(slide), "x", FRAME,
                       slide.read(0, 0, len(slide.levels) - 1, 750, 750))  # fmt: skip
    read: list[int] = []
    compose = slide.compose

    def watched(x: int, y: int, level: int, w: int, h: int, **more: Any) -> Any:
        read.append(w * h)
        return compose(x, y, level, w, h, **more)

    monkeypatch.setattr(slide, "compose", watched)
    layer.data[0][0:64, 0:64]
    assert read == [64 * 64]


def test_channels_have_no_stain() -> None:
    slide = ArraySlide(np.zeros((64, 64, 2), np.uint16), channels=("DAPI", "CK"))
    with pytest.raises(StmlError, match="colour image"):
        seen_layer(View("e", "eosin", NUMBERS), PlacedSlide(slide), "x", FRAME)
