"""Journeys with mouse and keys through a window that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cohort import write_section
from hands import answer_file, click, drop, pick, take, with_dialog, with_menu, write
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QContextMenuEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLineEdit, QPushButton

from napari_stml import Section
from napari_stml.runs.desk import Wish
from napari_stml.widgets.dock import ALIGN

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_stml.widgets.dock import StmlDock

LONG = 120_000


@pytest.fixture
def opened(dock: StmlDock, qtbot: QtBot, tmp_path: Path) -> StmlDock:
    """A section that was dropped on the dock."""
    file = write_section(tmp_path / "dropped.h5ad", 0)
    assert drop(dock, file)
    qtbot.waitUntil(lambda: not dock.busy and dock.state.current is not None, timeout=LONG)
    return dock


def test_a_dropped_file_is_searched_renamed_and_undone(opened: StmlDock, qtbot: QtBot) -> None:
    state = opened.state
    line = opened.look.gene.line
    click(line)
    QTest.keyClicks(line, "g1")
    popup: Any = opened.look.gene._completer.popup()
    qtbot.waitUntil(popup.isVisible, timeout=LONG)
    names = [popup.model().index(i, 0).data() for i in range(popup.model().rowCount())]
    assert names[0] == "G1"
    pick(popup, names.index("G12"))
    qtbot.waitUntil(lambda: state.current.shown is not None, timeout=LONG)
    assert state.current.shown.name == line.text() == "G12"

    opened.look.column.setFocus()
    opened.look.colour_requested.emit("half", "viridis")
    qtbot.waitUntil(lambda: state.current.shown.name == "half", timeout=LONG)
    assert opened.look.column.currentText() == "half", "the page names what is painted"
    legend = state.legend
    assert legend is not None
    row = QPoint(40, 7 + int(1.5 * legend._step))
    QTest.mouseClick(legend, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, row)
    assert state.current.shown.hidden == {0}
    at = legend.mapToGlobal(row)
    asks = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, row, at)

    def ask() -> None:
        QApplication.sendEvent(legend, asks)

    def rename(dialog: Any) -> None:
        write(dialog.findChild(QLineEdit), "tumour side", enter=True)

    def renaming(menu: Any) -> None:
        with_dialog(rename, lambda: take(menu, "Rename"))

    with_menu(renaming, ask)
    assert "tumour side" in state.current.shown.categories
    with_menu(lambda menu: take(menu, "Undo"), ask)
    assert "tumour side" not in state.current.shown.categories


def test_spots_are_nudged_back_and_saved_by_hand(
    opened: StmlDock, qtbot: QtBot, tmp_path: Path
) -> None:
    click(opened.rail._buttons[ALIGN])
    assert opened.stack.currentWidget() is opened.align

    def xy() -> Any:
        view: Any = opened.state.current
        return view.section.observations.xy

    before = xy().copy()
    buttons = {b.text(): b for b in opened.align.findChildren(QPushButton)}
    click(buttons["right"])
    qtbot.waitUntil(lambda: bool(np.allclose(xy(), before + np.array([10, 0]))), timeout=LONG)
    qtbot.waitUntil(lambda: not opened.busy, timeout=LONG)
    click(opened.align.undo)
    qtbot.waitUntil(lambda: bool(np.allclose(xy(), before)), timeout=LONG)
    qtbot.waitUntil(lambda: not opened.busy, timeout=LONG)
    target = tmp_path / "saved.zarr"
    menu: Any = opened.head.button.menu()
    with_menu(
        lambda shown: with_dialog(answer_file(target), lambda: take(shown, "Save as")),
        lambda: menu.exec(opened.head.button.mapToGlobal(QPoint(0, 20))),
    )
    qtbot.waitUntil(lambda: "Saved as" in opened._message.text(), timeout=LONG)
    with Section.open(target) as saved:
        np.testing.assert_allclose(saved.observations.xy, before)  # type: ignore[union-attr]


def test_a_run_is_cancelled_by_its_button(opened: StmlDock, qtbot: QtBot) -> None:
    from dock_toy import SlowParams

    section = opened.state.current.section  # type: ignore[union-attr]
    begun: list[Any] = []
    opened.control.progressed.connect(lambda *_: begun.append(1))
    opened.control.run(Wish("dock-slow", SlowParams(), (section,), modules=("dock_toy",)))
    qtbot.waitUntil(lambda: bool(begun), timeout=LONG)
    click(opened.foot.button)
    qtbot.waitUntil(lambda: not opened.control.active, timeout=LONG)
    assert "cancelled" in opened.foot.text.text()
    assert section.kept.store.runs() == ()
