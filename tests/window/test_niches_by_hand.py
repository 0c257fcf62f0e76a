"""Niches by mouse and keys: run, move a slider, compare, click a chart, edit the niches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cohort import write_section
from hands import choose, click, drop, reach, take, with_dialog, with_menu, write
from qtpy.QtCore import QPoint, QPointF
from qtpy.QtGui import QContextMenuEvent
from qtpy.QtWidgets import QApplication, QColorDialog, QLineEdit

from napari_stml import Section
from napari_stml.widgets.dock import RUNS
from napari_stml.widgets.fold import Fold
from napari_stml.widgets.live_fields import Held, Slider

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_stml.viewer.shown import Shown
    from napari_stml.widgets.charts import ChartView
    from napari_stml.widgets.dock import StmlDock

LONG = 120_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_section(tmp_path / "niches.h5ad", 0)


@pytest.fixture
def ran(dock: StmlDock, qtbot: QtBot, file: Path) -> str:
    """Three niches of the two halves, asked for by mouse and keys; the Run's id."""
    assert drop(dock, file)
    qtbot.waitUntil(lambda: not dock.busy and dock.state.current is not None, timeout=LONG)
    click(dock.rail._buttons["Niches"])
    page: Any = dock.pages["Niches"]
    choose(page.picker, "Niches")
    choose(page.form.rows["column"].widget.native, "half")
    for name, value in (("k", "12"), ("niches", "3")):
        write(page.form.rows[name].widget.native.findChild(QLineEdit), value)
    ended: list[Any] = []
    dock.control.published.connect(lambda planned, _: ended.append(planned.spec.run_id))
    dock.control.failed.connect(lambda _, words: ended.append(RuntimeError(words)))
    click(page.button)
    assert dock.control.active, page.form.error.text() or dock._message.text()
    qtbot.waitUntil(lambda: bool(ended) and not dock.busy, timeout=LONG)
    assert isinstance(ended[0], str), ended[0]
    return ended[0]


def test_the_slider_the_selection_and_a_heat_map_by_hand(
    dock: StmlDock, qtbot: QtBot, ran: str
) -> None:
    panel: Any = dock.runs.panel
    live = panel.live
    number: Any = next(s for s in live.findChildren(Slider) if s.title == "Number of niches")
    write(number._text, "2", enter=True)
    qtbot.waitUntil(lambda: groups(dock) == 2, timeout=LONG)
    line = number._line
    click(line, QPoint(line.width() - 4, line.height() // 2))
    qtbot.waitUntil(lambda: groups(dock) > 2, timeout=LONG)

    rule(dock, 'half = "left"')
    qtbot.waitUntil(lambda: bool(live.charts.views), timeout=LONG)
    held = live.findChild(Held)
    click(held._hold)
    assert held._text.text() == "40 held"
    rule(dock, 'half = "right"')
    qtbot.waitUntil(lambda: "held" in said(live.charts.views), timeout=LONG)
    click(held._clear)
    qtbot.waitUntil(lambda: "held" not in said(live.charts.views), timeout=LONG)

    chart = next(c for c in panel.charts if c.chart.name == "niche components")
    click_cell(chart, 0, 0)
    stored: Any = dock.state.current.section.shelf.part(ran, "niches")  # type: ignore[union-attr]
    first = stored.codes == 0
    qtbot.waitUntil(lambda: 0 < chosen(dock).sum() <= first.sum(), timeout=LONG)
    assert not (chosen(dock) & ~first).any()


def test_niches_are_split_merged_coloured_and_undone_by_hand(
    dock: StmlDock, qtbot: QtBot, file: Path, ran: str
) -> None:
    panel: Any = dock.runs.panel
    panel.show_first()
    qtbot.waitUntil(lambda: shown(dock).name == f"{ran}/niches", timeout=LONG)
    counts = shown(dock).counts
    rule(dock, f'{ran}/niches = "1" and level > 0')
    qtbot.waitUntil(lambda: 0 < chosen(dock).sum() < counts[0], timeout=LONG)
    part = int(chosen(dock).sum())
    in_legend(dock, 0, answered("Split the selected off", "edge of 1"))
    assert shown(dock).categories == ("1", "2", "3", "edge of 1")
    assert shown(dock).counts == (counts[0] - part, *counts[1:], part)
    in_legend(dock, 1, answered("Rename", "stroma side"))
    assert shown(dock).categories[1] == "stroma side"

    def coloured(dialog: Any) -> None:
        assert isinstance(dialog, QColorDialog)
        line = next(e for e in dialog.findChildren(QLineEdit) if e.text().startswith("#"))
        write(line, "#00ff00", enter=True)

    in_legend(dock, 0, lambda menu: with_dialog(coloured, lambda: take(menu, "Colour")))
    assert shown(dock).drawn is not None
    np.testing.assert_allclose(shown(dock).drawn.colours[0][:3], (0, 1, 0), atol=0.01)  # type: ignore[union-attr]

    def merged(menu: Any) -> None:
        into = next(a.menu() for a in menu.actions() if a.text() == "Merge into")
        take(menu, "Merge into")
        qtbot.waitUntil(into.isVisible, timeout=LONG)
        take(into, "stroma side")

    in_legend(dock, 2, merged)
    assert shown(dock).categories == ("1", "stroma side", "edge of 1")
    in_legend(dock, 0, lambda menu: take(menu, "Undo"))
    assert shown(dock).categories == ("1", "stroma side", "3", "edge of 1")
    with Section.open(file) as again:
        shelf: Any = again.shelf
        assert shelf.part(ran, "niches").categories == ("1", "2", "3"), "the Run stays as it was"
    dock.open(file)
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    dock.state.colour_by(f"{ran}/niches")
    qtbot.waitUntil(lambda: shown(dock).name == f"{ran}/niches", timeout=LONG)
    assert shown(dock).categories == ("1", "stroma side", "3", "edge of 1"), "edits are kept"


def shown(dock: StmlDock) -> Shown:
    view = dock.state.current
    assert view is not None
    assert view.shown is not None
    return view.shown


def groups(dock: StmlDock) -> int:
    """Different colours that the spots have on the canvas."""
    drawn = shown(dock).drawn
    assert drawn is not None
    return len(np.unique(drawn.codes[drawn.codes >= 0]))


def chosen(dock: StmlDock) -> Any:
    observed = dock.state.current.section.observations  # type: ignore[union-attr]
    selection = dock.state.selection
    assert observed is not None
    return selection.mask(observed) if selection is not None else np.zeros(len(observed.xy), bool)


def rule(dock: StmlDock, text: str) -> None:
    click(dock.rail._buttons["Look"])
    if not dock.look.rule.isVisible():
        folded: Any = dock.look.rule.parentWidget()
        while not isinstance(folded, Fold):
            folded = folded.parentWidget()
        click(folded.button)
    write(dock.look.rule, text, enter=True)
    click(dock.rail._buttons[RUNS])


def said(views: list[ChartView]) -> str:
    return " ".join(f"{v.chart.title} {v.chart.notes} {v.chart.data}" for v in views)


def click_cell(view: ChartView, column: float, row: float) -> None:
    """Click where a cell of a heat map is drawn."""
    reach(view)
    box = view.plot.getPlotItem().vb
    at = view.plot.mapFromScene(box.mapViewToScene(QPointF(column, row)))
    click(view.plot.viewport(), at)


def in_legend(dock: StmlDock, category: int, act: Callable[[Any], None]) -> None:
    """Right click a category of the legend and do something in its menu."""
    legend: Any = dock.state.legend
    row = QPoint(40, 7 + int((category + 1.5) * legend._step))
    asks = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, row, legend.mapToGlobal(row))
    with_menu(act, lambda: QApplication.sendEvent(legend, asks))


def answered(entry: str, text: str) -> Callable[[Any], None]:
    def dialog(asking: Any) -> None:
        write(asking.findChild(QLineEdit), text, enter=True)

    return lambda menu: with_dialog(dialog, lambda: take(menu, entry))
