"""The first section of a fresh window: it is painted before the dock is built."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer
from superqt.utils import create_worker

from napari_stml.viewer._compat import canvas_widget
from napari_stml.viewer.state import state_of
from napari_stml.widgets.reading import answer, open_section

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import napari.viewer

LONGEST_WAIT_MS = 2000
"""For a store that is slow with its pixels: the dock does not wait for them any longer."""


class FirstSection(QObject):
    """Reads a section in a thread, paints it and then calls ``done`` once.

    The dock takes a good second to build, which nobody misses while the tissue is not there yet.
    ``done`` gets None, or in words why the section could not be opened.
    """

    def __init__(
        self, viewer: napari.viewer.Viewer, path: str | Path, choices: Mapping[str, Any],
        done: Callable[[str | None], None],
    ) -> None:  # fmt: skip
        self._canvas = canvas_widget(viewer)
        super().__init__(self._canvas)
        self._viewer, self._done, self._waits = viewer, done, True
        viewer.status = f"Opening {path} ..."
        job = partial(open_section, path, dict(choices))
        self._worker = create_worker(answer, job, _ignore_errors=True)
        self._worker.returned.connect(self._read)
        self._worker.start()

    def _read(self, told: tuple[bool, Any]) -> None:
        good, value = told
        self._viewer.status = ""
        if not good:
            self._end(str(value))
            return
        state_of(self._viewer).open(value)
        if self._canvas is not None:
            self._canvas.frameSwapped.connect(self._drawn)
        QTimer.singleShot(LONGEST_WAIT_MS, self._end)

    def _drawn(self) -> None:
        if self._canvas is not None and all(layer.loaded for layer in self._viewer.layers):
            self._canvas.frameSwapped.disconnect(self._drawn)
            QTimer.singleShot(0, self._end)

    def _end(self, words: str | None = None) -> None:
        if self._waits:
            self._waits = False
            self._done(words)
