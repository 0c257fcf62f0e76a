"""Progress from a running job to the window: throttled at the source, newest wins."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from napari_stml.runs.job import CancelledError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.core.progress import Progress

INTERVAL_S = 0.05


class ThrottledReport:
    """At most one message per interval; the newest one always arrives.

    A message that came too early is held. The job's own next report sends it on; when there is
    none, a thread does (which a job that holds the interpreter lock can delay, but not lose).
    """

    def __init__(self, send: Callable[[Progress], None], interval_s: float = INTERVAL_S) -> None:
        self._send = send
        self._interval = interval_s
        self._cancelled = threading.Event()
        self._changed = threading.Condition()
        self._held: Progress | None = None
        self._next = 0.0
        self._over = False
        self._late = threading.Thread(target=self._send_late, name="progress", daemon=True)
        self._late.start()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        self._cancelled.set()

    def __call__(self, progress: Progress) -> None:
        if self._cancelled.is_set():
            raise CancelledError
        with self._changed:
            first_held = self._held is None
            self._held = progress
            if time.monotonic() >= self._next:
                self._flush()
            elif first_held:
                self._changed.notify()

    def close(self) -> None:
        """Send what is held and end the thread; nothing is sent afterwards."""
        with self._changed:
            self._flush()
            self._over = True
            self._changed.notify()
        self._late.join()

    def _flush(self) -> None:
        if self._held is not None:
            self._send(self._held)
            self._held = None
            self._next = time.monotonic() + self._interval

    def _send_late(self) -> None:
        with self._changed:
            while not self._over:
                wait = self._next - time.monotonic()
                if self._held is None:
                    self._changed.wait()
                elif wait > 0:
                    self._changed.wait(wait)
                else:
                    self._flush()
