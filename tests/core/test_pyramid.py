"""Coarser levels of maps with missing pixels."""

from __future__ import annotations

import numpy as np

from napari_stml.core.pyramid import LARGEST, halved, levels


def test_missing_pixels_do_not_grow() -> None:
    pixels = np.array([[1, 3, np.nan, 7, 0], [5, 7, np.nan, np.nan, 0]], dtype=np.float32)
    half = halved(pixels)
    assert half.dtype == np.float32
    np.testing.assert_array_equal(half, [[4, 7]])
    np.testing.assert_array_equal(halved(np.full((2, 2), np.nan)), [[np.nan]])


def test_channels_are_halved_each() -> None:
    pixels = np.arange(32, dtype=np.float64).reshape(2, 4, 4)
    expected = pixels.reshape(2, 2, 2, 2, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(halved(pixels), expected)


def test_only_large_maps_have_levels() -> None:
    assert len(levels(np.zeros((4, LARGEST), dtype=np.float32))) == 1
    shapes = [level.shape for level in levels(np.zeros((9, 4 * LARGEST), dtype=np.float32))]
    assert shapes == [(9, 4 * LARGEST), (4, 2 * LARGEST), (2, LARGEST)]
