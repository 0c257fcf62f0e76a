"""The one thread that owns a window's worker processes.

Everything that concerns processes happens here: start, messages, death, deadlines. Others post
what they want and return at once. The thread lasts as long as the workers do, which is what the
kernel's end-with-parent signal asks for (`survival`), and the window's thread never waits.
"""

from __future__ import annotations

import logging
import queue
import selectors
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError
from napari_stml.runs.failures import (
    WorkerDiedError,
    cause_of_death,
    died,
    never_started,
    too_slow,
)
from napari_stml.runs.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_stml.runs.channel import Message
    from napari_stml.runs.execution import Execution
    from napari_stml.runs.live import LiveSession
    from napari_stml.runs.settings import WorkerSettings

_log = logging.getLogger(__name__)
MOST_FAILED_STARTS = 3
_POLL_STARTING_S = 0.05


class Steward(threading.Thread):
    """Two processes, *runner* and *spare*; the spare serves Live and takes a Run when it must."""

    def __init__(self, settings: WorkerSettings, scratch: Path, log: Path) -> None:
        super().__init__(name="stml-steward", daemon=True)
        self.runner: WorkerProcess | None = None
        self.spare: WorkerProcess | None = None
        self.retiring: dict[WorkerProcess, tuple[float, bool]] = {}
        self.current: Execution | None = None
        self.runs: deque[Execution] = deque()
        self.sessions: dict[int, LiveSession] = {}
        self._settings, self._scratch, self._log_file = settings, scratch, log
        self._write_off_at: float | None = None
        self._failed_starts = 0
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)
        self._ring.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ, None)
        self._closing = False

    # from any thread

    def post(self, command: Callable[[], None]) -> None:
        """Have the steward do something; nothing happens after it has closed."""
        self._commands.put(command)
        try:
            self._ring.send(b"!")
        except BlockingIOError:
            return  # the bell rings already
        except OSError:
            _log.info("asked for something after the workers were closed")

    def close(self) -> None:
        """End all processes and wait for it."""
        self.post(self._begin_closing)
        self.join()

    # commands, on the steward's thread

    def submit(self, run: Execution) -> None:
        self.runs.append(run)

    def cancel(self, run: Execution) -> None:
        """Soft first; what does not stop in time is written off by `_keep_deadlines`."""
        if run.outcome is not None or run.cancel_asked:
            return
        run.cancel_asked = True
        if run is self.current and self.runner is not None:
            self.runner.send({"do": "cancel", "id": run.number})
            self._write_off_at = time.monotonic() + self._settings.write_off_s
        else:
            self.runs.remove(run)
            run.end("cancelled")

    def open_live(self, session: LiveSession) -> None:
        self.sessions[session.number] = session
        self._tell_spare(session.opening())

    def follow(self, session: LiveSession) -> None:
        """Send on what the session has to say."""
        if session.number not in self.sessions or session.failed:
            return
        if session.lost:
            self._tell_spare(session.opening())
        if self.spare is not None and self.spare.channel is not None:
            for message in session.messages():
                self.spare.send(message)

    def close_live(self, session: LiveSession) -> None:
        if self.sessions.pop(session.number, None) is not None:
            self._tell_spare({"do": "live-close", "session": session.number})
            session.free()

    def _tell_spare(self, message: Message) -> None:
        """A spare that has not connected yet is told when it has (`_connected`)."""
        if self.spare is not None and self.spare.channel is not None:
            self.spare.send(message)

    # the loop

    def run(self) -> None:
        while not self._closing:
            self._do(self._dispatch)
            self._do(self._fill)
            for key, _ in self._selector.select(self._patience()):
                if key.data is None:
                    self._answer_bell()
                elif self._is_watched(key):
                    self._do(self._attend, key.data)
            self._do(self._keep_deadlines)
        self._end_all()

    def _is_watched(self, key: selectors.SelectorKey) -> bool:
        """False when the worker was buried, perhaps replaced, by an event of the same moment."""
        now = self._selector.get_map().get(key.fd)
        return now is not None and now.data is key.data

    def _do(self, step: Callable[..., None], *args: object) -> None:
        """One step; a callback of the window that fails must not end the steward."""
        try:
            step(*args)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("a callback of a Run or a live session failed")

    def _answer_bell(self) -> None:
        self._bell.recv(4096)
        while not self._commands.empty():
            self._do(self._commands.get())

    def _patience(self) -> float | None:
        deadlines = [when for when, _ in self.retiring.values()]
        if self._write_off_at is not None:
            deadlines.append(self._write_off_at)
        if any(w is not None and w.state == "starting" for w in (self.runner, self.spare)):
            deadlines.append(time.monotonic() + _POLL_STARTING_S)
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _fill(self) -> None:
        """Keep two processes, unless they cannot be started."""
        if self._failed_starts >= MOST_FAILED_STARTS:
            return
        if self.runner is None:
            self.runner = self._start()
        if self.spare is None:
            self.spare = self._start()

    def _start(self) -> WorkerProcess | None:
        try:
            worker = WorkerProcess(self._settings, self._scratch, self._log_file)
        except (OSError, StmlError) as error:
            self._start_failed(str(error))
            return None
        self._selector.register(worker.fileno(), selectors.EVENT_READ, worker)
        return worker

    def _start_failed(self, why: str) -> None:
        self._failed_starts += 1
        _log.error("a worker could not be started: %s", why)
        if self._failed_starts < MOST_FAILED_STARTS:
            return
        error = WorkerDiedError(
            f"The worker process cannot be started: {why}",
            where=self._log_file,
            do="look at this log, then start napari again",
        )
        while self.runs:
            self.runs.popleft().end("failed", error=error)
        for session in self.sessions.values():
            session.complain(error)

    def _dispatch(self) -> None:
        """Give the next Run to the runner, or to the spare when that is ready first."""
        if self.current is not None or not self.runs:
            return
        if self._failed_starts >= MOST_FAILED_STARTS:
            self._failed_starts = MOST_FAILED_STARTS - 1  # one more try for whoever asks
            return self._fill()
        if self.runs[0].gpu and any(gpu for _, gpu in self.retiring.values()):
            return
        if not _ready(self.runner) and _ready(self.spare) and not self._live_is_underway():
            self._swap()
        if not _ready(self.runner):
            return
        assert self.runner is not None
        self.current = self.runs.popleft()
        self.current.begin()
        self.runner.send(self.current.message())

    def _live_is_underway(self) -> bool:
        return any(not s.settled for s in self.sessions.values())

    def _swap(self) -> None:
        assert self.spare is not None
        for number in self.sessions:
            self.spare.send({"do": "live-close", "session": number})
        self.runner, self.spare = self.spare, self.runner
        self._reopen_sessions()

    def _reopen_sessions(self) -> None:
        for session in self.sessions.values():
            if not (session.lost or session.failed):
                self._tell_spare(session.opening())
                self.follow(session)

    # what workers do

    def _attend(self, worker: WorkerProcess) -> None:
        if worker.channel is None:
            number = worker.fileno()
            if worker.admit():
                self._selector.unregister(number)
                self._selector.register(worker.fileno(), selectors.EVENT_READ, worker)
                if worker is self.spare:
                    self._reopen_sessions()
            return
        try:
            message = worker.channel.receive()
        except (EOFError, OSError):
            self._bury(worker)
        else:
            self._heard(worker, message)

    def _heard(self, worker: WorkerProcess, message: Message) -> None:
        says = message["says"]
        if says == "ready":
            worker.state = "ready"
            self._failed_starts = 0
        elif says.startswith("live-"):
            self._heard_live(worker, message)
        elif worker in self.retiring:
            if says in ("done", "failed", "cancelled"):
                worker.send({"do": "stop"})
        elif self.current is not None and message.get("id") == self.current.number:
            if says == "progress":
                self.current.progress(message)
            else:
                run, self.current, self._write_off_at = self.current, None, None
                run.answered(message)

    def _heard_live(self, worker: WorkerProcess, message: Message) -> None:
        session = self.sessions.get(message["session"])
        if session is None or worker is not self.spare:
            return
        says = message["says"]
        if says == "live-opened":
            session.opened.set()
        elif says == "live-answer":
            replies, answer = session.answered(message)
            for reply in replies:
                worker.send(reply)
            self.follow(session)
            if answer is not None:
                session.show(answer)
        else:
            session.unanswered(message)

    def _bury(self, worker: WorkerProcess, late: bool = False) -> None:
        """A worker is gone: free what it held, tell whom it concerns.

        One that was late was killed by us, which its exit code does not say.
        """
        self._selector.unregister(worker.fileno())
        was_starting = worker.state == "starting"
        code = worker.reap()
        cause = too_slow(self._settings.start_s) if late else cause_of_death(code)
        _log.info("the worker %d ended: %s", worker.pid, cause)

        def error(title: str) -> WorkerDiedError:
            if late:
                return never_started(self._settings.start_s, title, str(self._log_file))
            return died(code, title, str(self._log_file))

        if worker in self.retiring:
            del self.retiring[worker]
            return
        if was_starting:
            self._start_failed(cause)
        if worker is self.runner:
            self.runner = None
            run, self.current, self._write_off_at = self.current, None, None
            if run is not None and run.cancel_asked:
                run.end("cancelled")
            elif run is not None:
                run.end("failed", error=error(run.title))
        elif worker is self.spare:
            self.spare = None
            for session in list(self.sessions.values()):
                session.crashed(error)

    def _keep_deadlines(self) -> None:
        now = time.monotonic()
        if self._write_off_at is not None and now >= self._write_off_at:
            self._write_off()
        for old, (deadline, gpu) in list(self.retiring.items()):
            if now >= deadline:
                old.kill()
                self.retiring[old] = (now + 1.0, gpu)
        for worker in (self.runner, self.spare):
            if worker is not None and worker.state == "starting":
                late = worker.alive and now - worker.started > self._settings.start_s
                if late:
                    worker.kill()
                if not worker.alive or late:
                    self._bury(worker, late)

    def _write_off(self) -> None:
        """The cancelled Run is over for the user; its worker has a while to close its files."""
        assert self.runner is not None
        assert self.current is not None
        run, self.current, self._write_off_at = self.current, None, None
        deadline = time.monotonic() + self._settings.closing_s
        self.retiring[self.runner] = (deadline, run.gpu)
        self.runner = None
        run.end("cancelled")

    def _begin_closing(self) -> None:
        self._closing = True

    def _end_all(self) -> None:
        workers = [w for w in (self.runner, self.spare, *self.retiring) if w is not None]
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.reap()
        while not self._commands.empty():
            self._do(self._commands.get())  # what was asked while closing ends as the rest does
        for run in (self.current, *self.runs):
            if run is not None:
                run.end("cancelled", quiet=True)
        for session in self.sessions.values():
            session.free()
        self._selector.close()
        self._bell.close()
        self._ring.close()


def _ready(worker: WorkerProcess | None) -> bool:
    return worker is not None and worker.state == "ready"
