from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Points

from napari_stml.core.geometry import Affine, ScaleSource, UmPerPx
from napari_stml.viewer.frame import Frame

UM = UmPerPx(0.5, 0.25, ScaleSource.USER)


@pytest.mark.parametrize("frame", [Frame(), Frame(UM)])
@pytest.mark.parametrize(
    "affine", [Affine(), Affine.scaling(4), Affine.rotation(30), Affine.translation(7, 3)]
)
def test_a_point_at_a_pixels_centre_is_drawn_on_that_pixel(frame: Frame, affine: Affine) -> None:
    """Pixel (row 3, column 5) of an image, and a point at its centre (x 5.5, y 3.5)."""
    image = Image(np.zeros((10, 10)), **frame.raster(affine))
    points = Points([[3.5, 5.5]], **frame.vector(affine))
    np.testing.assert_allclose(
        image.data_to_world((3, 5)), points.data_to_world((3.5, 5.5)), atol=1e-9
    )


def test_the_first_pixel_begins_at_the_origin() -> None:
    image = Image(np.zeros((10, 20)), **Frame(UM).raster())
    low, high = image.extent.world
    half = np.array([0.125, 0.25])
    np.testing.assert_allclose(low - half, [0, 0], atol=1e-9)
    np.testing.assert_allclose(high + half, [10 * 0.25, 20 * 0.5], atol=1e-9)


def test_every_layer_says_um_or_pixel() -> None:
    assert [str(u) for u in Image(np.zeros((4, 4)), **Frame(UM).raster()).units] == [
        "micrometer"
    ] * 2
    turned = Points([[0, 0]], **Frame(UM).vector(Affine.rotation(10)))
    assert [str(u) for u in turned.units] == ["micrometer"] * 2
    assert [str(u) for u in Points([[0, 0]], **Frame().vector()).units] == ["pixel"] * 2


def test_world_and_back() -> None:
    xy = np.array([[3.0, 4.0], [0.0, 0.0]])
    frame = Frame(UM)
    np.testing.assert_allclose(frame.world_yx(xy)[0], [1.0, 1.5])
    np.testing.assert_allclose(frame.reference_xy(frame.world_yx(xy)), xy)
