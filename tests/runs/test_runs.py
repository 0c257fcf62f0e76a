"""Runs in the worker: what goes in, what comes out, what is said on the way."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import toy
from watching import Heard, until

from napari_stml.core.errors import CannotOpenError, MissingScaleError, StmlError
from napari_stml.core.progress import Progress
from napari_stml.runs.failures import as_data, from_data
from napari_stml.runs.job import CancelledError, InLineReport, run_in_line
from napari_stml.runs.reporting import ThrottledReport

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.runs.workers import Workers


def test_a_spec_goes_in_and_a_reference_comes_out(workers: Workers) -> None:
    spec = {"zarr": "/Präparate/Schnitt 1 µm.zarr", "n": [1, 2.5, None], "deep": {"ok": True}}
    outcome = workers.submit("toy:echo", spec).wait(10)
    assert outcome is not None
    assert (outcome.state, outcome.reference, outcome.error) == ("done", spec, None)


def test_a_long_spec_goes_as_a_file(workers: Workers) -> None:
    spec = {"members": [f"barcode-{i}" for i in range(50_000)]}
    outcome = workers.submit("toy:echo", spec).wait(10)
    assert outcome is not None
    assert outcome.reference == spec
    assert not list(workers.scratch.folder.glob("message-*")), "both ways were cleaned up"


def test_the_worker_is_another_polite_process_without_a_window(workers: Workers) -> None:
    outcome = workers.submit("toy:who", {}).wait(10)
    assert outcome is not None
    who = outcome.reference
    assert who["pid"] != os.getpid()
    assert who["group"] == who["pid"]
    assert who["nice"] == min(19, os.nice(0) + 10)
    assert int(who["threads"]) >= 1
    assert who["waiting"] == os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
    assert who["qt"] == []


def test_unsaved_arrays_are_mapped(workers: Workers) -> None:
    array = np.arange(100_000, dtype=np.float64)
    reference = workers.scratch.hand_over(array)
    outcome = workers.submit("toy:total", {"array": reference}).wait(10)
    assert outcome is not None
    assert outcome.reference == {"sum": array.sum(), "mapped": True}
    workers.scratch.discard(reference)
    assert not list(workers.scratch.folder.glob("array-*"))


def test_progress_is_throttled_and_the_last_arrives(workers: Workers) -> None:
    heard: Heard[Progress] = Heard()
    began = time.monotonic()
    run = workers.submit("toy:count", {"steps": 20_000}, on_progress=heard)
    assert run.wait(20) is not None
    most = 2 + (time.monotonic() - began) / 0.05
    assert 1 <= len(heard.items) <= most
    assert heard.items[-1] == Progress(20_000, 20_000, "counting", (("loss", 1 / 20_000),))
    done = [p.done for p in heard.items]
    assert done == sorted(done)


def test_a_held_report_arrives_while_the_job_is_silent(workers: Workers) -> None:
    heard: Heard[Progress] = Heard()
    run = workers.submit("toy:hold_one", {}, on_progress=heard)
    assert heard.wait(lambda items: Progress(2, 2) in items)
    run.cancel()
    assert run.wait(5) is not None


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("ours", r"The table is empty \(a.h5ad\). Choose another."),
        ("runtime", r"RuntimeError: not on this device"),
        ("torch", r"not enough memory \(OutOfMemoryError: CUDA out of memory\)"),
        ("value", r"ValueError: bad"),
    ],
)
def test_exceptions_come_back_as_words(workers: Workers, kind: str, words: str) -> None:
    outcome = workers.submit("toy:raises", {"kind": kind}, title="Clusters").wait(10)
    assert outcome is not None
    assert outcome.state == "failed"
    assert isinstance(outcome.error, CannotOpenError if kind == "ours" else StmlError)
    with pytest.raises(StmlError, match=words):
        raise outcome.error
    if kind != "ours":
        assert until(lambda: "Traceback" in workers.log.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("toy:nothing", "cannot be loaded"),
        ("no_such_module:job", "No module named"),
        ("toy:quits", "SystemExit: enough"),
        ("toy:not_json", "not JSON serializable"),
    ],
)
def test_the_worker_survives_bad_jobs(workers: Workers, job: str, words: str) -> None:
    outcome = workers.submit(job, {}).wait(10)
    assert outcome is not None
    with pytest.raises(StmlError, match=words):
        raise outcome.error or AssertionError
    after = workers.submit("toy:echo", {"still": "here"}).wait(10)
    assert after is not None
    assert after.state == "done"


def test_one_run_at_a_time_in_order(workers: Workers) -> None:
    ends: Heard[str] = Heard()
    states: Heard[str] = Heard()
    blocker = workers.submit("toy:hold_one", {}, on_state=states)
    assert states.wait(lambda s: s == ["running"])
    runs = [
        workers.submit("toy:echo", {}, on_end=lambda _, n=n: ends(str(n)))  # type: ignore[misc]
        for n in range(4)
    ]
    assert [r.state for r in runs] == ["queued"] * 4
    runs[1].cancel()
    assert ends.wait(lambda e: e == ["1"]), "a Run in the queue is cancelled at once"
    blocker.cancel()
    assert ends.wait(lambda e: len(e) == 4)
    assert ends.items == ["1", "0", "2", "3"]
    assert states.items == ["running", "cancelled"]


def test_a_callback_that_fails_stops_nothing(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Any) -> None:
        raise RuntimeError("the widget is gone")

    first = workers.submit("toy:count", {"steps": 2}, on_progress=broken, on_end=broken)
    assert first.wait(10) is not None
    second = workers.submit("toy:echo", {}).wait(10)
    assert second is not None
    assert second.state == "done"
    assert "the widget is gone" in caplog.text


def test_every_error_of_ours_survives_the_wire() -> None:
    for error in (CannotOpenError("a", where="b", do="c"), MissingScaleError("s")):
        again = from_data(as_data(error, "", ""))
        assert type(again) is type(error)
        assert str(again) == str(error)
    stranger = from_data({"kind": "Path", "what": "w", "where": "", "do": ""})
    assert type(stranger) is StmlError


def test_in_line_is_the_same_job(tmp_path: Path) -> None:
    heard: list[Progress] = []
    assert run_in_line("toy:count", {"steps": 3}, heard.append) == {"steps": 3}
    assert [p.done for p in heard] == [1, 2, 3]
    report = InLineReport(lambda p: report.cancel())
    mark = tmp_path / "mark"
    with pytest.raises(CancelledError):
        toy.until_cancelled({"mark": str(mark)}, report)
    assert mark.read_text() == "closed"


def test_the_throttle_sends_nothing_after_its_end() -> None:
    sent: list[Progress] = []
    report = ThrottledReport(sent.append, interval_s=60.0)
    for i in range(5):
        report(Progress(i, 5))
    assert [p.done for p in sent] == [0]
    report.close()
    assert [p.done for p in sent] == [0, 4]
