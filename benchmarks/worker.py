"""The worker process under load: start, cancel, death.

Run alone; ``--quick`` takes fewer repetitions. This file is also the module that the workers
import their jobs from.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from support.results import add_record, ratio, recorded

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "src"))

MOST_MS = 200.0
"""From the click on Cancel until the next Run has a worker."""

NUMPY = ("numpy", "pandas")
WARM = (*NUMPY, "worker")


# jobs, executed in the worker


def nothing(spec: Any, report: Any) -> None:
    return None


def stamps(spec: Any, report: Any) -> None:
    """A loop that never lets go of the interpreter for long, and says when it reported."""
    from napari_stml.core.progress import Progress

    ends = time.monotonic() + spec["seconds"]
    number = 0
    while (now := time.monotonic()) < ends:
        report(Progress(number, 0, repr(now)))
        number += sum(i % 7 for i in range(spec["work"])) % 2 + 1


def busy(spec: Any, report: Any) -> None:
    """Never ends and never looks at a cancel; three kinds of deafness."""
    from napari_stml.core.progress import Progress

    report(Progress(0, 0))
    if spec["kind"] == "python":
        while True:
            sum(range(1000))
    elif spec["kind"] == "regex":
        re.fullmatch("(a|a)*b", "a" * 60)
    else:
        ctypes.PyDLL(None).sleep(600)


def total(spec: Any, report: Any) -> float:
    from napari_stml.runs.scratch import taken

    return float(taken(spec["array"]).sum())


# measuring


def make_workers(preload: tuple[str, ...] = (), **more: Any) -> Any:
    from napari_stml.runs.settings import WorkerSettings
    from napari_stml.runs.workers import Workers

    settings = {"preload": preload, "path": (str(HERE.parent),), **more}
    return Workers(WorkerSettings(**settings))


def row(what: str, values: list[float], unit: str = "ms", scale: float = 1000.0) -> None:
    shown = [v * scale for v in values]
    middle, most = statistics.median(shown), max(shown)
    print(f"{what:58} median {middle:9.2f}  max {most:9.2f} {unit}  (n={len(shown)})", flush=True)


def settle(workers: Any) -> None:
    """Wait until both processes are warm and none is left over."""
    steward = workers._steward
    while steward.retiring or any(
        w is None or w.state != "ready" for w in (steward.runner, steward.spare)
    ):
        time.sleep(0.01)


def begun(workers: Any, job: str, spec: dict[str, Any], **more: Any) -> Any:
    """A Run that has reported."""
    reported = threading.Event()
    run = workers.submit(job, spec, on_progress=lambda _: reported.set(), **more)
    reported.wait(30)
    return run


def starts(repeats: int) -> None:
    for name, preload in (("bare", ()), ("numpy and pandas imported", NUMPY)):
        took = []
        for _ in range(repeats):
            began = time.perf_counter()
            workers = make_workers(preload)
            workers.submit("worker:nothing", {}).wait(60)
            took.append(time.perf_counter() - began)
            workers.close()
        row(f"start of a pair to the first result, {name}", took)


def trips(workers: Any, repeats: int) -> None:
    settle(workers)
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        workers.submit("worker:nothing", {}).wait(10)
        took.append(time.perf_counter() - began)
    row("round trip of an empty Run", took)


def progress(workers: Any, seconds: float) -> None:
    for name, work in (("pure Python loop", 20_000), ("as fast as it can", 1)):
        late: list[float] = []

        def heard(message: Any, late: list[float] = late) -> None:
            late.append(time.monotonic() - float(message.text))

        workers.submit("worker:stamps", {"seconds": seconds, "work": work}, on_progress=heard).wait(
            60
        )
        row(f"progress, {name}: report to callback", late)
        print(f"{'':58} {len(late) / seconds:.1f} messages/s")


def cancels(workers: Any, repeats: int) -> float:
    told, taken, following, known = [], [], [], []
    for i in range(repeats):
        settle(workers)
        run = begun(workers, "worker:busy", {"kind": ("native", "python", "regex")[i % 3]})
        begins: list[float] = []

        def note(_: str, begins: list[float] = begins) -> None:
            begins.append(time.perf_counter())

        after = workers.submit("worker:nothing", {}, on_state=note)
        began = time.perf_counter()
        run.cancel()
        run.wait(10)
        told.append(time.perf_counter() - began)
        after.wait(30)
        following.append(time.perf_counter() - began)
        taken.append(begins[0] - began)
    for _ in range(repeats):
        settle(workers)
        run = begun(workers, "worker:busy", {"kind": "native"})
        pid = workers._steward.runner.pid
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        run.wait(10)
        known.append(time.perf_counter() - began)
    row("cancel of a deaf job: click to free", told)
    row("cancel of a deaf job: click to the spare taking the next Run", taken)
    row("cancel of a deaf job: click to the next Run's result", following)
    row("SIGKILL of the worker to the message", known)
    return max(*told, *taken)


def cycles(workers: Any, repeats: int) -> int:
    """Start and cancel, every tenth one deaf; files, threads and processes left over at the end."""
    settle(workers)
    before = holdings()
    for i in range(repeats):
        run = begun(workers, "worker:busy" if i % 10 == 9 else "worker:stamps",
                    {"kind": "native", "seconds": 600, "work": 1000})  # fmt: skip
        run.cancel()
        run.wait(30)
    settle(workers)
    ends = time.monotonic() + 10
    while (left := sum(a - b for a, b in zip(holdings(), before, strict=True))) > 0:
        if time.monotonic() > ends:
            break
        time.sleep(0.05)
    print(f"{repeats} start/cancel cycles: files, threads, processes {before} -> {holdings()}")
    return left


def holdings() -> tuple[int, int, int]:
    gc.collect()
    own = str(os.getpid())
    stats = [Path(f"/proc/{p}/stat") for p in os.listdir("/proc") if p.isdigit()]
    parents = [parent(stat) for stat in stats]
    return len(os.listdir("/proc/self/fd")), threading.active_count(), parents.count(own)


def parent(stat: Path) -> str:
    try:
        return stat.read_text(errors="replace").rsplit(")", 1)[1].split()[1]
    except (FileNotFoundError, ProcessLookupError):
        return ""


HOST = """
import sys, threading
sys.path[:0] = [{source!r}, {here!r}]
import worker
workers = worker.make_workers(guard={guard!r})
worker.begun(workers, "worker:busy", {{"kind": {kind!r}}})
print(workers._steward.runner.pid, flush=True)
threading.Event().wait()
"""


def orphans(repeats: int) -> None:
    for guard in ("kernel", "process") if sys.platform == "linux" else ("process",):
        for kind in ("python", "native", "regex"):
            took = []
            for _ in range(repeats):
                text = HOST.format(
                    source=str(HERE.parents[1] / "src"),
                    here=str(HERE.parent),
                    guard=guard,
                    kind=kind,
                )
                with subprocess.Popen(
                    [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True
                ) as host:
                    assert host.stdout is not None
                    pid = int(host.stdout.readline())
                    time.sleep(0.05)
                    began = time.perf_counter()
                    host.kill()
                    while is_running(pid) and time.perf_counter() - began < 10:
                        time.sleep(0.001)
                    took.append(time.perf_counter() - began)
            row(f"SIGKILL of the host, {guard} guard, {kind}: worker gone", took)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def arrays(workers: Any, repeats: int) -> None:
    import numpy as np

    array = np.ones(10_000_000)
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        reference = workers.scratch.hand_over(array)
        workers.submit("worker:total", {"array": reference}).wait(30)
        took.append(time.perf_counter() - began)
        workers.scratch.discard(reference)
    row("80 MB unsaved array: written, mapped, summed in the worker", took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    add_record(parser)
    options = parser.parse_args()
    with recorded(__file__, options.record):
        measured(options.quick)


def measured(quick: bool) -> None:
    repeats = 3 if quick else 10
    starts(repeats)
    workers = make_workers(WARM)
    trips(workers, 50 if quick else 300)
    progress(workers, 1.0 if quick else 3.0)
    arrays(workers, repeats)
    slowest = 1000 * cancels(workers, 6 if quick else 20)
    left = cycles(workers, 20 if quick else 100) if sys.platform == "linux" else 0
    workers.close()
    orphans(1 if quick else 4)
    ratio("left-after-start-cancel-cycles", left, None, "handles", left, 0, left <= 0)
    ratio("cancel-click-to-next-run", slowest, None, "ms", slowest / MOST_MS, MOST_MS,
          slowest <= MOST_MS)  # fmt: skip


if __name__ == "__main__":
    main()
