"""The map in the corner, the ways to zoom, and what of them a mouse does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_stml.core.geometry import Affine
from napari_stml.io.contents import PlacedSlide
from napari_stml.io.slides.array import ArraySlide
from napari_stml.viewer.camera import visible_box
from napari_stml.viewer.overview import ground_of
from napari_stml.viewer.places import tissue_box

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from napari_stml.io.section import Section
    from napari_stml.viewer.overview import Overview
    from napari_stml.viewer.state import ViewerState

WORLD = 200.0  # um: 400 px of 0.5 um


@pytest.fixture
def map_of(state: ViewerState, made: Section, qtbot: QtBot) -> Overview:
    state.viewer.window.resize(1000, 800)
    state.open(made)
    found = state.overview
    assert found is not None
    assert found.isHidden(), "everything is in sight"
    state.viewer.scene.camera.zoom *= 3
    qtbot.waitUntil(lambda: not found.isHidden())
    return found


def centre(state: ViewerState) -> tuple[float, ...]:
    return tuple(state.viewer.scene.camera.center[-2:])


def test_a_click_goes_there_and_a_drag_follows(
    map_of: Overview, state: ViewerState, qtbot: QtBot
) -> None:
    state.viewer.scene.camera.zoom = 20
    side = map_of.width()
    qtbot.mouseClick(map_of, Qt.MouseButton.LeftButton, pos=QPoint(side // 4, 3 * side // 4))
    y, x = centre(state)
    assert x == pytest.approx(WORLD / 4, abs=4)
    assert y == pytest.approx(3 * WORLD / 4, abs=4)
    qtbot.mousePress(map_of, Qt.MouseButton.LeftButton, pos=QPoint(side // 4, side // 4))
    qtbot.mouseMove(map_of, QPoint(3 * side // 4, side // 2))
    qtbot.mouseRelease(map_of, Qt.MouseButton.LeftButton)
    assert state.viewer.scene.camera.zoom == 20
    qtbot.mouseDClick(map_of, Qt.MouseButton.LeftButton)
    low, high = visible_box(state.viewer)
    assert (low < 1).all()
    assert (high > WORLD - 1).all()


def test_the_frame_is_what_the_canvas_shows(map_of: Overview, state: ViewerState) -> None:
    state.wishes.zoom_requested("everything")
    whole = map_of.frame
    assert whole.width() > map_of.width() - 4
    state.viewer.scene.camera.zoom *= 4
    quarter = map_of.frame
    low, high = visible_box(state.viewer)
    shown = (high - low)[0] / WORLD
    assert quarter.height() / (map_of.height() - 4) == pytest.approx(shown, abs=0.03)
    state.viewer.scene.camera.zoom *= 100
    assert map_of.frame.width() >= 5, "it can always be seen"


def test_the_key_hides_it_and_it_stays_hidden(map_of: Overview, state: ViewerState) -> None:
    state.wishes.overview_toggled()
    assert map_of.isHidden()
    state.viewer.scene.camera.zoom *= 2
    assert map_of.isHidden()
    state.wishes.overview_toggled()
    assert not map_of.isHidden()


def test_a_turned_slide_is_turned_on_the_map(
    state: ViewerState, make: Callable[..., Section]
) -> None:
    section = make()
    pixels = np.full((100, 300, 3), 200, np.uint8)
    quarter = Affine.translation(100, 0) @ Affine.rotation(90)
    section.images["he"] = PlacedSlide(ArraySlide(pixels), quarter)
    view = state.open(section)
    ground = ground_of(view)
    assert ground is not None
    assert ground.size == pytest.approx((50, 150))


def test_without_a_slide_the_spots_are_the_map(
    state: ViewerState, make: Callable[..., Section]
) -> None:
    section = make()
    section.images.clear()
    ground = ground_of(state.open(section))
    assert ground is not None
    assert ground.pieces == ()
    assert len(ground.dots) == 400


def test_tissue_is_what_is_stained(state: ViewerState, make: Callable[..., Section]) -> None:
    pixels = np.full((400, 400, 3), 235, np.uint8)
    pixels[100:300, 40:240] = (200, 120, 170)
    pixels[5, 390] = (255, 0, 0)  # a speck is no tissue
    state.open(make())
    state.wishes.zoom_requested("tissue")
    assert centre(state) == pytest.approx((100, 100)), "where spots are, these lie on it"
    bare = make(slide=ArraySlide(pixels), observed=False)
    view = state.open(bare)
    box = tissue_box(view)
    assert box is not None
    np.testing.assert_allclose(box, [[50, 20], [150, 120]], atol=2)
    state.wishes.zoom_requested("tissue")
    low, high = visible_box(state.viewer)
    assert (low < box[0]).all()
    assert (high > box[1]).all()
    assert centre(state) == pytest.approx((100, 70), abs=2)


def test_regions_are_visited_one_after_the_other(
    state: ViewerState, made: Section, settle: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_stml.viewer import wishes

    said: list[str] = []
    state.said.connect(said.append)
    state.open(made)
    state.wishes.zoom_requested("region")
    settle()
    assert said[-1] == "No region is drawn in this section."
    boxes: list[Any] = [
        (np.array([0.0, 0.0]), np.array([40.0, 40.0])),
        (np.array([100.0, 60.0]), np.array([140.0, 100.0])),
    ]
    monkeypatch.setattr(wishes, "region_boxes", lambda view: boxes)
    for place in ((20, 20), (120, 80), (20, 20)):
        state.wishes.zoom_requested("region")
        settle()
        assert centre(state) == pytest.approx(place)
    state.viewer.add_shapes([[[10, 10], [10, 30], [30, 30], [30, 10]]], scale=(2, 2))
    state.viewer.layers[-1].selected_data = {0}
    state.wishes.zoom_requested("region")
    assert centre(state) == pytest.approx((40, 40))
