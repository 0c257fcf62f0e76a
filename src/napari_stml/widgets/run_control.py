"""Carries wishes to the workers and results back to the main thread, in Qt's words."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_stml.core.errors import StmlError
from napari_stml.runs.desk import plan, submit
from napari_stml.runs.settings import WorkerSettings
from napari_stml.runs.workers import Workers
from napari_stml.widgets.preferences import preferences

if TYPE_CHECKING:
    from concurrent.futures import Future

    from napari_stml.io.section import Section
    from napari_stml.runs.desk import PlannedRun, Wish
    from napari_stml.runs.execution import Outcome

log = logging.getLogger(__name__)

PRELOAD = ("numpy", "pandas", "anndata", "scanpy")
"""Imported by idle workers, so that the first Run starts at once."""


class RunControl(QObject):
    """One per window. Signals arrive on the main thread, whatever thread they came from."""

    queued = Signal(object)
    progressed = Signal(object, object)
    published = Signal(object, object)
    failed = Signal(object, str)
    cancelled = Signal(object)
    _ended = Signal(object, object)
    _stored = Signal(object, object)

    def __init__(self, settings: WorkerSettings | None = None) -> None:
        super().__init__()
        self._settings = settings or WorkerSettings(preload=PRELOAD, threads=preferences().threads)
        self._workers: Workers | None = None
        self.active: list[PlannedRun] = []
        self._dropped: list[PlannedRun] = []
        self._ended.connect(self._take)
        self._stored.connect(self._tell)

    @property
    def workers(self) -> Workers:
        """Started with the first wish."""
        if self._workers is None:
            self._workers = Workers(self._settings)
        return self._workers

    def run(self, wish: Wish) -> PlannedRun:
        """Queue a wish; raises `StmlError` when it cannot be kept anywhere."""
        planned = plan(wish)
        self.active.append(planned)
        self.queued.emit(planned)
        submit(
            planned,
            self.workers,
            on_progress=lambda progress: self.progressed.emit(planned, progress),
            on_end=self._ended.emit,
        )
        return planned

    def cancel(self, planned: PlannedRun) -> None:
        if planned.execution is not None:
            planned.execution.cancel()

    def on(self, section: Section) -> list[PlannedRun]:
        """What is computed on a section, or waits for it; also before it was aligned anew."""
        return [
            planned for planned in self.active
            if any((s.path, s.name) == (section.path, section.name) for s in planned.wish.sections)
        ]  # fmt: skip

    def drop(self, section: Section) -> None:
        """Cancel what is computed on a section that goes away."""
        for planned in self.on(section):
            self._dropped.append(planned)
            self.cancel(planned)

    def close(self) -> None:
        """End all processes; nothing that was published is touched."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None
        for planned in self.active:
            planned.discard()
        self.active.clear()

    def _take(self, planned: PlannedRun, outcome: Outcome) -> None:
        dropped = planned in self._dropped
        if outcome.state == "done" and not dropped:
            store = planned.wish.sections[0].kept.store
            future = store.later(planned.publish, outcome.reference)
            future.add_done_callback(lambda done: self._stored.emit(planned, done))
            return
        self.active.remove(planned)
        if dropped:
            self._dropped.remove(planned)
            planned.discard()
        if dropped or outcome.state == "cancelled":
            self.cancelled.emit(planned)
        else:
            self.failed.emit(planned, str(outcome.error or "The Run failed"))

    def _tell(self, planned: PlannedRun, done: Future[Any]) -> None:
        self.active.remove(planned)
        error = done.exception()
        if error is None:
            self.published.emit(planned, done.result())
            return
        log.error("%s was not stored", planned.spec.run_id, exc_info=error)
        words = (
            str(error) if isinstance(error, StmlError) else f"Its results are not saved: {error}"
        )
        self.failed.emit(planned, words)
