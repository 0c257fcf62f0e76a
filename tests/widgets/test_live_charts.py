from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.params import LiveParams, param
from napari_stml.core.results import Result
from napari_stml.runs.answers import LiveAnswer
from napari_stml.widgets.charts import ChartView
from napari_stml.widgets.live_panel import LivePanel

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

AXIS = Axis("")
TYPES = Link("category", ("a", "b"), value="type")


class One(LiveParams):
    k: int = param(7, title="K", help="Neighbours.", ge=2, le=20)


@dataclass
class Session:
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def update(self, *asked: Any) -> None:
        self.asked.append(asked)

    def close(self) -> None: ...


@dataclass
class Workers:
    session: Session = field(default_factory=Session)

    def open_live(self, *_: Any, **__: Any) -> Session:
        return self.session


def bars(name: str, values: list[float]) -> Chart:
    return Chart(name, "bar", name, AXIS, AXIS, {"type": ["a", "b"], "share": values}, (TYPES,))


@pytest.fixture
def panel(qtbot: QtBot) -> tuple[LivePanel, Session]:
    made, workers = LivePanel(One, One()), Workers()
    qtbot.addWidget(made)
    made.open(workers, "module:opener", {})  # type: ignore[arg-type]
    return made, workers.session


def show(panel: LivePanel, *charts: Chart) -> None:
    panel._show(LiveAnswer(1, One(), Result.of("s", *charts)))


def test_a_selection_goes_along_until_it_is_gone(panel: tuple[LivePanel, Session]) -> None:
    made, session = panel
    made.follow(("p", "q"))
    made.move(k=9)
    made.follow(())
    made.follow(None)
    along = [a[1:] for a in session.asked]
    assert list(dict.fromkeys(along)) == [(("p", "q"),), ()]
    assert along.count(()) == 1


def test_charts_are_drawn_at_rest_and_equal_ones_stay(
    qtbot: QtBot, panel: tuple[LivePanel, Session]
) -> None:
    made, _ = panel
    show(made, bars("one", [1, 2]), bars("two", [1, 2]))
    qtbot.waitUntil(lambda: len(made.charts.views) == 2)
    first, second = made.charts.views
    show(made, bars("one", [1, 2]), bars("two", [3, 4]))
    qtbot.waitUntil(lambda: made.charts.views[-1] is not second)
    assert made.charts.views[0] is first
    show(made)
    qtbot.waitUntil(lambda: not made.charts.views)


def test_a_click_into_a_live_chart_is_passed_on(
    qtbot: QtBot, panel: tuple[LivePanel, Session]
) -> None:
    made, _ = panel
    show(made, bars("one", [1, 2]))
    qtbot.waitUntil(lambda: len(made.charts.views) == 1)
    with qtbot.waitSignal(made.picked) as heard:
        made.charts.views[0].pick(1)
    assert heard.args == [(TYPES,), ("b",)]


def test_a_cell_and_an_edge_stand_for_two_things(qtbot: QtBot) -> None:
    heat = Chart("heat", "matrix", "Heat", AXIS, AXIS,
                 {"rows": ["a", "b"], "columns": ["a", "b"], "values": [[0, 1], [1, 0]]},
                 (TYPES, TYPES))  # fmt: skip
    net = Chart("net", "network", "Net", AXIS, AXIS, {
        "nodes": ["a", "b", "niche 1"], "kind": ["type", "type", "niche"], "size": [1, 2, 3],
        "colour": ["#111111", "#222222", "#333333"],
        "from": ["a"], "to": ["niche 1"], "weight": [0.5],
    }, (Link("category", ("a", "b", ""), value="type"),
        Link("category", ("", "", "1"), value="niches")))  # fmt: skip
    for chart, mark, ids in ((heat, 2, ("b", "a")), (net, 3, ("a", "1")), (net, 2, ("1",))):
        view = ChartView(chart, {}.__getitem__, np.array([], dtype=object))
        qtbot.addWidget(view)
        with qtbot.waitSignal(view.picked) as heard:
            view.pick(mark)
        assert heard.args[1] == ids


def test_long_names_stand_upright_and_take_their_room(qtbot: QtBot) -> None:
    def drawn(names: list[str]) -> ChartView:
        data = {"type": names, "n": list(range(len(names)))}
        view = ChartView(Chart("c", "bar", "Bars", AXIS, AXIS, data), {}.__getitem__,
                         np.array([], dtype=object))  # fmt: skip
        qtbot.addWidget(view)
        view.resize(260, view.plot.height())
        view.show()
        view.grab()
        return view

    short, long = drawn(["1", "2", "3"]), drawn([f"a long name {i}" for i in range(8)])
    assert long.plot.height() > short.plot.height() + 30
