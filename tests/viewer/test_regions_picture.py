"""The picture of regions: in place, with holes, whatever the outlines are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from napari_stml.regions.outlining import of_observations
from napari_stml.regions.region import Drawn
from napari_stml.viewer.frame import Frame
from napari_stml.viewer.regions.picture import SPARE, Picture
from napari_stml.viewer.regions.rings import NOWHERE, thread, ways

TOUCHING = shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10),
                                 shapely.box(20, 10, 30, 20)])  # fmt: skip


def odd_shapes() -> list[Any]:
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 500, (150, 2))
    pieces = [s for _, s in of_observations(xy, rng.integers(0, 2, 150), ["a", "b"])]
    return [
        TOUCHING, shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]),
        shapely.Polygon([(0, 0), (5, 0), (10, 0)]), shapely.Polygon(), shapely.Point(1, 1),
        shapely.LineString([(0, 0), (9, 9)]), shapely.union_all(pieces[:1]), *pieces,
        shapely.MultiPolygon([p for s in pieces for p in shapely.get_parts(s)]),
    ]  # fmt: skip


def test_any_outline_is_drawn_one_way_or_another() -> None:
    picture = Picture("regions", Frame(), 1.0)
    shapes = odd_shapes()
    layer = picture.show_all([(Drawn.new(s), "#ff0000") for s in shapes])
    assert len(layer.data) == len(shapes) + SPARE
    for shape in shapes:
        picture.put(Drawn.new(shape), "#00ff00")


def test_places_are_used_again_and_room_is_made() -> None:
    picture = Picture("regions", Frame(), 1.0)
    regions = [Drawn.new(shapely.box(i, 0, i + 1, 1)) for i in range(SPARE + 3)]
    layer = picture.show_all([(regions[0], "#ff0000")])
    for region in regions[1:]:
        picture.put(region, "#ff0000")
    count = len(layer.data)
    picture.drop([r.id for r in regions[:5]])
    for region in regions[:5]:
        picture.put(region, "#0000ff")
    assert len(layer.data) == count
    assert sum(np.ptp(s[:, 0]) > 0.5 for s in layer.data) == len(regions)
    picture.put(regions[0], "")
    assert sum(np.ptp(s[:, 0]) > 0.5 for s in layer.data) == len(regions) - 1


def test_one_line_goes_through_all_rings() -> None:
    holed = shapely.box(0, 0, 10, 10).difference(shapely.box(4, 4, 6, 6))
    corners = thread(holed)
    assert len(corners) == 5 + 5 + 1
    assert np.array_equal(corners[0], corners[-1])
    assert np.array_equal(thread(shapely.Polygon()), NOWHERE)
    assert np.array_equal(ways(shapely.Polygon())[-1], NOWHERE)


@pytest.mark.parametrize("width", [0.5, 200.0])
def test_edges_get_another_width_without_losing_shapes(width: float) -> None:
    picture = Picture("regions", Frame(), 1.0)
    layer = picture.show_all([(Drawn.new(shapely.box(0, 0, 9, 9)), "#ff0000")])
    picture.set_width(width)
    assert layer.data[0].shape[0] == 5
