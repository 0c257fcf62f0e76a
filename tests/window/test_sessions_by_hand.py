"""A cohort, landmarks, and the undo of a Run, by mouse and keys in a window that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cohort import write_section
from hands import answer_file, click, drop, with_dialog, write
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QPushButton
from tissue_hands import drag

from napari_stml.widgets.dock import ALIGN, COHORT, RUNS

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_stml.widgets.dock import StmlDock

LONG = 120_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_section(tmp_path / "dropped.h5ad", 0)


@pytest.fixture
def opened(dock: StmlDock, qtbot: QtBot, file: Path) -> StmlDock:
    assert drop(dock, file)
    settle(dock, qtbot)
    return dock


def settle(dock: StmlDock, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not dock.busy and dock.state.current is not None, timeout=LONG)


def button(page: Any, text: str) -> QPushButton:
    return next(b for b in page.findChildren(QPushButton) if b.text().startswith(text))


def cells(dock: StmlDock) -> list[str]:
    table = dock.cohort.table
    items = [table.item(0, column) for column in range(table.columnCount())]
    return [item.text() for item in items if item is not None]


def test_a_cohort_is_saved_loses_a_file_and_finds_it_again(
    opened: StmlDock, qtbot: QtBot, file: Path, tmp_path: Path
) -> None:
    click(opened.rail._buttons[COHORT])
    page, kept = opened.cohort, tmp_path / "cohort.yaml"
    assert cells(opened) == ["dropped", "", "not analysed yet", str(file)]
    write(opened.head.scale, "0.5", enter=True)
    settle(opened, qtbot)
    assert cells(opened)[1] == "0.5"
    with_dialog(answer_file(kept), lambda: click(button(page, "Save")))
    assert kept.exists()
    moved = file.rename(tmp_path / "moved.h5ad")
    with_dialog(answer_file(kept), lambda: click(button(page, "Load")))
    assert cells(opened)[2] == "missing: relink it"
    row = page.table.visualItemRect(page.table.item(0, 0)).center()
    seen: Any = page.table.viewport()
    click(seen, row)
    click(button(page, "Open"))
    assert "relink" in page.message.text()
    with_dialog(answer_file(moved), lambda: click(button(page, "Relink")))
    assert page.message.text() == "1 found again"
    assert cells(opened)[3] == str(moved)
    QTest.mouseDClick(seen, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, row)
    settle(opened, qtbot)
    assert len(opened.state.views) == 2


def test_landmarks_are_clicked_in_turns_applied_and_undone(opened: StmlDock, qtbot: QtBot) -> None:
    click(opened.rail._buttons[ALIGN])

    def xy() -> Any:
        return opened.state.current.section.observations.xy  # type: ignore[union-attr]

    before = xy().copy()
    click(button(opened.align, "Set landmarks"))
    middle = before.mean(axis=0)
    places = [middle + at for at in ((-20.0, -20.0), (20.0, -20.0), (20.0, 20.0))]
    wanted = np.array([12.0, 7.0])
    for place in places:
        for at in (place, place + wanted):
            drag(opened, at)
    on_spots, on_image = opened.align.alignment.begin_landmarks()
    assert len(on_spots.data) == len(on_image.data) == 3
    click(button(opened.align, "Apply"))
    qtbot.waitUntil(lambda: bool(np.abs(xy() - before - wanted).max() < 3), timeout=LONG)
    settle(opened, qtbot)
    assert not [layer for layer in opened.viewer.layers if "landmarks" in layer.name]
    assert "3 landmarks" in opened.align.undo.text()
    click(opened.align.undo)
    qtbot.waitUntil(lambda: bool(np.allclose(xy(), before)), timeout=LONG)
    settle(opened, qtbot)


def test_a_run_is_undone_and_brought_back_by_its_buttons(opened: StmlDock, qtbot: QtBot) -> None:
    state = opened.state
    page: Any = opened.pages["Prepare"]
    click(opened.rail._buttons["Prepare"])
    page.choose("qc")
    with qtbot.waitSignal(opened.control.published, timeout=LONG):
        click(page.button)
    qtbot.waitUntil(lambda: state.current is not None and state.current.shown is not None,
                    timeout=LONG)  # fmt: skip
    section: Any = state.current.section  # type: ignore[union-attr]
    values = section.values("qc-1/passes")
    assert opened.stack.currentWidget() is opened.pages[RUNS]
    click(button(opened.runs.panel, "Undo"))
    assert opened.runs.list.count() == 0
    assert state.current is not None
    assert state.current.shown is None, "what is gone is not shown"
    assert section.run_values() == ()
    click(opened.runs.back)
    assert opened.runs.list.count() == 1
    assert not opened.runs.back.isVisible()
    assert section.values("qc-1/passes").equals(values)
    line: Any = opened.runs.list
    click(line.viewport(), line.visualItemRect(line.item(0)).center())
    assert opened.runs.panel is not None
