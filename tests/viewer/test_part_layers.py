from __future__ import annotations

import numpy as np
import pytest
import shapely

from napari_stml.core.geometry import Affine, ScaleSource, UmPerPx
from napari_stml.core.pyramid import LARGEST
from napari_stml.core.results import Heatmap, Mask, Regions, Tiles, Values
from napari_stml.viewer.frame import Frame
from napari_stml.viewer.part_layers import MOST_OUTLINED, part_layer, refreshed

FRAME = Frame(UmPerPx.square(0.5, ScaleSource.USER))


def corners(layer: object) -> np.ndarray:
    low, high = layer.extent.world  # type: ignore[attr-defined]
    return np.array([low, high])


def test_a_heat_map_covers_its_pixels_and_is_shown_about_zero() -> None:
    pixels = np.array([[-1.0, 3.0], [0.0, np.nan]])
    layer = part_layer(Heatmap("d", pixels, Affine.scaling(16), "", "diverging"), "d", FRAME)
    low, high = layer.contrast_limits
    assert low == -high
    half = 0.5 * 16 * 0.5
    np.testing.assert_allclose(
        corners(layer) + np.array([[-half] * 2, [half] * 2]), [[0, 0], [16, 16]]
    )


def test_a_dense_map_is_a_pyramid_and_stays_one_layer() -> None:
    def dense(value: float, width: int = 2 * LARGEST) -> Heatmap:
        pixels = np.full((6, width), value, dtype=np.float32)
        return Heatmap("d", pixels, Affine.scaling(4))

    layer = part_layer(dense(1), "d", FRAME)
    assert layer.multiscale
    assert [level.shape for level in layer.data] == [(6, 2 * LARGEST), (3, LARGEST)]
    assert refreshed(layer, dense(2), FRAME)
    assert float(np.asarray(layer.data[1]).max()) == 2
    assert not refreshed(layer, dense(2, 8), FRAME)


def test_a_mask_has_a_colour_per_class_and_glass_has_none() -> None:
    pixels = np.array([[0, 1], [2, 1]], dtype=np.uint8)
    layer = part_layer(Mask("t", pixels, Affine.scaling(8), {1: "tissue", 2: "pen"}), "t", FRAME)
    colours = [tuple(layer.get_color(i)) for i in (1, 2)]
    assert colours[0] != colours[1]
    assert layer.colormap.color_dict[0][3] == 0


def test_tiles_are_outlined_where_they_lie_and_points_when_many() -> None:
    layer = part_layer(Tiles("g", np.array([[10.0, 20.0], [110.0, 20.0]]), 100.0), "g", FRAME)
    np.testing.assert_allclose(layer.data[0], [[20, 10], [20, 110], [120, 110], [120, 10]])
    many = part_layer(Tiles("g", np.zeros((MOST_OUTLINED + 1, 2)), 10.0), "g", FRAME)
    np.testing.assert_allclose(many.data[0], [5, 5])


def test_regions_of_several_pieces_and_classes() -> None:
    two = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 6)])
    one = shapely.box(2, 2, 3, 3)
    part = Regions("r", (shapely.to_wkb(two), shapely.to_wkb(one)), ("tumour", "stroma"))
    layer = part_layer(part, "r", FRAME)
    assert len(layer.data) == 3
    edges = [tuple(c) for c in layer.edge_color]
    assert edges[0] == edges[1] != edges[2]


def test_values_have_no_layer_of_their_own() -> None:
    with pytest.raises(TypeError, match="Values"):
        part_layer(Values("v", np.zeros(3)), "v", FRAME)
