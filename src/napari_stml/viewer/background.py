"""Reading off the main thread; answers come back on it, stale ones are dropped."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

log = logging.getLogger(__name__)


class Background(QObject):
    """Jobs of one viewer. Of each kind only the latest one's answer counts.

    Made on the main thread and living there: Qt carries the answers over. ``said`` may be emitted
    from any thread and arrives on the main one.
    """

    said = Signal(str)
    _answered = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="stml-view")
        self._latest: dict[str, int] = {}
        self._running = 0
        self._jobs: set[Future[None]] = set()
        self._after = ThreadPoolExecutor(1, thread_name_prefix="stml-close")
        self._ends: set[Future[None]] = set()
        self._answered.connect(self._deliver)

    @property
    def busy(self) -> bool:
        return self._running > 0

    def run(
        self, kind: str, job: Callable[[], Any], done: Callable[[Any], None],
        failed: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Do ``job`` in a thread, then ``done`` or ``failed`` on the main thread."""
        number = self._latest[kind] = self._latest.get(kind, 0) + 1
        self._running += 1

        def work() -> None:
            answer, error = None, ""
            if self._latest.get(kind) == number:
                try:
                    answer = job()
                except StmlError as problem:
                    log.info("not done: %s", kind, exc_info=True)
                    error = str(problem)
                except Exception as problem:
                    log.exception("not done: %s", kind)
                    error = f"This could not be read: {problem}. See the log for the details."
            try:
                self._answered.emit((kind, number, answer, error, done, failed))
            except RuntimeError:
                log.debug("an answer came after the window was closed")

        self._jobs = {job for job in self._jobs if not job.done()}
        self._jobs.add(self._threads.submit(work))

    def forget(self, kind: str) -> None:
        """Drop the answer under way."""
        self._latest[kind] = self._latest.get(kind, 0) + 1

    def when_quiet(self, act: Callable[[], None], reading: Iterable[Future[Any]] = ()) -> None:
        """Do something aside once all jobs of now, and what else reads, have ended."""
        before = {*self._jobs, *reading}

        def work() -> None:
            wait(before)
            try:
                act()
            except Exception:
                log.exception("not done when all was quiet")

        self._ends = {end for end in self._ends if not end.done()}
        self._ends.add(self._after.submit(work))

    def close(self, seconds: float = 0.0) -> bool:
        """Drop all answers; jobs that have not begun are not begun.

        Waits that long for the running ones; whether nothing reads any more.
        """
        for kind in self._latest:
            self.forget(kind)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._after.shutdown(wait=False)
        return not wait({*self._jobs, *self._ends}, timeout=seconds).not_done

    def _deliver(self, answer: Any) -> None:
        kind, number, value, error, done, failed = answer
        self._running -= 1
        if self._latest.get(kind) != number:
            return
        if error:
            failed(error)
        else:
            done(value)
