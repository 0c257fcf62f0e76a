"""The window's hold on one worker process. All calls come from one thread, the steward's."""

from __future__ import annotations

import hmac
import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import napari_stml
from napari_stml.core.errors import StmlError
from napari_stml.runs.channel import Channel, Message
from napari_stml.runs.settings import (
    THREAD_VARIABLES,
    WorkerSettings,
    usable_cores,
    wait_asleep,
)
from napari_stml.runs.survival import end_group, make_nice

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)
KEY_BYTES = 32


class WorkerProcess:
    """A worker from its start to its last breath.

    It is *starting* until it has connected and imported its modules, then *ready*, and *dead*
    once its exit code is known. While it starts, the selector watches the listening socket,
    afterwards the connection (`fileno` is whichever it is).
    """

    def __init__(self, settings: WorkerSettings, scratch: Path, log: Path) -> None:
        self.state: Literal["starting", "ready", "dead"] = "starting"
        self.code: int | None = None
        self.channel: Channel | None = None
        self.started = time.monotonic()
        self._scratch = scratch
        self._key = secrets.token_bytes(KEY_BYTES)
        self._server: socket.socket | None = socket.create_server(("127.0.0.1", 0))
        try:
            self._process = _launch(settings, log)
        except (OSError, StmlError):
            self._server.close()
            raise
        self.pid = self._process.pid
        make_nice(self.pid, settings.niceness)
        self._introduce(settings, log)

    def _introduce(self, settings: WorkerSettings, log: Path) -> None:
        assert self._server is not None
        assert self._process.stdin is not None
        hello = {
            "port": self._server.getsockname()[1],
            "key": self._key.hex(),
            "parent": os.getpid(),
            "guard": settings.guard,
            "preload": list(settings.preload),
            "scratch": str(self._scratch),
            "log": str(log),
        }
        try:
            self._process.stdin.write(json.dumps(hello).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            _log.warning("the worker %d ended before it was told where to connect", self.pid)

    def fileno(self) -> int:
        if self.channel is not None:
            return self.channel.fileno()
        assert self._server is not None
        return self._server.fileno()

    def admit(self) -> bool:
        """Accept a connection; True when it knew the key, and is therefore our worker."""
        assert self._server is not None
        peer, _ = self._server.accept()
        peer.settimeout(1.0)
        given = b""
        try:
            while len(given) < KEY_BYTES and (more := peer.recv(KEY_BYTES - len(given))):
                given += more
        except OSError:
            given = b""
        if not hmac.compare_digest(given, self._key):
            peer.close()
            _log.warning("a stranger connected to the worker's port and was turned away")
            return False
        peer.settimeout(None)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.close()
        self._server = None
        self.channel = Channel(Connection(peer.detach()), self._scratch)
        return True

    def send(self, message: Message) -> None:
        """Send; to a worker that just died nothing happens, its end is noticed elsewhere."""
        if self.channel is None:
            raise RuntimeError("the worker has not connected yet")
        try:
            self.channel.send(message)
        except OSError as error:
            _log.info("the worker %d does not listen any more: %s", self.pid, error)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        if self.state != "dead" and self.alive:
            end_group(self.pid)

    def reap(self, patience_s: float = 0.5) -> int:
        """Wait for the end, by force after a while; returns the exit code, closes everything."""
        if self.code is None:
            try:
                self.code = self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                end_group(self.pid)
                self.code = self._process.wait()
            if sys.platform != "win32":
                end_group(self.pid)  # what it had started
            self.state = "dead"
            for end in (self.channel, self._server, self._process.stdin):
                if end is not None:
                    end.close()
        return self.code


def _launch(settings: WorkerSettings, log: Path) -> subprocess.Popen[bytes]:
    if getattr(sys, "frozen", False) or not sys.executable:
        raise StmlError(
            "This build of napari has no Python of its own to run analyses with",
            where=sys.executable or "frozen application",
            do="install napari-stml into a Python environment",
        )
    log.parent.mkdir(parents=True, exist_ok=True)
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW
    with open(log, "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "napari_stml.runs.worker"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(settings),
            process_group=None if sys.platform == "win32" else 0,
            creationflags=flags,
        )


def _environment(settings: WorkerSettings) -> Mapping[str, str]:
    """The window's environment with search path, thread counts and patience of the worker.

    The package's own folder is added only where it is not installed, lest site-packages come
    before the standard library.
    """
    env = dict(os.environ)
    threads = str(settings.threads or max(1, usable_cores() - 1))
    for variable in THREAD_VARIABLES:
        if settings.threads is not None or variable not in env:
            env[variable] = threads
    wait_asleep(env)
    home = Path(napari_stml.__file__).resolve().parents[1]
    installed = {Path(sysconfig.get_path(k)).resolve() for k in ("purelib", "platlib")}
    entries = [*settings.path, *(() if home in installed else (str(home),))]
    if env.get("PYTHONPATH"):
        entries.append(env["PYTHONPATH"])
    env.update(PYTHONPATH=os.pathsep.join(entries), PYTHONUTF8="1", PYTHONUNBUFFERED="1")
    env.update(settings.environment)
    return env
