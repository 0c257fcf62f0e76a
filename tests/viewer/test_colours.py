from __future__ import annotations

import numpy as np
import pytest

from napari_stml.viewer.colours import (
    MAPS,
    MISSING,
    PALETTE,
    ColourScale,
    hex_of,
    limits,
    palette,
    rgba,
)


def simulated_deuteranopia(colour: str) -> np.ndarray:
    """Vienot, Brettel and Mollon 1999, linear RGB."""
    linear = (rgba(colour)[:3].astype(float)) ** 2.2
    matrix = np.array([[0.33066, 0.66934, 0.0], [0.33066, 0.66934, 0.0], [-0.02786, 0.02786, 1.0]])
    return np.clip(matrix @ linear, 0, 1) ** (1 / 2.2)


def test_the_first_eight_categories_differ_for_colour_blind_eyes() -> None:
    seen = [simulated_deuteranopia(c) for c in PALETTE[:8]]
    nearest = min(np.abs(a - b).max() for i, a in enumerate(seen) for b in seen[:i])
    assert nearest > 0.09


def test_palette_has_a_row_for_missing_and_honours_choices() -> None:
    colours = palette([str(i) for i in range(25)], {"3": "#ff0000"})
    assert colours.shape == (26, 4)
    assert hex_of(colours[3]) == "#ff0000"
    np.testing.assert_array_equal(colours[-1], MISSING)
    assert len({hex_of(c) for c in colours[:25]}) == 25


@pytest.mark.parametrize("name", MAPS)
def test_every_map_exists_and_marks_missing(name: str) -> None:
    colours = ColourScale(name, 0, 1)(np.array([0.0, 0.5, 1.0, 2.0, np.nan, np.inf]))
    np.testing.assert_array_equal(colours[2], colours[3])
    np.testing.assert_array_equal(colours[4], MISSING)
    assert not np.allclose(colours[0], colours[2])


def test_limits_of_odd_data() -> None:
    assert limits(np.array([np.nan])) == (0.0, 1.0)
    assert limits(np.array([3.0, 3.0])) == (2.5, 3.5)
    low, high = limits(np.r_[np.zeros(1000), 5.0])
    assert (low, high) == (0.0, 5.0)
