"""How workers are started: what they import ahead, how many threads, how politely."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.runs.survival import Guard, default_guard

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Libraries read these once, when they are imported."""

WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that wait sleep. Spinning, they took seven times the work's own time from cores that the
window and other programs want too."""


def wait_asleep(environment: MutableMapping[str, str]) -> None:
    """Set `WAITING` unless the user has chosen otherwise; before OpenMP is loaded."""
    for variable, value in WAITING.items():
        environment.setdefault(variable, value)


def usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class WorkerSettings:
    """How the workers of one window are started.

    Attributes
    ----------
    preload
        Modules imported before the first job is there; one that is missing is only logged.
    path
        Further entries of the worker's module search path.
    threads
        Of the numeric libraries; None takes all cores but one, and what the user has already
        set in the environment.
    niceness
        Steps of lower priority (``STML_WORKER_NICE``).
    write_off_s
        How long a cancelled Run may take to stop before the next Run goes to the spare.
    closing_s
        How long after that it may take to close its files before it is killed.
    start_s
        How long a worker may take until it answers for the first time; long enough for a
        loaded laptop that reads its libraries from a cold disk.
    """

    preload: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    threads: int | None = None
    niceness: int = field(default_factory=lambda: int(os.environ.get("STML_WORKER_NICE", "10")))
    environment: Mapping[str, str] = field(default_factory=dict)
    guard: Guard = field(default_factory=default_guard)
    write_off_s: float = 0.12
    closing_s: float = 2.0
    start_s: float = 180.0


def log_folder() -> Path:
    """Where workers write what they print: ``STML_CACHE_HOME`` or the user's log folder."""
    home = os.environ.get("STML_CACHE_HOME")
    if home:
        return Path(home) / "logs"
    import platformdirs

    return Path(platformdirs.user_log_dir("napari-stml", appauthor=False))
