"""What is kept on purpose, a preview, a classifier; a gene set clicked in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cohort import write_section
from hands import answer_file, choose, click, drop, pick, with_dialog
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QTableWidget
from tissue_hands import LONG, drag, fill, page_of, press, run

from napari_stml.io.run_parts.model_file import read_model
from napari_stml.widgets.dock import REGIONS, RUNS

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_stml.widgets.dock import StmlDock


@pytest.fixture
def drawn(dock: StmlDock, qtbot: QtBot, tmp_path: Path) -> StmlDock:
    """A section with a tumour on the left and a stroma on the right."""
    assert drop(dock, write_section(tmp_path / "biopsy.h5ad", 0))
    desk = dock.regions.desk
    qtbot.waitUntil(lambda: not dock.busy and desk.book is not None, timeout=LONG)
    xy = dock.state.current.section.observations.xy  # type: ignore[union-attr]
    low, size = xy.min(axis=0), xy.max(axis=0) - xy.min(axis=0)
    click(dock.rail._buttons[REGIONS])
    click(dock.regions.tools.buttons["rectangle"])
    for key, left, right in ((Qt.Key.Key_1, 0.03, 0.4), (Qt.Key.Key_2, 0.6, 0.97)):
        press(dock, Qt.Key.Key_R)
        way = ((left, 0.05), ((left + right) / 2, 0.5), (right, 0.95))
        drag(dock, *((low[0] + size[0] * x, low[1] + size[1] * y) for x, y in way))
        press(dock, key)
    press(dock, Qt.Key.Key_Escape)
    assert desk.drawing is not None
    assert [r.kind for r in desk.drawing.regions] == ["Tumour", "Stroma"]
    return dock


def button(dock: StmlDock, words: str) -> QPushButton:
    """A button of the shown Run's panel."""
    panel = dock.runs.panel
    assert panel is not None
    return next(b for b in panel.findChildren(QPushButton) if b.text() == words)


def test_a_kept_preview_stays_when_the_next_run_comes(drawn: StmlDock, qtbot: QtBot) -> None:
    section: Any = drawn.state.current.section  # type: ignore[union-attr]
    page = page_of(drawn, qtbot, "region-measures")
    choose(drawn.scope.box, "whole section")
    kept = run(drawn, qtbot, page, preview=True)
    click(button(drawn, "Keep this preview"))
    click(drawn.rail._buttons[page])
    second = run(drawn, qtbot, page, preview=True)
    assert kept in section.shelf.records
    click(drawn.rail._buttons[page])
    third = run(drawn, qtbot, page)
    assert {kept, third} <= set(section.shelf.records)
    assert second not in section.shelf.records, "this one was not kept"


def test_what_was_learnt_is_saved_as_a_file(drawn: StmlDock, qtbot: QtBot, tmp_path: Path) -> None:
    page = page_of(drawn, qtbot, "few-strokes")
    run_id = run(drawn, qtbot, page)
    target = tmp_path / "tumour.safetensors"
    save = button(drawn, "Save what it learnt ...")
    with_dialog(answer_file(target), lambda: click(save))
    qtbot.waitUntil(target.exists, timeout=LONG)
    model = read_model(target)
    assert set(model.card["classes"]) == {"Tumour", "Stroma"}
    assert run_id


def test_a_row_of_a_gene_set_paints_its_called_genes(
    drawn: StmlDock, qtbot: QtBot, tmp_path: Path
) -> None:
    sets = tmp_path / "sets.gmt"
    lines = [
        ["LEFT", "", *(f"G{i}" for i in range(12, 24))],
        ["REST", "", *(f"G{i}" for i in range(24, 36))],
    ]
    sets.write_text("\n".join("\t".join(line) for line in lines))
    page = page_of(drawn, qtbot, "region-genes")
    shown: Any = drawn.pages[page]
    qtbot.waitUntil(lambda: "Stroma" in shown.form.rows["first"].widget.choices, timeout=LONG)
    for name, kind in (("first", "Tumour"), ("second", "Stroma")):
        fill(shown.form.rows[name].widget.native, kind)
    compared = run(drawn, qtbot, page)
    page_of(drawn, qtbot, "region-sets")
    fill(shown.form.rows["run_id"].widget.native, compared)
    shown.form.rows["file"].write(str(sets))
    done = run(drawn, qtbot, page)
    click(drawn.rail._buttons[RUNS])
    runs: Any = drawn.runs.list
    pick(
        runs, [runs.item(i).data(Qt.ItemDataRole.UserRole) for i in range(runs.count())].index(done)
    )
    panel: Any = drawn.runs.panel
    table, row = next((t, item) for t in panel.findChildren(QTableWidget) for item in t.findItems(
        "LEFT", Qt.MatchFlag.MatchExactly))  # fmt: skip
    click(table.viewport(), table.visualItemRect(row).center())
    view: Any = drawn.state.current
    qtbot.waitUntil(
        lambda: view.shown is not None and view.shown.name.startswith("LEFT"), timeout=LONG
    )
    left = view.section.observations.xy[:, 0] < view.section.observations.xy[:, 0].mean()
    assert view.shown.numbers[left].mean() > view.shown.numbers[~left].mean() + 0.5
