"""What tests of processes look at, waited for with a limit and never slept for."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Heard(Generic[T]):
    """A callback that keeps what it was called with."""

    def __init__(self) -> None:
        self.items: list[T] = []
        self._news = threading.Condition()

    def __call__(self, item: T) -> None:
        with self._news:
            self.items.append(item)
            self._news.notify_all()

    def wait(self, wanted: Callable[[list[T]], bool], timeout_s: float = 10.0) -> bool:
        with self._news:
            return self._news.wait_for(lambda: wanted(self.items), timeout_s)


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Wait for something of another process that nobody announces."""
    ends = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        if time.monotonic() > ends:
            return False
        pause.wait(0.005)
    return True


def _status(pid: int | str) -> list[str]:
    """State, parent and group of a process, as the kernel says it; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rsplit(")", 1)[1].split()[:3]


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    status = _status(pid)
    return bool(status) and status[0] != "Z"


def children(pid: int) -> list[int]:
    """Children of a process, zombies among them."""
    found = [int(p) for p in os.listdir("/proc") if p.isdigit()]
    return [p for p in found if _status(p)[1:2] == [str(pid)]]


def group(leader: int) -> list[int]:
    """Living processes of a process group."""
    found = [int(p) for p in os.listdir("/proc") if p.isdigit()]
    return [p for p in found if _status(p)[2:] == [str(leader)] and lives(p)]


def holdings() -> tuple[int, int, int]:
    """Open files, threads and children of this process."""
    gc.collect()
    files = len(os.listdir("/proc/self/fd"))
    return files, threading.active_count(), len(children(os.getpid()))
