from __future__ import annotations

import numpy as np
import pytest

from napari_stml.core.colours import MAPS, MISSING, ColourScale, limits, lookup, palette
from napari_stml.core.errors import StmlError


@pytest.mark.parametrize("name", MAPS)
def test_maps_are_the_published_ones(name: str) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    published = matplotlib.colormaps[name](np.linspace(0, 1, 256))
    apart = 5.5 if name == "cividis" else 1.5
    assert np.abs(lookup(name) - published).max() * 255 < apart


def test_an_unknown_map_is_answered_with_the_known_ones() -> None:
    with pytest.raises(StmlError, match="viridis"):
        lookup("jet")


def test_a_scale_ends_in_its_colours_and_marks_what_is_missing() -> None:
    scale = ColourScale("magma", 1.0, 3.0)
    drawn = scale(np.array([0.0, 1.0, 3.0, 9.0, np.nan]))
    assert np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[2], drawn[3])
    assert np.array_equal(drawn[4], MISSING)
    assert not np.array_equal(drawn[0], drawn[2])


def test_thirty_categories_have_thirty_colours() -> None:
    colours = palette([f"c{i}" for i in range(30)])
    assert len(np.unique(colours[:-1].round(3), axis=0)) == 30


def test_limits_of_a_constant_have_room() -> None:
    assert limits(np.array([2.0, 2.0, np.nan])) == (1.5, 2.5)
    assert limits(np.array([np.nan])) == (0.0, 1.0)
