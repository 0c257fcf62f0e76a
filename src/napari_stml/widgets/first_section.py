"""The first section of a fresh window: it is painted before the dock is built."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_stml.viewer._compat import canvas_widget
from napari_stml.viewer.state import state_of
from napari_stml.widgets.reading import open_section

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import napari.viewer

    from napari_stml.io.section import Section

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
        self._state = state_of(viewer)
        self._state.background.run(
            f"open {path}", partial(open_section, path, dict(choices)), self._read, self._fail
        )

    def _fail(self, words: str) -> None:
        self._viewer.status = ""
        self._end(words)

    def _read(self, section: Section) -> None:
        self._viewer.status = ""
        self._state.open(section)
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
