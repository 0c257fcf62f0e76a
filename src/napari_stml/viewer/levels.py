"""Pyramid levels that never let a failing file reach the canvas, and say so."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.io.slides.views import LevelView

if TYPE_CHECKING:
    from napari_stml.io.slides.base import Pixels, Slide

log = logging.getLogger(__name__)


class Watch:
    """Counts what could not be read of one slide; asked and told from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self.last = ""

    def failed(self, message: str) -> None:
        with self._lock:
            self._failures += 1
            self.last = message

    def taken(self) -> int:
        """Failures since the last question."""
        with self._lock:
            count, self._failures = self._failures, 0
        return count


class WatchedLevel(LevelView):
    """A level whose unreadable pieces are plain grey, counted by a `Watch`."""

    def __init__(
        self, slide: Slide, level: int, channel: int | None = None, watch: Watch | None = None
    ) -> None:
        super().__init__(slide, level, channel)
        self._watch = watch
        self._read_dtype = slide.dtype

    def _window(self, x: int, y: int, w: int, h: int) -> Pixels:
        try:
            return super()._window(x, y, w, h)
        except Exception as error:
            where = (self.level, self.slide.uri)
            bare = error.with_traceback(None)  # its frames would keep the viewer alive
            log.exception("level %d of %s: a window was not read", *where, exc_info=bare)
            self._tell(str(error))
            depth = 1 if self._flat else len(self.slide.channels)
            return np.full((h, w, depth), 128 if self.slide.rgb else 0, self._read_dtype)

    def _patched(self, slide: Any, x: int, y: int, w: int, h: int) -> Pixels:
        self._tell("a damaged tile")
        return super()._patched(slide, x, y, w, h)

    def _tell(self, message: str) -> None:
        if self._watch is not None:
            self._watch.failed(message)


def levels(
    slide: Slide,
    channel: int | None = None,
    coarse: Pixels | None = None,
    watch: Watch | None = None,
) -> list[Any]:
    """All levels, finest first; the last one in memory when it was read before."""
    count = len(slide.levels) - (coarse is not None)
    made: list[Any] = [WatchedLevel(slide, i, channel, watch) for i in range(count)]
    return made if coarse is None else [*made, coarse]
