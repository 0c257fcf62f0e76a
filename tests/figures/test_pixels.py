from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_stml.core.geometry import Box
from napari_stml.figures import pixels
from napari_stml.figures.pixels import read_mask, read_picture, window_for
from napari_stml.io.slides.array import ArraySlide


@pytest.fixture
def slide() -> ArraySlide:
    rng = np.random.default_rng(0)
    return ArraySlide(rng.integers(0, 255, (3000, 4200, 3), dtype=np.uint8))


WHOLE = Box(0, 0, 4200, 3000)


def test_the_coarsest_level_that_is_fine_enough_is_taken(slide: ArraySlide) -> None:
    for width in (4000, 2000, 1051, 600, 100):
        window = window_for(slide, WHOLE, width, width * 3000 / 4200)
        assert window is not None
        asked = 4200 / width
        assert slide.levels[window.level].downsample_x <= asked * 1.001
        coarser = slide.levels[window.level + 1 :]
        assert all(level.downsample_x > asked for level in coarser)
        assert (window.width, window.height) == (width, round(width * 3000 / 4200))


def test_a_slide_coarser_than_the_print_gives_its_own_pixels(slide: ArraySlide) -> None:
    window = window_for(slide, Box(100.4, 50.2, 30, 20), 600, 400)
    assert window is not None
    picture = read_picture(slide, window)
    assert picture.pixels.shape == (21, 31, 3)
    assert picture.box == Box(100, 50, 31, 21)
    assert np.array_equal(picture.pixels, slide.read(100, 50, 0, 31, 21))


def test_nothing_is_shifted_or_left_out(slide: ArraySlide) -> None:
    """A coarse checkerboard stays where it is, and a picture keeps its mean."""
    y, x = np.mgrid[:3000, :4200] // 300
    board = (((x + y) % 2) * 200).astype(np.uint8)
    big = ArraySlide(np.repeat(board[:, :, None], 3, axis=2))
    window = window_for(big, WHOLE, 1680, 1200)
    assert window is not None
    got = read_picture(big, window).pixels[:, :, 0]
    assert np.array_equal(got[60::120, 60::120], board[150::300, 150::300])
    steps = np.flatnonzero(np.abs(np.diff(got[60].astype(int))) > 100) + 1
    assert steps.tolist() == list(range(120, 1680, 120))
    noisy = window_for(slide, WHOLE, 1700, 1214)
    assert noisy is not None
    assert read_picture(slide, noisy).pixels.mean() == pytest.approx(127, abs=0.5)


def test_bands_change_nothing_and_bound_what_is_read(
    slide: ArraySlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = window_for(slide, Box(11, 7, 4000, 2900), 1900, 1377)
    assert window is not None
    at_once = read_picture(slide, window).pixels
    monkeypatch.setattr(pixels, "BAND_BYTES", 400_000)
    largest = 0
    read = ArraySlide.read

    def watched(self: Any, *where: Any, **more: Any) -> Any:
        nonlocal largest
        got = read(self, *where, **more)
        largest = max(largest, got.nbytes)
        return got

    monkeypatch.setattr(ArraySlide, "read", watched)
    by_bands = read_picture(slide, window).pixels
    assert 0 < largest < 500_000
    assert np.abs(at_once.astype(int) - by_bands).max() <= 1


def test_beside_the_slide_there_is_nothing(slide: ArraySlide) -> None:
    assert window_for(slide, Box(5000, 0, 100, 100), 50, 50) is None


def test_what_hangs_over_the_edge_is_cut(slide: ArraySlide) -> None:
    window = window_for(slide, Box(-2100, 0, 4200, 3000), 420, 300)
    assert window is not None
    picture = read_picture(slide, window)
    assert picture.pixels.shape[:2] == (300, 210)
    assert picture.box == Box(0, 0, 2100, 3000)


def test_channels_are_stretched_and_laid_over_each_other() -> None:
    planes = np.zeros((200, 200, 2), np.uint16)
    planes[:100, :, 0], planes[:, 100:, 1] = 4000, 60000
    slide = ArraySlide(planes, channels=("DAPI", "CD3"))
    window = window_for(slide, Box(0, 0, 200, 200), 100, 100)
    assert window is not None
    got = read_picture(slide, window).pixels
    assert got[80, 20].max() == 0
    assert got[20, 20, 2] > got[20, 20, 0]  # the first channel is blue
    assert got[80, 80, 0] > got[80, 80, 2]  # the second one orange


def test_ids_of_a_mask_are_picked_never_mixed() -> None:
    ids = np.kron(np.array([[1, 900], [5, 0]]), np.ones((50, 50))).astype(np.int32)
    slide = ArraySlide(ids)
    window = window_for(slide, Box(0, 0, 100, 100), 31, 31)
    assert window is not None
    seen: set[int] = set()

    def paint(band: Any) -> Any:
        seen.update(np.unique(band).tolist())
        return np.repeat(band[:, :, None] % 256, 4, axis=2).astype(np.uint8)

    picture = read_mask(slide, window, paint)
    assert seen == {0, 1, 5, 900}
    assert picture.pixels.shape == (31, 31, 4)
    assert picture.pixels[0, 0, 0] == 1
    assert picture.pixels[30, 0, 0] == 5
