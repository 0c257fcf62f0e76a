"""The job contract: what a worker executes, wherever it runs.

A job is a function of a module, ``job(spec, report) -> reference``. The spec is plain JSON (paths,
parameters, seed), ``report`` takes progress and is where a cancel takes effect, the reference
(plain JSON again) names what was written. It knows neither the window nor a cluster.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from napari_stml.core.errors import StmlError
from napari_stml.core.progress import Progress

Spec = Mapping[str, Any]
Reference = Any
OnProgress = Callable[[Progress], None]


class CancelledError(BaseException):
    """The user cancelled; raised by ``report`` so that the job's ``finally`` blocks run.

    Not an `Exception`: an analysis that retries on errors must not retry on this.
    """


class Report(Protocol):
    """Where a job says how far it is."""

    @property
    def cancelled(self) -> bool:
        """True after a cancel, for jobs that want to look without reporting."""
        ...

    def __call__(self, progress: Progress) -> None:
        """Say how far the job is; raises `CancelledError` after a cancel."""
        ...


Job = Callable[[Spec, Report], Reference]


def resolve(name: str) -> Any:
    """Import the function behind ``package.module:function``."""
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise StmlError(
            f"This step cannot be loaded: {error}",
            where=name,
            do="install what it needs (pip install 'napari-stml[all]') and start again",
        ) from error


class InLineReport:
    """Progress of a job that runs in the caller's own thread (tests, command line)."""

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self.cancelled = False
        self._on_progress = on_progress

    def cancel(self) -> None:
        self.cancelled = True

    def __call__(self, progress: Progress) -> None:
        if self.cancelled:
            raise CancelledError
        if self._on_progress is not None:
            self._on_progress(progress)


def run_in_line(job: str, spec: Spec, on_progress: OnProgress | None = None) -> Reference:
    """Execute a job here and now; the window never does."""
    return resolve(job)(spec, InLineReport(on_progress))
