"""A user's hands on the tissue: drawing, keys, and the button Run of a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hands import choose, click, write
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_stml.viewer._compat import canvas_widget

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_stml.widgets.dock import StmlDock

LONG = 120_000
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
NONE = Qt.KeyboardModifier.NoModifier


def place(dock: StmlDock, xy: tuple[float, float]) -> QPoint:
    view, camera = dock.state.current, dock.viewer.scene.camera
    assert view is not None
    y, x = view.frame.world_yx(np.array(xy, dtype=float))
    height, width = dock.viewer.canvas.size
    return QPoint(round((x - camera.center[-1]) * camera.zoom + width / 2),
                  round((y - camera.center[-2]) * camera.zoom + height / 2))  # fmt: skip


def drag(dock: StmlDock, *places: tuple[float, float]) -> None:
    """Press at the first place of the tissue, move through the others, release."""
    canvas: Any = canvas_widget(dock.viewer)
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    points = [place(dock, p) for p in places]
    steps = [(QEvent.Type.MouseMove, points[0], none),
             (QEvent.Type.MouseButtonPress, points[0], left),
             *((QEvent.Type.MouseMove, p, left) for p in points[1:]),
             (QEvent.Type.MouseButtonRelease, points[-1], none)]  # fmt: skip
    for kind, at, held in steps:
        button = none if kind == QEvent.Type.MouseMove else left
        event = QMouseEvent(kind, QPointF(at), QPointF(canvas.mapToGlobal(at)), button, held, NONE)
        QApplication.sendEvent(canvas, event)
        QApplication.processEvents()


def press(dock: StmlDock, key: Any, keys: Any = NONE) -> None:
    QTest.keyClick(canvas_widget(dock.viewer), key, keys)
    QApplication.processEvents()


def picture(dock: StmlDock, name: str) -> None:
    """Keep the window as a picture where STML_PICTURES names a folder, to be looked at."""
    folder = os.environ.get("STML_PICTURES")
    if folder:
        QApplication.processEvents()
        dock.viewer.screenshot(str(Path(folder) / f"{name}.png"), canvas_only=False, flash=False)


def run(dock: StmlDock, qtbot: QtBot, page: str, *, preview: bool = False) -> str:
    """Click Run (or Preview) on a page and wait; the new Run's id."""
    section: Any = dock.state.current.section  # type: ignore[union-attr]
    shown: Any = dock.pages[page]
    with qtbot.waitSignal(dock.control.published, timeout=LONG) as ended:
        click(shown.preview if preview else shown.button)
    qtbot.waitUntil(lambda: not dock.control.active and not dock.busy, timeout=LONG)
    run_id = str(ended.args[0].spec.run_id)
    assert run_id in section.shelf.records
    return run_id


def page_of(dock: StmlDock, qtbot: QtBot, analysis: str) -> str:
    """Go to the page of an analysis and choose it there; the page's name."""
    page = next(t for t, p in dock.pages.items() if offers(p, analysis))
    click(dock.rail._buttons[page])
    shown: Any = dock.pages[page]
    choose(shown.picker, shown._analyses[analysis].title)
    return page


def offers(page: Any, analysis: str) -> bool:
    return analysis in getattr(page, "_analyses", {})


def fill(widget: Any, text: str) -> None:
    """A list is chosen from, a line is written into."""
    if hasattr(widget, "findText") and widget.findText(text) >= 0:
        choose(widget, text)
    else:
        write(widget, text, enter=True)
