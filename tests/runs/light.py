"""Jobs that import nothing, for tests that start many workers."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from napari_stml.core.progress import Progress

if TYPE_CHECKING:
    from napari_stml.runs.job import Report, Spec


def pid(spec: Spec, report: Report) -> Any:
    return os.getpid()


def polite(spec: Spec, report: Report) -> Any:
    while not report.cancelled:
        time.sleep(0.001)


def deaf(spec: Spec, report: Report) -> Any:
    """Hold the interpreter lock in native code for ten minutes."""
    report(Progress(0, 0))
    ctypes.PyDLL(None).sleep(600)


def with_child(spec: Spec, report: Report) -> Any:
    """Start a process of its own, as a data loader does, and crash."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    report(Progress(child.pid, 0))
    ctypes.string_at(0)
