"""A lasso in a scatter selects its observations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.results import Matrix
from napari_stml.widgets.charts import ChartView

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

NAMES = np.array([f"s{i}" for i in range(5)], dtype=object)
MAP = np.array([[0, 0], [1, 0], [0, 1], [5, 5], [np.nan, 0]], dtype=float)


def scatter(*links: Link) -> Chart:
    data = {k: {"value": "X_umap", "column": i} for i, k in enumerate("xy")}
    return Chart("map", "scatter", "UMAP", Axis("1"), Axis("2"), data, links)


def test_a_lasso_gives_the_names_inside(qtbot: QtBot) -> None:
    view = ChartView(scatter(Link("observations", ())), lambda _: Matrix("X_umap", MAP), NAMES)
    qtbot.addWidget(view)
    told: list[Any] = []
    view.lassoed.connect(told.append)
    assert view.lasso is not None
    view.lasso.close(np.array([[-1, -1], [2, -1], [2, 0.5], [-1, 0.5]]))
    assert told == [("s0", "s1")]
    view.lasso.close(np.array([[0, 0], [1, 1]]))
    assert len(told) == 1, "two points are no lasso"


def test_marks_that_are_no_observations_have_no_lasso(qtbot: QtBot) -> None:
    data = {"x": [1.0, 2.0], "y": [1.0, 2.0]}
    chart = Chart(
        "volcano", "scatter", "v", Axis("x"), Axis("y"), data, (Link("gene", ("A", "B")),)
    )
    view = ChartView(chart, lambda _: Matrix("X_umap", MAP), NAMES)
    qtbot.addWidget(view)
    assert view.lasso is None
