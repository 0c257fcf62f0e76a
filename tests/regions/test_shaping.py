from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Affine, Box, ScaleSource, UmPerPx
from napari_stml.regions import shaping
from napari_stml.regions.inside import Positions, by_class, memberships
from napari_stml.regions.measuring import extent
from napari_stml.regions.outlining import of_mask, of_observations
from napari_stml.regions.region import sound

SCALE = UmPerPx(0.5, 0.5, ScaleSource.USER)
OBLONG = UmPerPx(0.5, 0.25, ScaleSource.USER)
BOX = shapely.box(0, 0, 100, 100)
HOLED = BOX.difference(shapely.box(40, 40, 60, 60))


def test_margins_are_in_micrometres() -> None:
    grown = shaping.margin(BOX, 10, SCALE)
    assert grown.bounds == pytest.approx((-20, -20, 120, 120))
    assert extent(grown, SCALE).area == pytest.approx(50**2 + 4 * 50 * 10 + math.pi * 100, rel=1e-3)
    assert shaping.margin(BOX, -10, SCALE).bounds == pytest.approx((20, 20, 80, 80))
    assert shaping.margin(BOX, -30, SCALE).is_empty
    assert shaping.margin(BOX, 10, OBLONG).bounds == pytest.approx((-20, -40, 120, 140))


def test_a_ring_lies_between_two_distances() -> None:
    band = shaping.ring(BOX, 0, 10, SCALE)
    assert not band.intersects(shapely.box(1, 1, 99, 99))
    assert band.covers(shapely.Point(-10, 50))
    inner = shaping.ring(BOX, -10, 0, SCALE)
    assert BOX.buffer(1e-6).covers(inner)
    with pytest.raises(StmlError, match="two different"):
        shaping.ring(BOX, 5, 5, SCALE)


def test_cutting_keeps_the_area_and_needs_a_line_that_passes_through() -> None:
    pieces = shaping.cut(HOLED, shapely.LineString([(-10, 50), (110, 50)]))
    assert len(pieces) == 2
    assert sum(p.area for p in pieces) == pytest.approx(HOLED.area)
    assert len(shaping.cut(BOX, shapely.LineString([(-10, 50), (50, 50)]))) == 1


def test_holes_merge_subtract_split_inverse() -> None:
    assert shaping.filled(HOLED).area == 100**2
    assert shaping.filled(HOLED, largest=100).area == HOLED.area
    two = shaping.merged([BOX, shapely.box(200, 0, 210, 10)])
    assert len(shaping.split(two)) == 2
    assert shaping.subtracted(BOX, [BOX]).is_empty
    assert shaping.subtracted(BOX, [shapely.box(100, 0, 200, 100)]).equals(BOX)
    rest = shaping.inverse([BOX], Box(-50, -50, 300, 300))
    assert rest.area == 300**2 - 100**2
    touching = shaping.common([BOX, shapely.box(100, 0, 200, 100)])
    assert touching.is_empty


def test_a_ring_that_crosses_itself_counts_both_loops() -> None:
    eight = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    assert sound(eight).area == pytest.approx(50)
    assert Positions(np.array([[1.0, 5.0], [9.0, 5.0], [5.0, 1.0]])).inside(eight).tolist() == [
        0,
        1,
    ]


def test_a_stroke_covers_its_path_and_has_few_corners() -> None:
    path = np.column_stack([np.linspace(0, 500, 400), 20 * np.sin(np.linspace(0, 9, 400))])
    area = shaping.stroke(path, 15)
    assert area.buffer(0.5).covers(shapely.LineString(path))
    assert len(area.exterior.coords) < 200
    assert area.area == pytest.approx(shapely.LineString(path).buffer(15).area, rel=0.01)
    assert shaping.stroke(path[:1], 15).area == pytest.approx(math.pi * 225, rel=0.02)


def test_corners_move_come_and_go() -> None:
    moved = shaping.moved_corner(HOLED, 0, np.array([-5.0, -5.0]))
    assert moved.is_valid
    assert moved.exterior.is_closed
    assert HOLED.bounds == (0, 0, 100, 100), "the region itself stays"
    more = shaping.with_corner(HOLED, np.array([50.0, 38.0]))
    assert len(more.interiors[0].coords) == 6
    index = len(more.exterior.coords) + 1
    assert len(shaping.without_corner(more, index).interiors[0].coords) == 5
    assert len(shaping.without_corner(HOLED, 0).exterior.coords) == 4
    with pytest.raises(StmlError, match=r"(?i)delete the whole"):
        shaping.without_corner(shapely.Polygon([(0, 0), (1, 0), (0, 1)]), 3)
    line = shapely.LineString([(0, 0), (10, 0)])
    assert shaping.with_corner(line, np.array([5.0, 1.0])).coords[1] == (5, 1)
    two = shaping.merged([BOX, shapely.box(200, 0, 210, 10)])
    assert shaping.with_corner(two, np.array([205.0, -1.0])).geom_type == "MultiPolygon"


def test_an_ellipse_stands_in_its_rectangle() -> None:
    corners = np.array([[0, 0], [40, 0], [40, 20], [0, 20]], dtype=float)
    area = shaping.ellipse(corners)
    assert area.bounds == pytest.approx((0, 0, 40, 20), abs=0.1)
    assert area.area == pytest.approx(math.pi * 200, rel=0.005)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 14), st.integers(1, 14), st.integers(0, 2**31))
def test_outlines_of_a_mask_hold_exactly_its_pixels(height: int, width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).integers(0, 3, (height, width)).astype(np.uint8)
    found = of_mask(mask, Affine.scaling(10), {1: "one", 2: "two"})
    y, x = np.mgrid[:height, :width]
    centres = np.column_stack([x.ravel(), y.ravel()]) * 10 + 5.0
    codes = np.zeros(mask.size, int)
    for kind, shape in found:
        rows = Positions(centres).inside(shape)
        assert not codes[rows].any(), "pieces do not overlap"
        codes[rows] = 1 if kind == "one" else 2
    assert np.array_equal(codes.reshape(mask.shape), mask)
    assert sum(s.area for _, s in found) == 100 * np.count_nonzero(mask)


@pytest.mark.parametrize("place", ["hexagonal", "anywhere"])
def test_outlines_of_classes_hold_exactly_their_observations(place: str) -> None:
    rng = np.random.default_rng(3)
    row, column = (a.ravel() for a in np.mgrid[:20, :20])
    xy = np.column_stack([column + 0.5 * (row % 2), row * 0.866]) * 100.0
    if place == "anywhere":
        xy = rng.uniform(0, 2000, (400, 2))
        xy[7] = xy[8]
    codes = rng.integers(-1, 3, 400)
    codes[7] = codes[8]
    found = of_observations(xy, codes, ["a", "b", "c"])
    own, names, several = by_class(xy, [s for _, s in found], [k for k, _ in found])
    assert several == 0
    given_names = np.array(["a", "b", "c", ""])[codes]
    assert np.array_equal(np.array([*names, ""])[own], given_names)


def test_many_positions_at_once() -> None:
    xy = np.array([[5.0, 5.0], [50.0, 50.0], [np.nan, 1.0], [100.0, 0.0]])
    rows = memberships(xy, [BOX, HOLED, shapely.LineString([(0, 0), (9, 9)]), shapely.Polygon()])
    assert [r.tolist() for r in rows] == [[0, 1, 3], [0, 3], [], []]
