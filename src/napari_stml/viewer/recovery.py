"""Tiles that could not be read: says so, tries again, and says when it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_stml.viewer.prepare import coarsest

if TYPE_CHECKING:
    from napari_stml.viewer.section_view import SectionView
    from napari_stml.viewer.state import ViewerState

EVERY_MS = 1000
WAITS = (2, 4, 8, 15, 30)
"""Rounds of `EVERY_MS` before the next attempt, longer each time."""


class Recovery(QObject):
    """Looks at the current section's watches once a second; tries again off the main thread."""

    def __init__(self, state: ViewerState) -> None:
        super().__init__()
        self._state = state
        self._attempt: dict[str, int] = {}
        self._wait: dict[str, int] = {}
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)
        self._timer.start(EVERY_MS)

    def stop(self) -> None:
        self._timer.stop()

    def look(self) -> None:
        """One round; the timer's, or a test's."""
        view = self._state.current
        if view is None:
            return
        for name, watch in view.watches.items():
            if watch.taken():
                attempt = self._attempt.get(name, 0)
                self._wait[name] = WAITS[min(attempt, len(WAITS) - 1)]
                self._attempt[name] = attempt + 1
                self._state.said.emit(
                    f"{name}: some pixels cannot be read ({watch.last}). They are grey; "
                    "trying again ..."
                )
            elif self._wait.get(name):
                self._wait[name] -= 1
                if not self._wait[name]:
                    self._again(view, name)

    def _again(self, view: SectionView, name: str) -> None:
        slide = view.section.images[name].slide
        watch = view.watches[name]

        def show(coarse: object) -> None:
            if view is self._state.current:
                view.read_again(name, coarse)  # type: ignore[arg-type]
                self._state.draw_overview()
                self._attempt.pop(name, None)
                self._state.said.emit(f"{name} can be read again.")

        self._state.background.run(
            f"read again {name}", lambda: coarsest(slide), show, watch.failed
        )
