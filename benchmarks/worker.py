"""The worker process under load: start, cancel, death, and a slider dragged at 50,000 spots.

Run alone; ``--quick`` takes fewer repetitions. The drag needs a display (a virtual one is taken
when ``xvfb-run`` is there). This file is also the module that the workers import their jobs from.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_stml.runs.live import LiveSession

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "src"))

SPOTS = 50_000
NUMPY = ("numpy", "pandas")
WARM = (*NUMPY, "worker")


# jobs and a Live, executed in the worker


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


def positions() -> Any:
    from napari_stml.core.params import LiveParams, param

    class Position(LiveParams):
        alpha: float = param(0.5, title="Alpha", help="0: space, 1: connections.", ge=0, le=1)

    return Position


class Blend:
    """Two views of every spot, mixed and given to the nearest of twelve centres."""

    def __init__(self, kind: Any, grid: int) -> None:
        import numpy as np

        rng = np.random.default_rng(0)
        self.kind, self.steps = kind, grid
        self.space = rng.normal(size=(SPOTS, 16)).astype(np.float32)
        self.links = rng.normal(size=(SPOTS, 16)).astype(np.float32)
        self.centres = rng.normal(size=(12, 16)).astype(np.float32)

    def grid(self) -> Any:
        return (
            tuple(self.kind(alpha=i / self.steps) for i in range(self.steps + 1))
            if self.steps
            else ()
        )

    def update(self, params: Any, selection: Any) -> Any:
        import numpy as np

        from napari_stml.core.results import Labels, Result

        view = (1 - params.alpha) * self.space + params.alpha * self.links
        away = (self.centres**2).sum(axis=1) - 2 * view @ self.centres.T
        codes = away.argmin(axis=1).astype(np.int16)
        return Result.of("A", Labels("clusters", codes, tuple("abcdefghijkl")))


def open_blend(spec: Any) -> Any:
    from napari_stml.runs.live_desk import OpenedLive

    kind = positions()
    return OpenedLive(Blend(kind, spec["grid"]), kind)  # type: ignore[arg-type]


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


def ratio(what: str, ours: float, unit: str, target: float) -> None:
    verdict = "met" if ours <= target else "short"
    print(
        f"RATIO {what} ours={ours:.1f} peer=absent unit={unit} ratio={ours / target:.3f} "
        f"target={target:g} {verdict}"
    )


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
    return max(taken)


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


# the drag, in a process of its own with a window


def drag(grid: int, moves: int, with_layer: int) -> None:
    """Move a slider over a real Points layer, or over none; prints one line of JSON."""
    import numpy as np
    from qtpy.QtCore import QObject, QTimer, Signal

    kind = positions()
    rng = np.random.default_rng(1)
    layer: Any
    if with_layer:
        import napari

        viewer = napari.Viewer(show=True)
        xy = rng.uniform(0, 10_000, size=(SPOTS, 2))
        layer = viewer.add_points(xy, size=20, border_width=0)
    else:
        from types import SimpleNamespace

        from qtpy.QtWidgets import QApplication

        app = QApplication([])
        layer = SimpleNamespace()
    palette = np.concatenate([rng.uniform(size=(12, 3)), np.ones((12, 1))], axis=1)
    palette = palette.astype(np.float32)
    workers = make_workers(NUMPY)

    class Bridge(QObject):
        answered = Signal(object)

    bridge = Bridge()
    counts = {"paints": 0, "exact": 0}
    waiting: list[Any] = []
    lags: list[float] = []
    asked: dict[float, float] = {}

    used = [0.0]
    painted = [0.0]

    def want(answer: Any) -> None:
        """Paint the newest answer, at most one each 50 ms."""
        if answer is None:
            return
        if not waiting:
            since = time.perf_counter() - painted[0]
            QTimer.singleShot(max(0, int(1000 * (0.05 - since))), paint)
        waiting.append(answer)

    def paint() -> None:
        answer = waiting[-1]
        waiting.clear()
        before = time.thread_time()
        painted[0] = time.perf_counter()
        layer.face_color = palette[answer.result.part("clusters").codes]
        used[0] += time.thread_time() - before
        counts["paints"] += 1
        if answer.exact:
            counts["exact"] += 1
            lags.append(time.perf_counter() - asked[answer.params.alpha])

    bridge.answered.connect(want)
    session: LiveSession = workers.open_live(
        "worker:open_blend", {"grid": grid}, kind, on_answer=bridge.answered.emit
    )
    session.opened.wait(60)
    gaps: list[float] = []
    last = [time.perf_counter()]

    def tick() -> None:
        now = time.perf_counter()
        gaps.append(now - last[0])
        last[0] = now

    def spin(seconds: float) -> tuple[float, float, float]:
        """Let the event loop run: longest block, its processor time, wall time."""
        from qtpy.QtCore import QEventLoop

        loop = QEventLoop()
        gaps.clear()
        last[0] = time.perf_counter()
        timer = QTimer()
        timer.timeout.connect(tick)
        timer.start(5)
        began, cpu = time.perf_counter(), time.thread_time()
        QTimer.singleShot(int(seconds * 1000), loop.quit)
        loop.exec_() if hasattr(loop, "exec_") else loop.exec()
        timer.stop()
        return max(gaps), time.thread_time() - cpu, time.perf_counter() - began

    move = [0]
    waits: list[float] = []

    def step() -> None:
        if move[0] >= moves:
            return
        alpha = abs((move[0] * 1.7 % 200) / 100 - 1.0)
        move[0] += 1
        asked[alpha] = time.perf_counter()
        before = time.thread_time()
        want(session.update(kind(alpha=alpha)))
        used[0] += time.thread_time() - before
        waits.append(time.perf_counter() - asked[alpha])

    for alpha in (0.3, 0.6):  # the first recolour costs more, once
        asked[alpha] = time.perf_counter()
        want(session.update(kind(alpha=alpha)))
        spin(1.0)
    idle_gap, idle_cpu, idle_wall = spin(2.0)
    move_timer = QTimer()
    move_timer.timeout.connect(step)
    counts.update(paints=0, exact=0)
    lags.clear()
    used[0] = 0.0
    move_timer.start(30)
    gap, cpu, wall = 0.0, 0.0, 0.0
    while move[0] < moves:
        g, c, w = spin(1.0)
        gap, cpu, wall = max(gap, g), cpu + c, wall + w
    move_timer.stop()
    g, c, w = spin(1.0)
    gap, cpu, wall = max(gap, g), cpu + c, wall + w
    own = cpu - idle_cpu / idle_wall * wall
    # one recolour after the other, without a worker
    blocks, costs, control = [], [], []
    for i in range(20):
        codes = np.roll(np.arange(SPOTS) % 12, i)
        began, before = time.perf_counter(), time.thread_time()
        layer.face_color = palette[codes]
        costs.append(time.thread_time() - before)
        blocks.append(time.perf_counter() - began)
        control.append(spin(0.05)[0])
    cached = session.cached
    workers.close()
    found = {
        "cpu_per_move": used[0] / moves,
        "cpu_per_move_with_software_drawing": own / moves,
        "paints": counts["paints"],
        "exact": counts["exact"],
        "longest_block": gap,
        "longest_block_recolouring_without_worker": max(control),
        "idle_block": idle_gap,
        "update_call": max(waits),
        "lag": statistics.median(lags) if lags else float("nan"),
        "recolour_cpu": statistics.median(costs),
        "recolour_wall": statistics.median(blocks),
        "cached": cached,
        "wall": wall,
    }
    print(json.dumps(found), flush=True)
    if with_layer:
        viewer.close()
    else:
        app.quit()


def drags(grid: int, moves: int, with_layer: bool) -> float | None:
    command = [sys.executable, str(HERE), "--drag", str(grid), str(moves), str(int(with_layer))]
    if not os.environ.get("DISPLAY") and sys.platform == "linux":
        if shutil.which("xvfb-run") is None:
            print("no display and no xvfb-run: the drag is left out")
            return None
        command = ["xvfb-run", "-a", *command]
    environment = {k: v for k, v in os.environ.items() if k != "QT_QPA_PLATFORM"}
    answer = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, timeout=400
    )
    if answer.returncode:
        raise SystemExit(f"the drag failed:\n{answer.stderr[-3000:]}")
    found = json.loads(answer.stdout.splitlines()[-1])
    onto = "a Points layer" if with_layer else "no layer"
    print(f"drag of {moves} moves at {SPOTS:,} spots, {onto}, {grid} positions ahead:")
    for key, value in found.items():
        number = isinstance(value, float)
        print(f"    {key:41} {value * 1000:8.1f} ms" if number else f"    {key:41} {value}")
    cpu: float = found["cpu_per_move"]
    return cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--drag", type=int, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drag is not None:
        drag(*options.drag)
        return
    repeats = 3 if options.quick else 10
    starts(repeats)
    workers = make_workers(WARM)
    trips(workers, 50 if options.quick else 300)
    progress(workers, 1.0 if options.quick else 3.0)
    arrays(workers, repeats)
    slowest = cancels(workers, 6 if options.quick else 20)
    workers.close()
    orphans(1 if options.quick else 4)
    moves = 30 if options.quick else 100
    grids = (20,) if options.quick else (0, 20, 100)
    for grid in grids:
        drags(grid, moves, False)
    worst = [c for grid in grids if (c := drags(grid, moves, True)) is not None]
    ratio("cancel_click_to_next_run", slowest * 1000, "ms", 200)
    if worst:
        ratio("main_thread_cpu_per_move_50k", max(worst) * 1000, "ms", 35)


if __name__ == "__main__":
    main()
