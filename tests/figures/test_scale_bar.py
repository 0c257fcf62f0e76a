from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from napari_stml.figures.scale_bar import in_words, round_length
from napari_stml.figures.tissue import Print, tissue_figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.io.section import Section


def test_lengths_are_round_and_a_tenth_to_a_quarter_of_the_width() -> None:
    for width in np.geomspace(0.03, 80_000, 4000):
        length = round_length(float(width))
        first = f"{length:.6e}"
        assert first[0] in "125"
        assert set(first[2:8]) == {"0"}
        assert 0.1 - 1e-9 <= length / width <= 0.25 + 1e-9


@pytest.mark.parametrize(
    ("um", "words"), [(0.5, "500 nm"), (20, "20 µm"), (500, "500 µm"), (2000, "2 mm")]
)
def test_words(um: float, words: str) -> None:
    assert in_words(um) == words


@pytest.mark.parametrize("um_per_px", [0.25, 0.5, 0.6881, (0.5, 0.25)])
@pytest.mark.parametrize(
    ("width_mm", "dpi", "region"), [(80, 150, None), (55.3, 317, "30,20,251,199")]
)
def test_the_bar_is_right_to_a_pixel(
    make: Callable[..., Section], um_per_px: Any, width_mm: float, dpi: int, region: str | None
) -> None:
    how = Print(width_mm=width_mm, dpi=dpi, region=region)
    drawing = tissue_figure(make(um_per_px=um_per_px), "", how)
    data, _ = drawing.encoded(".png")
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    assert pixels.shape[1] == round(width_mm / 25.4 * dpi)
    tissue = next(a for a in drawing.figure.axes if a.get_label() == "tissue").get_window_extent()
    across = round(tissue.width) if drawing.figure.dpi == dpi else tissue.width
    scale = um_per_px if isinstance(um_per_px, float) else um_per_px[0]
    shown = 400 if region is None else 251
    bar = drawing.report["scale_bar"]
    expected = bar["um"] / scale / shown * across
    black = (pixels < 60).sum(axis=1)
    assert abs(int(black.max()) - expected) <= 1
    assert 0.1 <= expected / across <= 0.25


def test_without_a_scale_there_is_no_bar_and_the_figure_says_so(
    make: Callable[..., Section],
) -> None:
    drawing = tissue_figure(make(um_per_px=None), "", Print(width_mm=60, dpi=100))
    assert "unknown" in drawing.report["scale_bar"]
    assert drawing.report["um_per_px"] is None
    svg = drawing.encoded(".svg")[0].decode()
    assert "scale-bar" not in svg
    assert "micrometres per pixel of this section are unknown" in svg
