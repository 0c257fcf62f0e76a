"""A real window for benchmarks: on a virtual display where there is none, drawing timed apart."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCREEN = "-screen 0 1600x1000x24 +extension GLX"


def on_a_display() -> None:
    """Start this program anew under Xvfb when there is no display; settings in a new folder."""
    home = tempfile.mkdtemp(prefix="stml-bench-")
    os.environ.setdefault("NAPARI_CONFIG", f"{home}/napari.yaml")
    os.environ.setdefault("STML_DATA_HOME", f"{home}/data")
    os.environ.setdefault("STML_CACHE_HOME", f"{home}/cache")
    os.environ.setdefault("NAPARI_ASYNC", "1")
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform != "linux":
        return
    if shutil.which("xvfb-run") is None:
        print("No display and no xvfb-run: nothing measured.")
        sys.exit(0)
    again = ["xvfb-run", "-a", "-s", SCREEN, sys.executable, *sys.argv]
    sys.exit(subprocess.run(again, check=False).returncode)


class Drawing:
    """Time that the canvas spends drawing; main thread."""

    def __init__(self, viewer: Any) -> None:
        self.wall = self.cpu = 0.0
        native = viewer.window._qt_viewer.canvas.native
        kind = type(native)
        paint = kind.paintGL
        drawing = self

        def timed(widget: Any) -> Any:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return paint(widget)
            finally:
                drawing.wall += time.perf_counter() - wall
                drawing.cpu += time.thread_time() - cpu

        kind.paintGL = timed


class Blocks:
    """The longest time that the event loop was held up, drawing not counted."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self.longest = 0.0

    @contextmanager
    def one(self) -> Iterator[None]:
        """One turn of the event loop, or one call that a user's hand triggers."""
        wall, drawn = time.perf_counter(), self._drawing.wall
        yield
        held = time.perf_counter() - wall - (self._drawing.wall - drawn)
        self.longest = max(self.longest, held)

    def turn(self, seconds: float) -> None:
        """Let the window live, every turn looked at by itself."""
        from qtpy.QtCore import QEventLoop
        from qtpy.QtWidgets import QApplication

        end = time.perf_counter() + seconds
        some = QEventLoop.ProcessEventsFlag.AllEvents
        while time.perf_counter() < end:
            with self.one():
                QApplication.processEvents(some)
            time.sleep(0.002)


def live(seconds: float, until: Callable[[], bool] | None = None) -> None:
    """Process events for a while, or until something is so."""
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + seconds
    while time.perf_counter() < end and not (until is not None and until()):
        QApplication.processEvents()
        time.sleep(0.002)
