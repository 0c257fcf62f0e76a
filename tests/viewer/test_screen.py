"""What is drawn: needs a display with OpenGL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.viewer import prepare as preparing
from napari_stml.viewer.camera import canvas_x
from napari_stml.viewer.colours import PALETTE, hex_of, rgba
from napari_stml.viewer.state import ViewerState, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from napari_stml.io.section import Section

pytestmark = pytest.mark.screen


@pytest.fixture
def shown(
    display: None, make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> Iterator[ViewerState]:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1366, 768)
    state = state_of(viewer)
    qtbot.wait(50)
    yield state
    state.close()


def picture(state: ViewerState, qtbot: QtBot) -> np.ndarray:
    qtbot.waitUntil(lambda: all(layer.loaded for layer in state.viewer.layers))
    return np.asarray(state.viewer.screenshot(canvas_only=True, flash=False))[:, :, :3]


def at(state: ViewerState, image: np.ndarray, xy_px: tuple[float, float]) -> str:
    """The colour drawn at a place of the reference image (pixels)."""
    view = state.current
    assert view is not None
    y, x = view.frame.world_yx(np.array(xy_px))
    camera = state.viewer.scene.camera
    row = (y - camera.center[-2]) * camera.zoom + state.viewer.canvas.size[0] / 2
    ratio = image.shape[1] / state.viewer.canvas.size[1]
    colour = image[int(row * ratio), int(canvas_x(state.viewer, x) * ratio)]
    return hex_of(colour / 255)


def near(colour: str, wanted: str) -> bool:
    return bool(np.abs(rgba(colour) - rgba(wanted)).max() < 0.04)


@pytest.mark.parametrize("most_points", [20_000, 100], ids=["points", "grid"])
def test_spots_of_a_category_stand_in_its_colour_on_the_slide(
    shown: ViewerState,
    make: Callable[..., Section],
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    most_points: int,
) -> None:
    monkeypatch.setattr(preparing, "MOST_POINTS", most_points)
    shown.open(make())
    shown.wishes.opacity_requested(1.0)
    shown.colour_by("domain")
    image = picture(shown, qtbot)
    assert near(at(shown, image, (50, 210)), PALETTE[0])
    assert near(at(shown, image, (330, 210)), PALETTE[1])
    if most_points > 100:
        assert near(at(shown, image, (60, 200)), "#dcdcdc")
    shown.wishes.category_toggled(0)
    image = picture(shown, qtbot)
    assert near(at(shown, image, (50, 210)), "#dcdcdc")
    shown.colour_by("A", colour_map="gray", colour_limits=(0, 19))
    image = picture(shown, qtbot)
    greys = [rgba(at(shown, image, (10 + 20 * i, 210)))[0] for i in range(0, 20, 3)]
    assert (np.diff(greys) > 0).all()


def test_the_scale_bar_is_true_at_every_zoom(
    shown: ViewerState, make: Callable[..., Section], qtbot: QtBot
) -> None:
    """The bar's length on the canvas is that many um of the image's pixels."""
    shown.open(make())
    bar = shown.viewer.canvas.overlays.scale_bar
    canvas = shown.viewer.window._qt_viewer.canvas
    for zoom in (0.5, 3.0, 40.0):
        shown.viewer.scene.camera.zoom = zoom
        picture(shown, qtbot)
        drawn = canvas._viewer_overlay_to_visual[bar][0].node
        text = drawn.text.text
        value, unit = (text if isinstance(text, str) else text[0]).split()
        um = float(value) * {"nm": 1e-3, "um": 1, "µm": 1, "μm": 1, "mm": 1e3}[unit]
        assert np.ptp(drawn.line.pos[:2, 0]) == pytest.approx(um * zoom, rel=0.01)
        # and a length of the image is as long in um: two places 100 px (50 um) apart
        apart = canvas_x(shown.viewer, 75.0) - canvas_x(shown.viewer, 25.0)
        assert apart == pytest.approx(50 * zoom)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_legend_is_readable_and_inside_the_canvas(
    shown: ViewerState, make: Callable[..., Section], qtbot: QtBot, theme: str
) -> None:
    shown.viewer.theme = theme
    section = make()
    view = shown.open(section)
    names = [f"a category whose name would not fit into any legend {i}" for i in range(40)]
    view.colour_by_codes("domain", np.arange(400) % 40, names)
    legend: Any = shown.legend
    canvas = legend.parentWidget()
    assert canvas.rect().contains(legend.geometry())
    assert legend.width() < canvas.width() / 2
    assert "more (wheel)" in legend.lines[-1]
    drawn = legend.grab().toImage()
    back = drawn.pixelColor(4, drawn.height() // 2).lightness()
    darkest = min(drawn.pixelColor(x, y).lightness() for x in range(28, 200) for y in range(6, 60))
    brightest = max(
        drawn.pixelColor(x, y).lightness() for x in range(28, 200) for y in range(6, 60)
    )
    assert (back > 200) == (theme == "light")
    assert brightest - darkest > 150


def test_the_swipe_line_follows_the_camera(
    shown: ViewerState, make: Callable[..., Section], qtbot: QtBot
) -> None:
    shown.open(make())
    shown.colour_by("A")
    shown.wishes.swipe_requested("B")
    qtbot.waitUntil(lambda: not shown.busy)
    line: Any = shown._line
    assert line.isVisible()
    view = shown.current
    assert view is not None
    shown.viewer.scene.camera.zoom *= 2
    shown.viewer.scene.camera.center = (0, 100, 120)
    middle = line.x() + line.width() / 2
    assert middle == pytest.approx(canvas_x(shown.viewer, view.divider), abs=1.5)
    line.dragged.emit(50.0)
    assert line.x() + line.width() / 2 == pytest.approx(50, abs=1.5)
    shown.wishes.swipe_requested("")
    assert not line.isVisible()
