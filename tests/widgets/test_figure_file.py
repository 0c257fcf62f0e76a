"""A figure from the window is what the window shows, also what is stored nowhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from napari_stml.widgets.figure_file import save_figure

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_stml.widgets.dock import StmlDock

LONG = 60_000


@pytest.fixture
def printed(dock: StmlDock, qtbot: QtBot, tmp_path: Path) -> Any:
    """Save a figure and give its report."""

    def save(name: str, *, visible: bool = False) -> dict[str, Any]:
        target = tmp_path / f"{name}.png"
        save_figure(dock.state, target, visible=visible)
        qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
        with Image.open(target) as picture:
            said: dict[str, Any] = json.loads(picture.text["napari-stml"])  # type: ignore[attr-defined]
        return said

    return save


def test_what_is_switched_off_is_not_printed(opened: StmlDock, printed: Any) -> None:
    opened.state.colour_by("kind")
    assert printed("all")["value"]["observations"] == 60
    opened.state.wishes.category_toggled(0)
    said = printed("one kind")["value"]
    assert said["observations"] == 30
    assert said["switched off"] == 30
    opened.state.colour_by("G0")
    opened.state.wishes.threshold_requested(5.0, None)
    view = opened.state.current
    assert view is not None
    assert view.shown is not None
    low = int((view.shown.numbers < 5).sum())
    assert printed("above")["value"]["switched off"] == low > 0
    opened.state.wishes.limits_requested(2.0, 7.0)
    assert printed("limits")["value"]["limits"] == [2.0, 7.0]


def test_several_genes_and_both_sides_of_a_swipe_are_printed(
    opened: StmlDock, printed: Any, qtbot: QtBot
) -> None:
    wishes = opened.state.wishes
    wishes.genes_requested(("G0", "G2"))
    qtbot.waitUntil(lambda: not opened.busy, timeout=LONG)
    assert printed("genes")["value"]["name"] == "G0, G2 (mean of z)"
    opened.state.colour_by("G0")
    wishes.swipe_requested("G1")
    qtbot.waitUntil(lambda: not opened.busy, timeout=LONG)
    said = printed("swipe")
    assert [p["title"] for p in said["panels"]] == ["G0", "G1"]
    view = opened.state.current
    assert view is not None
    scale = view.shown.scale  # type: ignore[union-attr]
    assert said["scales"] == "shared"
    assert [p["value"]["limits"] for p in said["panels"]] == [[scale.low, scale.high]] * 2  # type: ignore[union-attr]


def test_a_figure_of_what_is_visible(opened: StmlDock, printed: Any) -> None:
    opened.state.colour_by("kind")
    opened.viewer.scene.camera.zoom *= 3
    whole, seen = printed("whole"), printed("visible", visible=True)
    assert seen["region_px"]["width"] < whole["region_px"]["width"]
    assert 0 < seen["value"]["observations"] < whole["value"]["observations"]
