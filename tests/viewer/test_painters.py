"""Every way of drawing shows the same colours at the same places."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.geometry import Affine
from napari_stml.io.contents import PlacedSlide
from napari_stml.io.slides.array import ArraySlide
from napari_stml.viewer import prepare as preparing
from napari_stml.viewer.colours import MISSING, ColourScale, palette
from napari_stml.viewer.frame import Frame
from napari_stml.viewer.make_spots import make_spots
from napari_stml.viewer.prepare import prepared_of
from napari_stml.viewer.spots_mask import CodeOfId, MaskSpots
from napari_stml.viewer.spots_points import PointSpots
from napari_stml.viewer.spots_raster import RasterSpots

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.io.section import Section
    from napari_stml.viewer.spots import Spots

KINDS = {"points": PointSpots, "grid": RasterSpots, "raster": RasterSpots, "mask": MaskSpots}


@pytest.fixture(params=list(KINDS))
def drawn(
    request: pytest.FixtureRequest, make: Callable[..., Section], monkeypatch: pytest.MonkeyPatch
) -> tuple[Spots, Section]:
    section = make()
    observed = section.observations
    assert observed is not None
    if request.param != "points":
        monkeypatch.setattr(preparing, "MOST_POINTS", 100)
    if request.param == "raster":
        observed = replace(observed, lattice=None)
    images = dict(section.images)
    if request.param == "mask":
        ids = np.zeros((400, 400), np.int32)
        for i, (x, y) in enumerate(observed.xy.astype(int)):
            ids[y - 5 : y + 5, x - 5 : x + 5] = 3 * i + 5
        images["cells"] = PlacedSlide(ArraySlide(ids), role="mask")
        numbers = 3 * np.arange(len(observed)) + 5
        observed = replace(observed, mask="cells", mask_ids=numbers, kind="cells")
    section.contents = replace(section.contents, observations=observed, images=images)
    spots = make_spots(section, Frame(section.um_per_px), prepared_of(section))
    assert type(spots) is KINDS[request.param]
    return spots, section


def colours_at(spots: Spots, section: Section) -> np.ndarray:
    """What is drawn in the middle of every observation."""
    layer: Any = spots.layer
    xy = section.observations.xy  # type: ignore[union-attr]
    if isinstance(spots, PointSpots):
        return np.asarray(layer.face_color)
    data = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    world = Frame(section.um_per_px).world_yx(xy)
    at = np.array([layer.world_to_data(p) for p in world]).round().astype(int)
    codes = data[at[:, 0], at[:, 1]].astype(float)
    low, high = layer.contrast_limits
    return np.asarray(layer.colormap.map((codes - low) / (high - low)))


def test_categories(drawn: tuple[Spots, Section]) -> None:
    spots, section = drawn
    codes = np.arange(400) % 4 - 1
    colours = palette(["a", "b", "c"])
    spots.paint_codes(codes, colours)
    np.testing.assert_allclose(colours_at(spots, section), colours[codes], atol=1e-5)
    spots.paint_codes(codes, colours, hidden={2})
    assert (colours_at(spots, section)[codes == 2, 3] == 0).all()


def test_numbers(drawn: tuple[Spots, Section]) -> None:
    spots, section = drawn
    values = np.linspace(0, 1, 400)
    values[7] = np.nan
    scale = ColourScale("viridis", 0, 1)
    spots.paint_values(values, scale)
    found = colours_at(spots, section)
    np.testing.assert_allclose(found, scale(values), atol=0.025)
    np.testing.assert_allclose(found[7], MISSING, atol=1e-5)


def test_size_opacity_and_visibility(drawn: tuple[Spots, Section]) -> None:
    spots, section = drawn
    before = colours_at(spots, section)
    spots.set_size(1.2)
    np.testing.assert_allclose(colours_at(spots, section), before)
    spots.set_opacity(0.4)
    spots.visible = False
    assert (spots.layer.opacity, spots.layer.visible, spots.visible) == (0.4, False, False)


def test_a_larger_size_reaches_further(make: Callable[..., Section]) -> None:
    from napari_stml.viewer.nearest import of_positions

    section = make()
    observed = section.observations
    assert observed is not None
    own = of_positions(observed.xy, 5.0)
    raster = RasterSpots(
        "r", observed, Frame(section.um_per_px), own, lambda f: of_positions(observed.xy, 5 * f)
    )
    world = Frame(section.um_per_px).world_yx(observed.xy[50] + [8.0, 0.0])

    def code() -> int:
        at = np.round(raster.layer.world_to_data(world)).astype(int)
        return int(raster.layer.data[tuple(at)])

    assert code() == 0
    raster.set_size(2.0)
    assert code() == raster.paint.codes[50]


@pytest.mark.parametrize("offset", [1, 10**12])
def test_ids_of_a_mask_become_codes(offset: int) -> None:
    ids = np.array([5, 9, 7]) * offset
    code = CodeOfId(ids, np.array([10, 20, 30], np.uint8))
    pixels = np.array([[0, 5, 9], [7, 8, 100]]) * offset
    assert code(pixels).tolist() == [[0, 10, 20], [30, 0, 0]]
    code.set_codes(np.array([1, 2, 3], np.uint8))
    assert code(pixels).tolist() == [[0, 1, 2], [3, 0, 0]]


def test_a_turned_lattice_stays_on_its_spots(
    make: Callable[..., Section], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "MOST_POINTS", 100)
    section = make()
    observed = section.observations
    assert observed is not None
    turned = replace(observed, xy=Affine.rotation(20, (200, 200))(observed.xy))
    section.contents = replace(section.contents, observations=turned)
    spots = make_spots(section, Frame(section.um_per_px), prepared_of(section))
    codes = np.arange(400) % 3
    colours = palette(["a", "b", "c"])
    spots.paint_codes(codes, colours)
    np.testing.assert_allclose(colours_at(spots, section), colours[codes], atol=1e-5)
