"""Every kind of chart is drawn, a click says what it stands for, a selection is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
import pytest
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_stml.analyses._shared.charts import violin_of, violins
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.results import Labels, Matrix, Part, Values
from napari_stml.widgets.charts import ChartView

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

NAMES = np.array(["s0", "s1", "s2"], dtype=object)
X, Y = Axis("x"), Axis("y", "um")
LINK = Link("category", ("a", "b"), "clusters")
STORED: dict[str, Part] = {
    "X_umap": Matrix("X_umap", np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.5]])),
    "clusters": Labels("clusters", np.array([0, 1, -1]), ("a", "b")),
}
SCATTER = {
    "x": {"value": "X_umap", "column": 0},
    "y": {"value": "X_umap", "column": 1},
    "colour": {"value": "clusters", "column": None},
}
CHARTS = [
    (Chart("c", "bar", "Bars", X, Y, {"cluster": ["a", "b"], "spots": [3, 5]}, (LINK,)),
     (1.1, 2.0), ("b",)),
    (Chart("c", "bar", "Counts", X, Y, {"counts": [10.0, 20.0, 30.0], "spots": [1, 2, 3]},
           (Link("observations", ("p", "q", "r")),)), (19.0, 1.0), ("q",)),
    (Chart("c", "line", "Line", X, Y, {"k": [2, 3], "fit": [0.1, None], "other": [1, 2]},
           (Link("run", ("r1", "r2")),)), (2.9, 0.0), ("r2",)),
    (Chart("c", "scatter", "Map", X, Y, SCATTER, (Link("observations", ()),)),
     (1.0, 1.0), ("s1",)),
    (Chart("c", "matrix", "Heat", X, Y,
           {"rows": ["g", "h"], "columns": ["a", "b"], "values": [[1, 2], [3, None]]},
           (LINK, Link("gene", ("g", "h")))), (0.5, 1.5), ("a", "h")),
    (Chart("c", "matrix", "Dots", X, Y,
           {"rows": ["g", "h"], "columns": ["a", "b"], "values": [[-1, 2], [3, 0]],
            "size": [[0.1, 1], [0.5, 0]]}, (LINK,)), (1.5, 0.5), ("b",)),
    (Chart("c", "boxes", "Boxes", X, Y,
           {"label": ["a", "b"], "low": [0, 0], "q1": [1, 1], "median": [2, 2], "q3": [3, 3],
            "high": [4, 4]}, (LINK,)), (0.2, 2.0), ("a",)),
    (violins("c", "Violins", X, Y,
             [{"label": n, **violin_of(v)} for n, v in
              (("a", np.arange(50.0)), ("b", np.ones(3)), ("d", np.zeros(0)))], (LINK,)),
     (0.2, 2.0), ("a",)),
    (Chart("c", "network", "Net", X, Y,
           {"nodes": ["a", "b"], "from": ["a"], "to": ["b"], "weight": [0.5]}, (LINK,)),
     (-1.0, 0.0), ("b",)),
]  # fmt: skip


@pytest.mark.parametrize(("chart", "at", "ids"), CHARTS, ids=lambda v: getattr(v, "title", ""))
def test_a_click_says_what_the_mark_stands_for(
    qtbot: QtBot, chart: Chart, at: tuple[float, float], ids: tuple[str, ...]
) -> None:
    view = ChartView(chart, STORED.__getitem__, NAMES)
    qtbot.addWidget(view)
    view.show()
    picked: list[Any] = []
    view.picked.connect(lambda _link, found: picked.extend(found))
    index = view.mark_at(*at)
    assert index is not None
    view.pick(index)
    assert tuple(picked) == ids


def test_far_from_every_mark_nothing_is_meant(qtbot: QtBot) -> None:
    view = ChartView(CHARTS[3][0], STORED.__getitem__, NAMES)
    qtbot.addWidget(view)
    assert view.mark_at(50.0, 50.0) is None
    heat = ChartView(CHARTS[4][0], STORED.__getitem__, NAMES)
    qtbot.addWidget(heat)
    assert heat.mark_at(-1.0, 0.5) is None


def test_a_selection_is_ringed_in_the_map_and_kept_in_the_bars(qtbot: QtBot) -> None:
    scatter = ChartView(CHARTS[3][0], STORED.__getitem__, NAMES)
    bars = ChartView(CHARTS[0][0], STORED.__getitem__, NAMES)
    for view in (scatter, bars):
        qtbot.addWidget(view)
    scatter.highlight(frozenset({"s2"}))
    points, ring = (
        item for item in scatter.plot.getPlotItem().items if isinstance(item, pg.ScatterPlotItem)
    )
    assert len(points.getData()[0]) == 3
    assert ring.getData()[0].tolist() == [2.0]
    bars.highlight(frozenset({"b"}))
    brushes = bars.plot.getPlotItem().items[0].opts["brushes"]
    assert brushes[0].color() != brushes[1].color()


@pytest.mark.parametrize("kind", ["bar", "line"])
def test_an_empty_chart_is_drawn_as_such(qtbot: QtBot, kind: Any) -> None:
    view = ChartView(Chart("c", kind, "Nothing", X, Y, {"x": [], "y": []}), STORED.get, NAMES)
    qtbot.addWidget(view)
    view.show()
    assert view.mark_at(0.0, 0.0) is None


@pytest.mark.parametrize("kind", ["bar", "line", "scatter"])
def test_several_series_are_named_in_their_colours(qtbot: QtBot, kind: Any) -> None:
    data = {"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "r": [0.1, 0.2, 0.3]}
    view = ChartView(
        Chart("c", kind, "Training", Axis("epoch"), Axis("y"), data), lambda _: None, np.array([])
    )
    qtbot.addWidget(view)
    (legend,) = [i for i in view.plot.scene().items() if isinstance(i, pg.LegendItem)]
    assert [label.text for _, label in legend.items] == ["loss", "r"]
    first, second = (sample.item.opts["brush"].color().name() for sample, _ in legend.items)
    assert first != second


def test_marks_of_every_series_stand_at_their_height(qtbot: QtBot) -> None:
    data = {"position": [1.0, 2.0, 3.0], "SNPs": [4.0, None, 9.0], "top": [None, 7.0, None]}
    link = Link("gene", ("A", "B", "C"))
    view = ChartView(Chart("c", "scatter", "Manhattan", X, Y, data, (link,)), STORED.get, NAMES)
    qtbot.addWidget(view)
    drawn = [i.getData()[1].tolist() for i in view.plot.getPlotItem().items
             if isinstance(i, pg.ScatterPlotItem)]  # fmt: skip
    assert drawn[:2] == [[4.0, 9.0], [7.0]]
    with qtbot.waitSignal(view.picked) as picked:
        view.pick(view.mark_at(2.01, 7.0))
    assert picked.args[1] == ("B",)


def test_small_maps_of_numbers_share_a_scale(qtbot: QtBot) -> None:
    stored = {**STORED, "a": Values("a", np.array([0.0, 1.0, np.nan])),
              "b": Values("b", np.array([1.0, 2.0, 2.0]))}  # fmt: skip
    panels = [{"value": n, "title": n} for n in ("a", "b")]
    chart = Chart("c", "scatter", "Traits", X, Y,
                  {k: SCATTER[k] for k in ("x", "y")} | {"panels": panels})  # fmt: skip
    view = ChartView(chart, stored.__getitem__, NAMES)
    qtbot.addWidget(view)
    maps = [i for i in view.plot.getPlotItem().items if isinstance(i, pg.ScatterPlotItem)]
    first, second = ([p.brush().color().getRgb() for p in m.points()] for m in maps)
    assert first[1] == second[0]
    assert first[0] != first[1]
    assert first[2] not in {second[1], first[0]}


def test_a_chart_follows_the_theme_of_the_dock(qtbot: QtBot) -> None:
    dock = QWidget()
    dock.resize(320, 300)
    qtbot.addWidget(dock)
    series = {"k": [2, 3], "fit": [0.1, 0.3], "other": [1, 2]}
    view = ChartView(Chart("c", "line", "Line", X, Y, series), STORED.__getitem__, NAMES)
    QVBoxLayout(dock).addWidget(view)
    for ground, ink in (("#202020", "#f0f0f0"), ("#fafafa", "#101010")):
        dock.setStyleSheet(f"QWidget {{ background: {ground}; color: {ink}; }}")
        dock.show()
        QApplication.processEvents()
        drawn = view.plot.grab().toImage()
        assert drawn.pixelColor(drawn.width() - 3, 3).name() == ground
        item = view.plot.getPlotItem()
        assert item.getAxis("left").textPen().color().name() == ink
        assert [label.opts["color"] for _, label in item.legend.items] == [ink, ink]
