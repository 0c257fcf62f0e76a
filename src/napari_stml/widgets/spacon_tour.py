"""A tour of SpaCon in the real window: run it, drag the slider with the mouse, click a spot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QSlider

from napari_stml.viewer.state import state_of
from napari_stml.widgets.dock import RUNS, StmlDock
from napari_stml.widgets.live_panel import LivePanel
from napari_stml.widgets.niche_tour import PATIENCE_S, run_from_page, scroll_to
from napari_stml.widgets.tour import LARGE, _Camera, wait

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from qtpy.QtWidgets import QPushButton

    from napari_stml.core.run_record import RunRecord
    from napari_stml.widgets.run_control import RunControl

SPOT = 900
BETWEEN_MOVES_S = 0.03


def spacon_tour(
    section: Path, into: Path, control: RunControl | None = None, **asked: Any
) -> list[Path]:
    """Pictures of the form, both ends of the slider, its middle, a spot's links, the charts.

    Parameters
    ----------
    asked
        What the form is filled with.
    """
    import napari

    viewer = napari.Viewer(title="napari-stml", show=True)
    viewer.window.resize(*LARGE)
    dock = StmlDock(viewer, control)
    viewer.window.add_dock_widget(dock, name="STML", area="right")
    take = _Camera(viewer, dock, into)
    try:
        dock.open(section)
        wait(lambda: not dock.busy and dock.state.current is not None, "the section to open", 300)
        run_from_page(dock, take, "spacon", "SpaCon", **asked)
        _follow(dock, take)
    finally:
        dock.shut()
        state_of(viewer).close()
        viewer.close()
        QApplication.processEvents()
    return take.pictures


def _follow(dock: StmlDock, take: _Camera) -> None:
    dock.show_page(RUNS)
    panel = dock.findChild(LivePanel)
    assert isinstance(panel, LivePanel)
    wait(panel._session.opened.is_set, "the live view", PATIENCE_S)

    def settled() -> None:
        wait(lambda: panel.readout.text() != "" and "computing" not in panel.readout.text(),
             "the exact answer", PATIENCE_S)  # fmt: skip

    for share, name in ((0.0, "space"), (1.0, "connections"), (0.5, "blend")):
        drag(panel, share)
        settled()
        take(name)
    click(panel.pin)
    drag(panel, 1.0)
    settled()
    take("pinned")
    click(panel.pin)
    panel.move(picture=True)
    wait(lambda: bool(panel.charts.views), "the UMAP", PATIENCE_S)
    settled()
    scroll_to(panel.charts.views[0])
    take("umap")
    panel.move(picture=False)
    view = dock.state.current
    assert view is not None
    assert view.section.observations is not None
    x, y = view.section.observations.xy[SPOT]
    panel.move(edges="connections")
    panel.take_place((float(x), float(y)))
    wait(lambda: any("links" in layer.name for layer in view.viewer.layers), "the links", 120)
    settled()
    take("links")
    assert dock.runs.panel is not None
    scroll_to(next(v for v in dock.runs.panel.charts if v.chart.name == "contact-sheet"))
    take("charts")
    click(panel.keep)
    wait(lambda: any(r.live for r in _records(dock).values()), "the kept Run", PATIENCE_S)
    take("kept")


def _records(dock: StmlDock) -> Mapping[str, RunRecord]:
    view = dock.state.current
    shelf = view.section.shelf if view is not None else None
    return shelf.records if shelf is not None else {}


def click(button: QPushButton) -> None:
    scroll_to(button)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


def drag(panel: LivePanel, share: float) -> None:
    """Move the handle with the mouse, as a hand does."""
    handle = panel._sliders["share"].findChild(QSlider)
    assert isinstance(handle, QSlider)

    def place(value: float) -> QPoint:
        part = (value - handle.minimum()) / (handle.maximum() - handle.minimum())
        return QPoint(7 + round((handle.width() - 14) * part), handle.height() // 2)

    start, end = place(handle.value()), place(handle.maximum() * share)
    left = Qt.MouseButton.LeftButton
    QTest.mousePress(handle, left, pos=start)
    steps = max(1, abs(end.x() - start.x()) // 3)
    for i in range(1, steps + 1):
        QTest.mouseMove(handle, QPoint(start.x() + (end.x() - start.x()) * i // steps, end.y()))
        QApplication.processEvents()
        time.sleep(BETWEEN_MOVES_S)
    QTest.mouseRelease(handle, left, pos=end)
