"""Cancel: soft, then written off, then killed; the next Run does not wait for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from watching import Heard, holdings, lives, until

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Start
    from napari_stml.core.progress import Progress
    from napari_stml.runs.execution import Execution
    from napari_stml.runs.workers import Workers


def started(
    workers: Workers, job: str, spec: dict[str, Any] | None = None, **how: Any
) -> Execution:
    """A Run that has reported for the first time."""
    heard: Heard[Progress] = Heard()
    run = workers.submit(job, spec or {}, on_progress=heard, **how)
    assert heard.wait(lambda items: len(items) > 0)
    return run


def pid_of_runner(workers: Workers) -> int:
    outcome = workers.submit("toy:who", {}).wait(10)
    assert outcome is not None
    pid: int = outcome.reference["pid"]
    return pid


def click(run: Execution) -> float:
    began = time.monotonic()
    run.cancel()
    outcome = run.wait(10)
    assert outcome is not None
    assert outcome.state == "cancelled"
    return time.monotonic() - began


def test_a_polite_job_closes_its_files_and_keeps_its_worker(start: Start, tmp_path: Path) -> None:
    workers = start(preload=("toy",), write_off_s=5.0)
    pid = pid_of_runner(workers)
    mark = tmp_path / "mark"
    click(started(workers, "toy:until_cancelled", {"mark": str(mark)}))
    assert mark.read_text(encoding="utf-8") == "closed"
    assert pid_of_runner(workers) == pid


def test_a_job_that_holds_the_lock_is_written_off(start: Start) -> None:
    workers = start(preload=("toy",), closing_s=0.2)
    pid = pid_of_runner(workers)
    run = started(workers, "toy:deaf")
    assert click(run) < 1.0  # 0.12 s on a quiet computer, see benchmarks/worker.py
    assert lives(pid), "it has a while to close its files"
    assert pid_of_runner(workers) != pid
    assert until(lambda: not lives(pid))


def test_a_written_off_job_may_still_close_its_files(start: Start, tmp_path: Path) -> None:
    workers = start(preload=("toy",), write_off_s=0.01, closing_s=30.0)
    pid = pid_of_runner(workers)
    mark = tmp_path / "mark"
    click(started(workers, "toy:slow_to_close", {"seconds": 0.1, "mark": str(mark)}))
    assert not mark.exists()
    assert until(lambda: not lives(pid)), "it ends by itself, long before the limit"
    assert mark.read_text(encoding="utf-8") == "closed"


def test_a_gpu_run_waits_until_the_old_process_is_dead(start: Start) -> None:
    workers = start(preload=("toy",), write_off_s=0.01, closing_s=0.4)
    pid = pid_of_runner(workers)
    click(started(workers, "toy:deaf", gpu=True))
    free = workers.submit("toy:echo", {})
    assert free.wait(10) is not None
    alive: list[bool] = []
    gpu = workers.submit("toy:echo", {}, gpu=True, on_state=lambda _: alive.append(lives(pid)))
    assert gpu.wait(10) is not None
    assert alive[0] is False


def test_cancel_before_during_and_after(start: Start) -> None:
    workers = start()
    early = workers.submit("toy:echo", {})
    early.cancel()
    outcome = early.wait(10)
    assert outcome is not None
    assert outcome.state in ("cancelled", "done")
    late = workers.submit("toy:echo", {})
    assert late.wait(10) is not None
    late.cancel()
    again = workers.submit("toy:echo", {"a": 1}).wait(10)
    assert again is not None
    assert again.reference == {"a": 1}
    assert late.state == "done"


def test_nothing_leaks_in_a_hundred_cycles(start: Start) -> None:
    """Every tenth cancel is deaf, so that a process is replaced; the others stop politely."""
    workers = start(write_off_s=0.02, closing_s=0.05)

    def settled() -> bool:
        steward = workers._steward
        pair = (steward.runner, steward.spare)
        return not steward.retiring and all(w is not None and w.state == "ready" for w in pair)

    assert until(settled)
    before = holdings()
    for cycle in range(100):
        states: Heard[str] = Heard()
        deaf = cycle % 10 == 9
        run = workers.submit("light:deaf" if deaf else "light:polite", {}, on_state=states)
        assert states.wait(lambda s: "running" in s)
        run.cancel()
        assert run.wait(10) is not None
    assert until(settled)
    assert until(lambda: holdings() == before), (before, holdings())
    assert not list(workers.scratch.folder.glob("[!o]*")), "the scratch folder is empty"
