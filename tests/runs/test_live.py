"""Live: the newest position wins, the nearest answer comes at once, stale ones are dropped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from toy import AtPosition, codes_at
from watching import Heard, until

from napari_stml.core.results import Labels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Start
    from napari_stml.core.errors import StmlError
    from napari_stml.runs.answers import LiveAnswer
    from napari_stml.runs.live import LiveSession
    from napari_stml.runs.workers import Workers

N = 50_000


class Panel:
    """What a live panel does with a session."""

    def __init__(self, workers: Workers, **spec: Any) -> None:
        self.answers: Heard[LiveAnswer] = Heard()
        self.errors: Heard[StmlError] = Heard()
        cache = spec.pop("cache_bytes", 64 * 2**20)
        self.session: LiveSession = workers.open_live(
            "toy:open_toy",
            {"n": N, **spec},
            AtPosition,
            on_answer=self.answers,
            on_error=self.errors,
            title="Clusters",
            cache_bytes=cache,
        )

    def exact(self, alpha: float) -> LiveAnswer:
        assert self.answers.wait(lambda a: bool(a) and a[-1].exact and a[-1].params.alpha == alpha)
        return self.answers.items[-1]


def codes(answer: LiveAnswer) -> np.ndarray[Any, Any]:
    part = answer.result.part("clusters")
    assert isinstance(part, Labels)
    return part.codes


def test_an_answer_is_a_result(workers: Workers) -> None:
    panel = Panel(workers)
    assert panel.session.update(AtPosition(alpha=0.25)) is None
    answer = panel.exact(0.25)
    assert answer.op == 1
    assert codes(answer).dtype == np.int16
    assert np.array_equal(codes(answer), codes_at(0.25, N))
    panel.session.close()


def test_a_known_position_is_answered_at_once(workers: Workers) -> None:
    panel = Panel(workers)
    for alpha in (0.2, 0.8):
        panel.session.update(AtPosition(alpha=alpha))
        panel.exact(alpha)
    asked = len(panel.answers.items)
    again = panel.session.update(AtPosition(alpha=0.2))
    assert again is not None
    assert again.exact
    near = panel.session.update(AtPosition(alpha=0.75))
    assert near is not None
    assert (near.params.alpha, near.exact) == (0.8, False)
    panel.exact(0.75)
    assert len(panel.answers.items) == asked + 1
    assert panel.session.update(AtPosition(alpha=0.75)) is None, "that is painted already"
    assert panel.session.update(AtPosition(alpha=0.75, view="other")) is None, "nothing is near"
    panel.session.close()


def test_the_nearest_becomes_exact_where_the_slider_arrives(workers: Workers) -> None:
    panel = Panel(workers)
    panel.session.update(AtPosition(alpha=0.2))
    panel.exact(0.2)
    panel.session.update(AtPosition(alpha=0.21))
    there = panel.session.update(AtPosition(alpha=0.2))
    assert there is not None
    assert there.exact
    panel.session.close()


def test_stale_positions_are_never_computed(workers: Workers, tmp_path: Path) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    panel = Panel(workers, gate=str(gate), log=str(log))
    panel.session.update(AtPosition(alpha=0.0))
    panel.exact(0.0)
    panel.session.update(AtPosition(alpha=0.01, view="gate"))
    assert until(lambda: len(log.read_text().split()) == 2)
    for i in range(2, 101):
        panel.session.update(AtPosition(alpha=i / 100))
    gate.touch()
    panel.exact(1.0)
    computed = log.read_text().split()
    assert len(computed) <= 4, "the gate, the newest that was underway, the newest of all"
    assert computed[-1] == "1.0"
    panel.session.close()


def test_shown_answers_only_come_nearer(workers: Workers) -> None:
    panel = Panel(workers, grid=11)
    target = 0.0
    for i in range(60):
        target = abs(np.sin(i / 9)).item()
        panel.session.update(AtPosition(alpha=target))
    panel.exact(target)
    settled = len(panel.answers.items)
    assert until(lambda: panel.session.cached >= 11)
    assert len(panel.answers.items) == settled, "the grid does not move what is exact already"
    panel.session.close()


def test_the_grid_is_computed_when_idle_and_gives_way(workers: Workers, tmp_path: Path) -> None:
    log = tmp_path / "log"
    panel = Panel(workers, grid=11, log=str(log))
    panel.session.update(AtPosition(alpha=0.95))
    panel.exact(0.95)
    assert until(lambda: panel.session.cached == 12)
    computed = [float(a) for a in log.read_text().split()]
    assert sorted(computed) == sorted([*(i / 10 for i in range(11)), 0.95])
    after = computed[computed.index(0.95) + 1 :]
    assert after == sorted(after, key=lambda a: abs(a - 0.95)), "nearest to the slider first"
    answer = panel.session.update(AtPosition(alpha=0.3))
    assert answer is not None
    assert answer.exact
    panel.session.close()


def test_the_cache_is_bounded_and_stops_the_grid(workers: Workers) -> None:
    limit = 5 * (2 * N + 4096)
    panel = Panel(workers, grid=11, cache_bytes=limit)
    panel.session.update(AtPosition(alpha=0.05))
    panel.exact(0.05)
    for i in range(20):
        panel.session.update(AtPosition(alpha=0.5 + i / 100))
        panel.exact(0.5 + i / 100)
    assert panel.session._cache.nbytes <= limit
    assert panel.session.cached <= 5
    panel.session.close()


def test_a_selection_has_answers_of_its_own(workers: Workers) -> None:
    panel = Panel(workers)
    panel.session.update(AtPosition(alpha=0.5))
    panel.exact(0.5)
    chosen = tuple(f"spot-{i}" for i in range(4000))
    assert panel.session.update(AtPosition(alpha=0.5), chosen) is None
    assert panel.answers.wait(lambda a: len(codes(a[-1])) == 4000)
    assert panel.session.update(AtPosition(alpha=0.6), chosen) is None, "0.5 is painted already"
    panel.exact(0.6)
    assert len(codes(panel.answers.items[-1])) == 4000
    panel.session.update(AtPosition(alpha=0.6))
    assert panel.answers.wait(lambda a: len(codes(a[-1])) == N)
    panel.session.close()


def test_an_update_that_fails_is_told_and_the_next_one_works(workers: Workers) -> None:
    panel = Panel(workers)
    panel.session.update(AtPosition(alpha=0.5, view="fail"))
    assert panel.errors.wait(lambda e: len(e) == 1)
    assert "no such view" in str(panel.errors.items[0])
    panel.session.update(AtPosition(alpha=0.5))
    panel.exact(0.5)
    panel.session.close()


def test_what_cannot_be_opened_is_told_once(workers: Workers) -> None:
    panel = Panel(workers, broken=True)
    assert panel.errors.wait(lambda e: len(e) == 1)
    assert "the result is gone" in str(panel.errors.items[0])
    for i in range(5):
        panel.session.update(AtPosition(alpha=i / 10))
    other = Panel(workers)
    other.session.update(AtPosition(alpha=0.5))
    other.exact(0.5)
    assert len(panel.errors.items) == 1
    for p in (panel, other):
        p.session.close()


def test_two_panels_do_not_disturb_each_other(workers: Workers) -> None:
    one, other = Panel(workers), Panel(workers, n=7)
    for i in range(20):
        one.session.update(AtPosition(alpha=i / 20))
        other.session.update(AtPosition(alpha=1 - i / 20))
    assert len(codes(one.exact(0.95))) == N
    assert len(codes(other.exact(1 - 0.95))) == 7
    one.session.close()
    other.session.close()


def test_a_crash_is_told_and_the_next_update_opens_again(start: Start) -> None:
    workers = start(preload=("toy",))
    panel, bystander = Panel(workers), Panel(workers)
    bystander.session.update(AtPosition(alpha=0.1))
    bystander.exact(0.1)
    panel.session.update(AtPosition(alpha=0.1, view="crash"))
    assert panel.errors.wait(lambda e: len(e) == 1)
    assert "code 9" in str(panel.errors.items[0])
    panel.session.update(AtPosition(alpha=0.4))
    panel.exact(0.4)
    bystander.session.update(AtPosition(alpha=0.9))
    bystander.exact(0.9)
    assert bystander.errors.items == []
    panel.session.update(AtPosition(alpha=0.1, view="crash"))
    assert panel.errors.wait(lambda e: len(e) == 2)
    panel.session.update(AtPosition(alpha=0.7))
    bystander.session.update(AtPosition(alpha=0.7))
    bystander.exact(0.7)
    assert panel.answers.items[-1].params.alpha == 0.4, "it does not crash a third worker"


def test_live_does_not_queue_behind_a_run(start: Start) -> None:
    workers = start(preload=("toy",))
    busy: Heard[Any] = Heard()
    run = workers.submit("toy:deaf", {}, on_progress=busy)
    assert busy.wait(lambda b: len(b) > 0)
    panel = Panel(workers)
    panel.session.update(AtPosition(alpha=0.5))
    panel.exact(0.5)
    assert run.outcome is None


def test_live_goes_on_when_its_worker_takes_a_run(start: Start) -> None:
    """After a cancel the spare runs the next Run; the session moves to the new spare."""
    workers = start(preload=("toy",), write_off_s=0.01, closing_s=0.05)
    panel = Panel(workers)
    panel.session.update(AtPosition(alpha=0.5))
    first = panel.exact(0.5).readout["pid"]
    steward = workers._steward
    assert until(lambda: steward.runner is not None and steward.runner.state == "ready")
    busy: Heard[Any] = Heard()
    run = workers.submit("toy:deaf", {}, on_progress=busy)
    assert busy.wait(lambda b: len(b) > 0)
    following = workers.submit("toy:who", {})
    run.cancel()
    outcome = following.wait(10)
    assert outcome is not None
    assert str(outcome.reference["pid"]) == first, "no Run waits for a process to start"
    near = panel.session.update(AtPosition(alpha=0.6))
    assert near is None or near.params.alpha == 0.5
    assert panel.exact(0.6).readout["pid"] != first
    assert panel.errors.items == []


def test_a_closed_session_is_silent(workers: Workers, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    panel = Panel(workers, gate=str(gate))
    panel.session.update(AtPosition(alpha=0.5, view="gate"))
    panel.session.close()
    gate.touch()
    other = Panel(workers)
    other.session.update(AtPosition(alpha=0.5))
    other.exact(0.5)
    assert panel.answers.items == []
    other.session.close()


@pytest.mark.parametrize("moves", [100])
def test_a_drag_never_holds_the_caller(workers: Workers, moves: int) -> None:
    panel = Panel(workers, grid=101)
    longest = 0.0
    for i in range(moves):
        began = time.thread_time()
        now = panel.session.update(AtPosition(alpha=i / moves))
        longest = max(longest, time.thread_time() - began)
    assert (now is not None and now.exact) or panel.exact((moves - 1) / moves)
    assert longest < 0.035, "seconds of the caller's own processor time"
    panel.session.close()
