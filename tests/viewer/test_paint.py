from __future__ import annotations

import numpy as np

from napari_stml.viewer.colours import MISSING, ColourScale, palette
from napari_stml.viewer.paint import NOTHING, Threshold, by_category, by_value, only, plain, split

CODES = np.array([0, 1, 2, -1, 1])


def test_categories_take_their_colours_and_missing_ones_grey() -> None:
    colours = palette(["a", "b", "c"])
    paint = by_category(CODES, colours)
    np.testing.assert_array_equal(paint.colours, colours[CODES])


def test_hidden_categories_are_transparent_and_missing_ones_stay() -> None:
    paint = by_category(CODES, palette(["a", "b", "c"]), hidden={1})
    assert paint.colours[[1, 4], 3].tolist() == [0, 0]
    np.testing.assert_array_equal(paint.colours[3], MISSING)


def test_more_categories_than_codes_still_paint() -> None:
    names = [str(i) for i in range(300)]
    paint = by_category(np.arange(300), palette(names))
    np.testing.assert_array_equal(paint.codes[:254], np.arange(2, 256))
    assert (paint.colours[:, 3] == 1).all()


def test_numbers_are_painted_like_the_colour_scale_says() -> None:
    scale = ColourScale("viridis", 0, 10)
    values = np.array([-5, 0, 3, 10, 50, np.nan], dtype=np.float32)
    paint = by_value(values, scale)
    np.testing.assert_allclose(paint.colours, scale(values), atol=0.02)
    np.testing.assert_array_equal(paint.colours[-1], MISSING)


def test_a_scale_without_extent_paints_its_middle() -> None:
    paint = by_value(np.array([2.0, np.nan]), ColourScale("viridis", 2, 2))
    assert paint.codes[0] == 129
    assert paint.codes[1] == 1


def test_thresholds_hide_or_grey() -> None:
    values, scale = np.arange(5.0), ColourScale("magma", 0, 4)
    hidden = by_value(values, scale, Threshold(1, 3))
    assert (hidden.codes == NOTHING).tolist() == [True, False, False, False, True]
    grey = by_value(values, scale, Threshold(low=1, hide=False))
    np.testing.assert_array_equal(grey.colours[0], MISSING)


def test_a_swipe_shows_each_side_in_its_own_colours() -> None:
    left = by_value(np.linspace(0, 1, 6), ColourScale("viridis", 0, 1))
    right = by_category(np.array([0, 1, 0, 1, -1, 1]), palette(["a", "b"]), hidden={1})
    on_right = np.array([False, False, False, True, True, True])
    both = split(left, right, on_right)
    np.testing.assert_allclose(both.colours[:3], left.colours[:3], atol=0.02)
    np.testing.assert_array_equal(both.colours[3:], right.colours[3:])


def test_only_some_are_drawn() -> None:
    paint = only(plain(3, np.ones(4, np.float32)), np.array([True, False, True]))
    assert paint.colours[:, 3].tolist() == [1, 0, 1]
