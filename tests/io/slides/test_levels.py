from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stml.io.slides.levels import COARSEST_PX, complete, halve, measured


def plain(width, height):
    return measured([(width, height)], [(256, 256)])


def test_downsample_of_a_files_level_is_exact_never_rounded():
    levels, _ = complete(measured([(10007, 7001), (2501, 1750)], [(256, 256)] * 2))
    coarse = next(lv for lv in levels if lv.width == 2501)
    assert coarse.downsample_x == 10007 / 2501
    assert coarse.downsample_y == 7001 / 1750
    assert coarse.downsample_x != 4


def test_jumps_are_filled_and_the_coarsest_level_is_small():
    levels, sources = complete(measured([(40000, 30000), (2500, 1875)], [(240, 240)] * 2))
    assert [lv.downsample_x for lv in levels] == [1, 2, 4, 8, 16, 32, 64]
    assert [(s.stored, s.halvings) for s in sources] == [
        (0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]  # fmt: skip
    assert max(levels[-1].width, levels[-1].height) <= COARSEST_PX
    assert levels[1].tile_width == 512


def test_a_pyramid_of_factor_two_stays_as_it_is():
    stored = measured([(4001, 3001), (2000, 1500), (1000, 750)], [(256, 256)] * 3)
    assert complete(stored)[0] == stored


def test_small_images_get_no_levels():
    assert len(complete(plain(900, 700))[0]) == 1


@given(st.integers(1, 300_000), st.integers(1, 300_000))
@settings(max_examples=60, deadline=None)
def test_own_levels_cover_the_image_exactly(width, height):
    levels, _ = complete(plain(width, height))
    for lv in levels:
        assert 0 <= lv.width * lv.downsample_x - width < lv.downsample_x
        assert 0 <= lv.height * lv.downsample_y - height < lv.downsample_y


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float32"])
def test_halving_averages(dtype):
    pixels = np.array([[[10], [20], [7]], [[30], [41], [9]], [[1], [2], [5]]], dtype)
    got = halve(pixels)[:, :, 0]
    expected = np.array([[101 / 4, 8], [1.5, 5]])
    if np.dtype(dtype).kind != "f":
        expected = np.floor(expected + 0.5) if np.dtype(dtype).itemsize < 4 else expected // 1
    np.testing.assert_array_equal(got, expected.astype(dtype))
    assert got.dtype == dtype


def test_a_mask_keeps_ids():
    pixels = np.array([[[3], [900], [5]]], "int32")
    assert halve(pixels, mask=True)[0, :, 0].tolist() == [3, 5]


def test_large_values_do_not_overflow():
    assert halve(np.full((2, 2, 3), 255, np.uint8)).tolist() == [[[255] * 3]]
    assert halve(np.full((2, 2, 1), 65535, np.uint16)).tolist() == [[[65535]]]
