"""A worker that dies is a message; a window that dies takes its workers along."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from watching import Heard, children, group, lives, until

import napari_stml
from napari_stml.core.errors import StmlError
from napari_stml.core.params import LiveParams
from napari_stml.runs.failures import WorkerDiedError, cause_of_death

if TYPE_CHECKING:
    from conftest import Start
    from napari_stml.core.progress import Progress
    from napari_stml.runs.survival import Guard
    from napari_stml.runs.workers import Workers

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("toy:exits", "ended by itself with code 3"),
        ("toy:segfaults", "segmentation fault"),
        ("toy:killed", "memory ran out"),
    ],
)
def test_a_crash_is_a_message_and_the_queue_goes_on(workers: Workers, job: str, words: str) -> None:
    crashing = workers.submit(job, {}, title="Niches")
    waiting = workers.submit("toy:echo", {"a": 1})
    outcome = crashing.wait(10)
    assert outcome is not None
    assert outcome.state == "failed"
    assert isinstance(outcome.error, WorkerDiedError)
    assert words in str(outcome.error)
    assert "Niches" in str(outcome.error)
    after = waiting.wait(10)
    assert after is not None
    assert after.reference == {"a": 1}


def test_what_a_crashed_job_had_started_ends_with_it(workers: Workers) -> None:
    heard: Heard[Progress] = Heard()
    run = workers.submit("light:with_child", {}, on_progress=heard)
    assert heard.wait(lambda items: len(items) > 0)
    assert run.wait(10) is not None
    assert until(lambda: not lives(heard.items[0].done))


def test_the_log_has_the_place_of_a_segfault(workers: Workers) -> None:
    assert workers.submit("toy:segfaults", {}).wait(10) is not None
    assert until(lambda: "in segfaults" in workers.log.read_text(encoding="utf-8"))


def test_no_zombies(start: Start) -> None:
    workers = start()
    steward = workers._steward
    first = workers.submit("light:pid", {}).wait(10)
    assert workers.submit("toy:exits", {}).wait(10) is not None
    assert until(lambda: steward.runner is not None and steward.spare is not None)
    pair = [w.pid for w in (steward.runner, steward.spare) if w is not None]
    workers.close()
    assert first is not None
    assert not {first.reference, *pair} & set(children(os.getpid()))
    with pytest.raises(StmlError, match="closed"):
        workers.submit("toy:echo", {})
    workers.close()


def test_close_ends_a_run_at_once_and_says_nothing(start: Start) -> None:
    workers = start()
    states: Heard[str] = Heard()
    heard: Heard[Progress] = Heard()
    run = workers.submit("light:deaf", {}, on_state=states, on_progress=heard)
    assert heard.wait(lambda items: len(items) > 0)
    began = time.monotonic()
    workers.close()
    assert time.monotonic() - began < 1.0
    assert run.state == "cancelled"
    assert states.items == ["running"]
    assert not workers.scratch.folder.exists()


def test_workers_that_cannot_start_are_an_error_not_a_loop(start: Start, tmp_path: Path) -> None:
    (tmp_path / "suicidal.py").write_text("import os; os._exit(7)", encoding="utf-8")
    workers = start(path=(str(tmp_path),), preload=("suicidal",))
    outcome = workers.submit("toy:echo", {}).wait(20)
    assert outcome is not None
    with pytest.raises(WorkerDiedError, match="cannot be started: it ended by itself with code 7"):
        raise outcome.error or AssertionError


def test_a_worker_that_is_slow_to_start_did_not_run_out_of_memory(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "endless.py").write_text("import signal; signal.pause()", encoding="utf-8")
    workers = start(path=(str(tmp_path),), preload=("endless",), start_s=0.3)
    outcome = workers.submit("toy:echo", {}).wait(20)
    assert outcome is not None
    assert isinstance(outcome.error, WorkerDiedError)
    assert "it had not started within 0.3 s" in str(outcome.error)
    assert "memory" not in str(outcome.error)


def test_a_live_session_hears_that_its_worker_was_slow_to_start(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "endless.py").write_text("import signal; signal.pause()", encoding="utf-8")
    workers = start(path=(str(tmp_path),), preload=("endless",), start_s=0.3)
    errors: Heard[StmlError] = Heard()
    workers.open_live("toy:wave", {}, LiveParams, on_answer=lambda answer: None, on_error=errors)
    assert errors.wait(lambda items: len(items) > 0)
    assert "had not started within 0.3 s" in str(errors.items[0])
    assert "memory" not in str(errors.items[0])


def test_a_missing_preload_is_only_logged(start: Start) -> None:
    workers = start(preload=("no_such_module", "light"))
    outcome = workers.submit("toy:echo", {"a": 1}).wait(10)
    assert outcome is not None
    assert outcome.state == "done"


def test_a_stranger_is_turned_away(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who finds the port and does not know the key gets nothing, and stops nothing."""
    from napari_stml.runs import process

    launch = process._launch
    ports: list[int] = []

    def launch_after_a_stranger(*args: object) -> object:
        listening = [
            int(f.split()[1].split(":")[1], 16) for f in _sockets() if f.split()[3] == "0A"
        ]
        for port in listening:
            try:
                stranger = socket.create_connection(("127.0.0.1", port), timeout=0.1)
            except OSError:
                continue
            stranger.sendall(b"x" * 32)
            ports.append(port)
            strangers.append(stranger)
        return launch(*args)  # type: ignore[arg-type]

    strangers: list[socket.socket] = []
    monkeypatch.setattr(process, "_launch", launch_after_a_stranger)
    outcome = start().submit("toy:echo", {"a": 1}).wait(10)
    for stranger in strangers:
        stranger.close()
    assert outcome is not None
    assert outcome.reference == {"a": 1}
    assert ports


def _sockets() -> list[str]:
    """Listening sockets of this process, as the kernel lists them."""
    own = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            own.add(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue
    lines = Path("/proc/net/tcp").read_text(encoding="utf-8").splitlines()[1:]
    return [line for line in lines if f"socket:[{line.split()[9]}]" in own]


HOST = """
import sys, threading
sys.path[:0] = [{source!r}, {here!r}]
from napari_stml.runs.settings import WorkerSettings
from napari_stml.runs.workers import Workers
from watching import until

def build():
    global workers
    workers = Workers(WorkerSettings(path=({here!r},), guard={guard!r}))

maker = threading.Thread(target=build)
maker.start()
maker.join()  # the thread that made them has ended: its workers have not

busy = threading.Event()
run = workers.submit("light:deaf", {{}}, on_progress=lambda _: busy.set())
assert busy.wait(20)
steward = workers._steward
assert until(lambda: steward.spare is not None and steward.spare.state == "ready")
print(steward.runner.pid, steward.spare.pid, flush=True)
{end}
"""
ENDS = {
    "killed": "threading.Event().wait()",
    "exit": "",
    "error": "raise SystemExit('an error of the user')",
    "collected": "del run, steward, workers\nprint('gone', flush=True)\nthreading.Event().wait()",
}


@pytest.mark.parametrize(
    ("end", "guard"),
    [
        ("killed", "kernel"),
        ("killed", "process"),
        ("exit", "kernel"),
        ("error", "process"),
        ("collected", "kernel"),
    ],
)
def test_workers_end_with_their_host(tmp_path: Path, end: str, guard: Guard) -> None:
    """An unguarded script in a folder with a difficult name, its worker deaf in native code."""
    folder = tmp_path / "Übung Nr. 1 – 切片"
    folder.mkdir()
    source = str(Path(napari_stml.__file__).parents[1])
    script = folder / "mein skript.py"
    text = HOST.format(source=source, here=str(HERE), guard=guard, end=ENDS[end])
    script.write_text(textwrap.dedent(text), encoding="utf-8")
    environment = {**os.environ, "STML_CACHE_HOME": str(folder / "cache"), "TMPDIR": str(folder)}
    host = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=environment,
        text=True,
    )
    assert host.stdout is not None
    with host, host.stdout:
        pids = [int(p) for p in host.stdout.readline().split()]
        assert len(pids) == 2
        if end == "killed":
            assert all(len(group(p)) == (2 if guard == "process" else 1) for p in pids)
            host.send_signal(signal.SIGKILL)
        assert until(lambda: not any(group(p) for p in pids))
        if end != "killed":
            assert until(lambda: not list(folder.glob("stml-worker-*")))
        host.kill()


def test_exit_codes_are_words() -> None:
    assert "segmentation fault" in cause_of_death(-signal.SIGSEGV)
    assert "memory" in cause_of_death(-9)
    assert "access violation" in cause_of_death(0xC0000005)
    assert "code 1" in cause_of_death(1)
    assert cause_of_death(-250) == "signal 250"
