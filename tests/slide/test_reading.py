from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.slides.array import ArraySlide
from napari_stml.slide.brightfield import look_of, overview
from napari_stml.slide.grid import Canvas, centred_on, grid_over
from napari_stml.slide.reading import TileReader
from napari_stml.slide.resample import to_size

SCALE = UmPerPx.square(2.0, ScaleSource.USER)


def canvas(slide: Any) -> Canvas:
    return Canvas(slide.width, slide.height, SCALE)


def test_area_averages_are_exact() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 1, (30, 45, 3)).astype(np.float32)
    small = to_size(pixels, 12, 7)
    fine = np.kron(pixels, np.ones((7, 12, 1)))  # both sizes divide it
    expected = fine.reshape(7, 30, 12, 45, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, expected, atol=1e-5)
    assert to_size(pixels, 45, 30) is pixels
    whole = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        to_size(whole, 32, 32),
        np.floor(whole.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3), dtype=np.float32) + 0.5),
    )
    flat = np.full((100, 90, 3), 77, np.uint8)
    assert (to_size(flat, 37, 41) == 77).all()
    assert (to_size(flat, 137, 241) == 77).all()


def test_tiles_are_the_slides_own_pixels(slide: Any, painted: Any) -> None:
    grid = grid_over(canvas(slide), 100, 2.0)
    reader = TileReader(slide, grid)
    for i, (x, y) in enumerate(grid.xy):
        np.testing.assert_array_equal(reader.tile(i), painted[0][y : y + 100, x : x + 100])


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_batches_give_every_tile_once(slide: Any, threads: int) -> None:
    grid = grid_over(canvas(slide), 90, 2.3, overlap=0.3)
    reader = TileReader(slide, grid)
    alone = [reader.tile(i) for i in range(len(grid))]
    seen = []
    for batch in reader.batches(20, threads=threads):
        for i, pixels in zip(batch.index, batch.pixels, strict=True):
            np.testing.assert_array_equal(pixels, alone[i])
            seen.append(i)
    assert sorted(seen) == list(range(len(grid)))


def test_left_out_batches_do_not_change_the_others(slide: Any) -> None:
    reader = TileReader(slide, grid_over(canvas(slide), 50, 2.0))
    whole = {b.number: b.index.tolist() for b in reader.batches(16)}
    rest = {b.number: b.index.tolist() for b in reader.batches(16, skip={0, 2, 3})}
    assert rest == {k: v for k, v in whole.items() if k not in {0, 2, 3}}


def test_chunks_are_decoded_once(slide: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    count: list[tuple[int, ...]] = []
    decode = type(slide)._decode

    def counting(self: Any, stored: int, row: int, col: int, *rest: Any) -> Any:
        count.append((stored, row, col))
        return decode(self, stored, row, col, *rest)

    monkeypatch.setattr(type(slide), "_direct", False)
    monkeypatch.setattr(type(slide), "_decode", counting)
    reader = TileReader(slide, grid_over(canvas(slide), 60, 2.0, overlap=0.2))
    for _ in reader.batches(32, threads=2):
        pass
    assert len(count) == len(set(count)) == 4


def test_outside_is_white(slide: Any) -> None:
    grid = centred_on(np.array([[0.0, 0.0], [-900.0, 0.0]]), canvas(slide), 64, 2.0)
    reader = TileReader(slide, grid)
    tile = reader.tile(0)
    assert (tile[:32] == 255).all()
    assert (tile[:, :32] == 255).all()
    assert (reader.tile(1) == 255).all()


def test_a_reader_that_is_left_stops(slide: Any) -> None:
    reads = TileReader(slide, grid_over(canvas(slide), 20, 2.0)).batches(4, threads=2)
    next(reads)
    reads.close()
    with pytest.raises(StopIteration):
        next(reads)


def test_overview_keeps_places(slide: Any, painted: Any) -> None:
    view = overview(slide, SCALE, 5.0)
    assert view.pixels.shape == (320, 320, 3)
    np.testing.assert_allclose(view.affine([[320, 160]]), [[800, 400]])
    assert overview(slide, SCALE, 1.0).um_per_px == 2.0, "never finer than the slide"
    np.testing.assert_allclose(view.pixels.mean(), painted[0].mean(), atol=0.5)


def test_channels_are_laid_over_each_other_with_a_warning() -> None:
    pixels = np.random.default_rng(0).integers(0, 4000, (600, 500, 4)).astype(np.uint16)
    slide = ArraySlide(pixels, channels=("DAPI", "CK", "CD3", "CD8"))
    look, notes = look_of(slide)
    assert "no H&E" in notes[0]
    tile = TileReader(slide, grid_over(Canvas(500, 600, SCALE), 64, 2.0), look=look).tile(0)
    assert tile.shape == (64, 64, 3)
    one, _ = look_of(slide, ("CD8",))
    grey = one(pixels[:32, :32])
    assert (grey[:, :, 0] == grey[:, :, 1]).all()
    with pytest.raises(Exception, match="no channel 'CD4'"):
        look_of(slide, ("CD4",))


def test_black_padding_is_glass_in_a_tile_and_dark_tissue_is_not() -> None:
    pixels = np.full((64, 128, 3), (170, 90, 160), np.uint8)
    pixels[:, :20] = 0  # padding reaches into the first tile
    pixels[40:60, 100:128] = (30, 20, 45)  # dense nuclei at the border of the second
    pixels[4:30, 100:128] = (28, 20, 16)  # pigment there, black in places
    pixels[8:14, 108:] = 4
    slide = ArraySlide(pixels, um_per_px=SCALE)
    reader = TileReader(slide, grid_over(canvas(slide), pixels=64, um_per_px=2.0))
    first, second = reader.tile(0), reader.tile(1)
    assert (first[:, :20] == 255).all()
    np.testing.assert_array_equal(first[:, 24:], pixels[:, 24:64])
    np.testing.assert_array_equal(second, pixels[:, 64:])


def test_pixels_that_are_not_numbers_are_an_error_that_counts_them() -> None:
    pixels = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    pixels[5, 7, 1] = pixels[6, 7, 0] = np.nan
    slide = ArraySlide(pixels, um_per_px=UmPerPx.square(1.0, ScaleSource.USER))
    look, _ = look_of(slide)
    assert np.isfinite(look.limits).all()
    with pytest.raises(StmlError, match="2 pixels here are not numbers"):
        overview(slide, UmPerPx.square(1.0, ScaleSource.USER), 2.0)
    assert look(pixels[20:]).dtype == np.uint8
    slide = ArraySlide(np.full((64, 64, 2), np.nan, dtype=np.float32))
    with pytest.raises(StmlError, match="holds no numbers"):
        look_of(slide)
