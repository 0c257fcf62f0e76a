"""The worker process: ``python -m napari_stml.runs.worker``, started by the window only.

The first line of its standard input says where to connect and with which key. Two threads: the
main one computes, the other one reads messages, so that a cancel or a newer slider position is
known while something runs.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import logging
import os
import socket
import sys
import threading
import time
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.runs import survival
from napari_stml.runs.channel import Channel, Message
from napari_stml.runs.failures import as_data
from napari_stml.runs.job import CancelledError, resolve
from napari_stml.runs.live_desk import LiveDesk
from napari_stml.runs.reporting import ThrottledReport

if TYPE_CHECKING:
    from napari_stml.core.progress import Progress

_log = logging.getLogger("napari_stml.worker")


class Worker:
    """What the process does between its first and its last message."""

    def __init__(self, channel: Channel, scratch: Path, log: str) -> None:
        self._channel = channel
        self._log_file = log
        self._changed = threading.Condition()
        self._jobs: deque[Message] = deque()
        self._live = LiveDesk(channel.send, scratch, log)
        self._running: tuple[int, ThrottledReport] | None = None
        self._cancelled: set[int] = set()
        self._stopping = False

    def listen(self) -> None:
        """Take messages until the window is gone, then end the process."""
        try:
            while True:
                self._take(self._channel.receive())
        except (EOFError, OSError):
            survival.end_myself()

    def _take(self, message: Message) -> None:
        what = message["do"]
        if what == "ping":
            self._channel.send({"says": "pong", "id": message["id"]})
            return
        with self._changed:
            if what == "run":
                self._jobs.append(message)
            elif what == "cancel":
                self._cancelled.add(message["id"])
                if self._running is not None and self._running[0] == message["id"]:
                    self._running[1].cancel()
            elif what == "stop":
                self._stopping = True
            else:
                self._live.take(message)
            self._changed.notify()

    def work(self) -> None:
        """Compute until told to stop: Runs first, then live updates, then the live grid."""
        while True:
            with self._changed:
                while not (self._stopping or self._jobs or self._live.busy):
                    self._changed.wait()
                if self._stopping:
                    return
                job = self._jobs.popleft() if self._jobs else None
            if job is None:
                self._live.work()
            else:
                self._run(job)

    def _run(self, message: Message) -> None:
        run, name = message["id"], message["job"]

        def send(progress: Progress) -> None:
            self._channel.send(
                {
                    "says": "progress",
                    "id": run,
                    "done": progress.done,
                    "total": progress.total,
                    "text": progress.text,
                    "curves": progress.curves,
                }
            )

        report = ThrottledReport(send)
        with self._changed:
            self._running = (run, report)
            if run in self._cancelled:
                report.cancel()
        answer: Message
        try:
            if report.cancelled:
                raise CancelledError
            reference = resolve(name)(message["spec"], report)
            json.dumps(reference)
            answer = {"says": "done", "reference": reference}
        except CancelledError:
            answer = {"says": "cancelled"}
        except BaseException as error:  # noqa: BLE001 - SystemExit must not end a warm worker
            _log.exception("the job %s failed", name)
            answer = {"says": "failed", "error": as_data(error, message["title"], self._log_file)}
        report.close()
        with self._changed:
            self._running = None
            self._cancelled.discard(run)
        self._channel.send({**answer, "id": run})


def preload(modules: list[str]) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:  # noqa: BLE001 - the job that needs it will say so
            _log.exception("%s could not be imported ahead", module)


def main() -> None:
    began = time.perf_counter()
    hello: dict[str, Any] = json.loads(sys.stdin.readline())
    survival.die_with(hello["parent"], hello["guard"])
    faulthandler.enable()
    logging.basicConfig(
        level=logging.INFO,
        format=f"%(asctime)s [{os.getpid()}] %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    peer = socket.create_connection(("127.0.0.1", hello["port"]))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(bytes.fromhex(hello["key"]))
    scratch = Path(hello["scratch"])
    channel = Channel(Connection(peer.detach()), scratch)
    worker = Worker(channel, scratch, hello["log"])
    threading.Thread(target=worker.listen, name="listen", daemon=True).start()
    preload(hello["preload"])
    channel.send({"says": "ready", "seconds": time.perf_counter() - began})
    worker.work()


if __name__ == "__main__":
    main()
