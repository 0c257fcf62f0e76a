"""What the panel of a Run paints by itself, and in which order it lists what the Run left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtWidgets import QLabel

from napari_stml.widgets.result_panel import ResultPanel, breakable

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def panel_of(qtbot: QtBot, shows: str, *parts: tuple[str, str]) -> tuple[ResultPanel, list[str]]:
    entries = [SimpleNamespace(name=name, kind=kind) for name, kind in parts]
    record: Any = SimpleNamespace(id="made-1", title="Made", notes=(), shows=shows, parts=entries)
    panel = ResultPanel(record, SimpleNamespace(observations=None, shelf=None))  # type: ignore[arg-type]
    qtbot.addWidget(panel)
    asked: list[str] = []
    panel.show_requested.connect(asked.append)
    panel.layer_requested.connect(lambda _run, name: asked.append(name))
    panel.show_first()
    return panel, asked


def test_the_links_of_all_spots_are_offered_and_not_drawn_over_the_tissue(qtbot: QtBot) -> None:
    panel, asked = panel_of(qtbot, "X_umap", ("X_umap", "Matrix"), ("connectivities", "Graph"))
    assert asked == []
    assert panel.values.currentIndex() == -1
    panel.values.textActivated.emit("connectivities")
    assert asked == ["connectivities"]


@pytest.mark.parametrize(("shows", "first"), [("b", "b"), ("", "a"), ("m", "a")])
def test_what_the_analysis_wants_is_painted(qtbot: QtBot, shows: str, first: str) -> None:
    parts = (("g", "Graph"), ("a", "Values"), ("b", "Labels"), ("m", "Matrix"))
    panel, asked = panel_of(qtbot, shows, *parts)
    assert asked == [f"made-1/{first}"]
    assert panel.values.currentText() == first


def test_long_names_in_notes_do_not_widen_the_panel(qtbot: QtBot) -> None:
    long = "without any member: HALLMARK_WNT_BETA_CATENIN_SIGNALING_AND_EVERYTHING_AROUND_IT"
    label = QLabel(breakable(long))
    label.setWordWrap(True)
    qtbot.addWidget(label)
    plain = QLabel(long)
    plain.setWordWrap(True)
    qtbot.addWidget(plain)
    assert label.minimumSizeHint().width() < plain.minimumSizeHint().width() / 2
    assert label.text().replace("\u200b", "") == long
    assert breakable("held-out mean r 0.5") == "held-out mean r 0.5"
