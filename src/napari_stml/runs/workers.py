"""What the window holds: Runs one at a time, Live beside them, in processes that can be killed.

>>> workers = Workers(WorkerSettings(preload=("numpy",)))  # doctest: +SKIP
>>> run = workers.submit("package.module:job", {"zarr": path}, on_end=print)  # doctest: +SKIP
>>> run.cancel()  # doctest: +SKIP
"""

from __future__ import annotations

import itertools
import os
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError
from napari_stml.runs.execution import Execution, OnEnd, OnState
from napari_stml.runs.live import LiveSession
from napari_stml.runs.scratch import Scratch
from napari_stml.runs.settings import WorkerSettings, log_folder
from napari_stml.runs.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from napari_stml.core.params import LiveParams
    from napari_stml.runs.job import OnProgress, Spec
    from napari_stml.runs.live import OnAnswer, OnError

LOGS_KEPT = 10
LIVE_CACHE_BYTES = 64 * 2**20


class Workers:
    """The run worker, the live worker (its spare) and the queue of one window.

    Every method returns at once and may be called from any thread. The processes end with
    `close`, with this object, with the interpreter, and with the host process however it ends.
    """

    def __init__(self, settings: WorkerSettings | None = None) -> None:
        self.log = _log_file()
        self.scratch = Scratch()
        self._numbers = itertools.count(1)
        self._steward = Steward(settings or WorkerSettings(), self.scratch.folder, self.log)
        self._steward.start()
        self._close = weakref.finalize(self, _close, self._steward, self.scratch, os.getpid())

    def submit(
        self,
        job: str,
        spec: Spec,
        *,
        title: str = "",
        gpu: bool = False,
        on_progress: OnProgress | None = None,
        on_state: OnState | None = None,
        on_end: OnEnd | None = None,
    ) -> Execution:
        """Queue a Run.

        Parameters
        ----------
        job
            ``package.module:function``, see `napari_stml.runs.job`.
        spec
            Plain JSON; arrays as paths, unsaved ones through ``scratch.hand_over``.
        title
            Names the Run in messages.
        gpu
            The Run waits until a cancelled one that holds the GPU is dead.
        """
        steward = self._open_steward()
        run = Execution(
            next(self._numbers),
            job,
            spec,
            title=title or job,
            gpu=gpu,
            on_progress=on_progress,
            on_state=on_state,
            on_end=on_end,
            cancel=lambda run: steward.post(partial(steward.cancel, run)),
        )
        steward.post(partial(steward.submit, run))
        return run

    def open_live(
        self,
        opener: str,
        spec: Mapping[str, Any],
        kind: type[LiveParams],
        *,
        on_answer: OnAnswer,
        on_error: OnError | None = None,
        title: str = "",
        cache_bytes: int = LIVE_CACHE_BYTES,
    ) -> LiveSession:
        """Open a live update in the live worker.

        Parameters
        ----------
        opener
            ``package.module:function``, which gets ``spec`` and gives an
            `napari_stml.runs.live_desk.OpenedLive`.
        kind
            The class of the positions.
        """
        steward = self._open_steward()
        session = LiveSession(
            next(self._numbers),
            opener,
            spec,
            kind,
            title=title or opener,
            on_answer=on_answer,
            on_error=on_error,
            cache_bytes=cache_bytes,
            post=lambda session: steward.post(partial(steward.follow, session)),
            close=lambda session: steward.post(partial(steward.close_live, session)),
            scratch=self.scratch.folder,
        )
        steward.post(partial(steward.open_live, session))
        return session

    def _open_steward(self) -> Steward:
        if not self._close.alive:
            raise StmlError("The workers were closed", do="open the window again")
        return self._steward

    def close(self) -> None:
        """End every process, what runs included. No callback comes afterwards."""
        self._close()


def _close(steward: Steward, scratch: Scratch, owner: int) -> None:
    if os.getpid() != owner:
        return  # a fork of the window ends: the workers are not its own
    steward.close()
    scratch.close()


def _log_file() -> Path:
    """One log per window; the oldest are removed."""
    folder = log_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("worker-*.log"))[: -LOGS_KEPT + 1]:
        old.unlink(missing_ok=True)
    return folder / f"worker-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
