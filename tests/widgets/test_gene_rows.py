"""A row of a table of genes, or of gene sets, asks for these genes on the tissue."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QTableWidget

from napari_stml.core.results import Table
from napari_stml.widgets.result_panel import ResultPanel

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def asked_by(qtbot: QtBot, part: Table, row: int) -> list[tuple[tuple[str, ...], str]]:
    """Click a row of a Run's table; the genes that are asked for, and their title."""
    entries = [SimpleNamespace(name=part.name, kind="Table")]
    record: Any = SimpleNamespace(id="made-1", title="Made", notes=(), shows="", parts=entries)
    shelf = SimpleNamespace(part=lambda _run, _name: part)
    panel = ResultPanel(record, SimpleNamespace(observations=None, shelf=shelf))  # type: ignore[arg-type]
    qtbot.addWidget(panel)
    asked: list[tuple[tuple[str, ...], str]] = []
    panel.genes_requested.connect(lambda genes, title: asked.append((genes, title)))
    panel.resize(500, 400)
    panel.show()
    table = panel.findChildren(QTableWidget)[0]
    place = table.visualItemRect(table.item(row, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    return asked


def test_a_gene_and_a_set_by_its_called_genes(qtbot: QtBot) -> None:
    genes = Table("genes", {"gene": ("A", "B"), "score": np.array([2.0, 1.0])})
    assert asked_by(qtbot, genes, 1) == [(("B",), "")]
    sets = Table("sets", {"set": ("UP", "NONE"), "called": np.array([2, 0]),
                          "called genes": ("A, B", "")})  # fmt: skip
    assert asked_by(qtbot, sets, 0) == [(("A", "B"), "UP")]
    assert asked_by(qtbot, sets, 1) == [], "a set without called genes has nothing to show"
