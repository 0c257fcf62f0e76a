"""`napari-stml open`: the tissue is on the canvas before the dock is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_stml.plugin import show_dock
from napari_stml.viewer.state import state_of
from napari_stml.widgets import first_section
from napari_stml.widgets.first_section import FirstSection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QApplication

LONG = 30_000


@pytest.fixture
def viewer(qapp: QApplication, make_napari_viewer: Callable[..., Any]) -> Any:
    if qapp.platformName() == "offscreen":
        pytest.skip("there is no display: napari's canvas cannot be made")
    return make_napari_viewer(show=True)


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    path = tmp_path / "slide.tif"
    pixels = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb", compression="jpeg")
    return path


def test_a_section_is_painted_then_the_dock_shows_it(
    viewer: Any, slide: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_section, "LONGEST_WAIT_MS", 10 * LONG)  # frames alone call
    calls: list[Any] = []

    def done(words: str | None) -> None:
        loaded = [layer.loaded for layer in viewer.layers]
        calls.append((words, loaded, len(viewer.window.dock_widgets)))

    first = FirstSection(viewer, slide, {"um_per_px": 0.5}, done)
    qtbot.waitUntil(lambda: bool(calls), timeout=LONG)
    assert calls == [(None, [True], 0)]
    dock = show_dock(viewer)
    assert dock.state.current is not None
    assert dock.state.current.section.um_per_px.x == 0.5
    assert "slide" in dock.head.name.text()
    qtbot.wait(50)
    assert len(calls) == 1
    dock.shut()
    state_of(viewer).close()
    del first


def test_what_cannot_be_opened_is_told_in_words(viewer: Any, tmp_path: Path, qtbot: QtBot) -> None:
    told: list[str | None] = []
    first = FirstSection(viewer, tmp_path / "absent.tif", {}, told.append)
    qtbot.waitUntil(lambda: bool(told), timeout=LONG)
    assert told[0] is not None
    assert "absent.tif" in told[0]
    assert not viewer.layers
    state_of(viewer).close()
    del first
