from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest

from napari_stml.core.params import LiveParams, param
from napari_stml.core.results import Result
from napari_stml.runs.answers import LiveAnswer
from napari_stml.widgets.live_fields import Slider
from napari_stml.widgets.live_panel import LivePanel

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


class Both(LiveParams):
    alpha: float = param(0.5, title="Alpha", help="Blend.", ge=0, le=1)
    radius: float = param(
        100.0, title="Radius", help="Around.", unit="um", ge=10, le=1000, log=True
    )
    k: int = param(7, title="K", help="Groups.", ge=2, le=20)


@dataclass
class Session:
    """Answers at once from what it knows, later through ``on_answer``."""

    on_answer: Any = None
    on_error: Any = None
    asked: list[Both] = field(default_factory=list)
    known: LiveAnswer | None = None
    closed: bool = False

    def update(self, params: Both) -> LiveAnswer | None:
        self.asked.append(params)
        return self.known

    def close(self) -> None:
        self.closed = True


@dataclass
class Workers:
    session: Session = field(default_factory=Session)

    def open_live(self, _opener: str, _spec: Any, _model: Any, **callbacks: Any) -> Session:
        self.session.on_answer = callbacks["on_answer"]
        self.session.on_error = callbacks["on_error"]
        return self.session


@pytest.fixture
def panel(qtbot: QtBot) -> tuple[LivePanel, Session]:
    made, workers = LivePanel(Both, Both()), Workers()
    qtbot.addWidget(made)
    made.open(workers, "module:opener", {})  # type: ignore[arg-type]
    return made, workers.session


def answer(alpha: float, exact: bool = True, seconds: float = 0.2) -> LiveAnswer:
    readout = {"clusters": "3"}
    return LiveAnswer(1, Both(alpha=alpha), Result({}), exact, seconds, readout)


def test_sliders_start_where_the_run_stands(panel: tuple[LivePanel, Session]) -> None:
    params = panel[0].params()
    assert isinstance(params, Both)
    assert (params.alpha, params.k) == (0.5, 7)
    assert params.radius == pytest.approx(100.0, rel=0.02)


def test_what_is_set_is_asked(panel: tuple[LivePanel, Session]) -> None:
    panel[0].move(alpha=0.25, radius=500.0, k=20)
    asked = panel[1].asked[-1]
    assert (asked.alpha, asked.k) == (0.25, 20)
    assert asked.radius == pytest.approx(500.0, rel=0.02)


def test_a_known_answer_is_painted_at_once_and_said_to_be_near(
    panel: tuple[LivePanel, Session], qtbot: QtBot
) -> None:
    live, session = panel
    session.known = answer(0.3, exact=False)
    with qtbot.waitSignal(live.moved):
        live.move(alpha=0.31)
    assert "computing" in live.readout.text()
    with qtbot.waitSignal(live.moved):
        session.on_answer(answer(0.31))
    assert live.readout.text() == "clusters: 3"


def test_where_the_exact_answer_is_about_to_come_only_that_is_painted(
    panel: tuple[LivePanel, Session], qtbot: QtBot
) -> None:
    live, session = panel
    painted: list[Any] = []
    live.moved.connect(painted.append)
    session.known = answer(0.3, exact=False, seconds=0.001)
    live.move(alpha=0.31)
    assert not painted
    with qtbot.waitSignal(live.moved):
        session.on_answer(answer(0.31, seconds=0.001))
    assert len(painted) == 1
    assert live.readout.text() == "clusters: 3"
    assert not live._wait.isActive()


def test_a_quick_answer_that_stays_away_is_replaced_by_the_nearest(
    panel: tuple[LivePanel, Session], qtbot: QtBot
) -> None:
    live, session = panel
    session.known = answer(0.3, exact=False, seconds=0.001)
    with qtbot.waitSignal(live.moved):
        live.move(alpha=0.31)
    assert "computing" in live.readout.text()


def test_a_failure_is_said(panel: tuple[LivePanel, Session], qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel[0].failed) as said:
        panel[1].on_error(ValueError("the worker died"))
    assert said.args == ["the worker died"]


def test_pin_hands_over_what_is_said_of_the_position(
    panel: tuple[LivePanel, Session], qtbot: QtBot
) -> None:
    made, _ = panel
    made.readout.setText("alpha: 0.17, share 50%\nclusters: 5")
    for wanted in ("alpha 0.17", ""):
        with qtbot.waitSignal(made.pin_requested) as said:
            made.pin.click()
        assert said.args == [wanted]


def test_keep_hands_over_the_position(panel: tuple[LivePanel, Session], qtbot: QtBot) -> None:
    panel[0].move(alpha=0.75)
    with qtbot.waitSignal(panel[0].keep_requested) as kept:
        panel[0].keep.click()
    assert kept.args is not None
    assert kept.args[0].alpha == 0.75
    panel[0].close_session()
    assert panel[1].closed
    asked = len(panel[1].asked)
    panel[0].move(alpha=0.1)
    assert len(panel[1].asked) == asked


class Depending(LiveParams):
    k: int = param(7, title="K", help="Groups.", ge=2, le=20, when={"method": "k-means"})
    finer: float = param(1.0, title="Finer", help="Fine.", ge=0, le=2, when={"method": "leiden"})
    soft: bool = param(False, title="Soft", help="Blend.")
    by: Literal["row", "column"] = param("row", title="By", help="Which.", when={"soft": True})


def test_fields_that_say_nothing_about_this_run_are_not_shown(qtbot: QtBot) -> None:
    panel = LivePanel(Depending, Depending(k=3, finer=0.5), {"method": "k-means"})
    qtbot.addWidget(panel)
    panel.open(Workers(), "module:opener", {})  # type: ignore[arg-type]
    shown = {name for name, each in panel._sliders.items() if not each.isHidden()}
    assert shown == {"k", "soft"}
    assert panel.params() == Depending(k=3), "and stand at their default"
    panel.move(soft=True, by="column", k=4)
    assert panel.params() == Depending(k=4, soft=True, by="column")
    qtbot.waitUntil(lambda: not panel._sliders["by"].isHidden())


def test_a_number_can_be_typed(panel: tuple[LivePanel, Session]) -> None:
    made, session = panel
    slider = made._sliders["alpha"]
    assert isinstance(slider, Slider)
    for typed, meant in (("0.25", 0.25), ("0,3", 0.3), ("7", 1.0), ("much", 1.0)):
        slider._text.setText(typed)
        slider._text.editingFinished.emit()
        assert slider.value == pytest.approx(meant, abs=0.005)
        assert slider._text.text() != "much"
    assert made.params().alpha == 1.0
    assert session.asked
