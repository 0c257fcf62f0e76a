"""What happens when the window or a section closes: ask what would be lost, then end cleanly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox

from napari_stml.widgets.brush import BrushBox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtWidgets import QWidget

    from napari_stml.runs.desk import PlannedRun
    from napari_stml.viewer.regions.desk import RegionDesk
    from napari_stml.viewer.state import ViewerState
    from napari_stml.widgets.run_control import RunControl


def unfinished(runs: Sequence[PlannedRun]) -> str:
    """What closing would end, in words; "" for nothing."""
    if not runs:
        return ""
    more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
    return f"{runs[0].spec.title}{more} is not finished; its results would be lost."


def leave_section(
    state: ViewerState, control: RunControl, panel: QWidget | None, above: QWidget
) -> str:
    """Close the current section; its name, or "" when there is none or the user stays."""
    if state.current is None:
        return ""
    section = state.current.section
    words = _lost(control.on(section), state.regions, panel)
    if words and not _ask(above, section.name, words):
        return ""
    control.drop(section)
    state.close_current()
    return section.name


def _lost(runs: Sequence[PlannedRun], desk: RegionDesk | None, panel: QWidget | None) -> str:
    """What closing the current section would cost, in words; its regions are saved first."""
    words = [unfinished(runs)]
    if desk is not None and desk.book is not None:
        desk.save_now()
        if desk.book.unsaved:
            why = f" ({desk.book.refused})" if desk.book.refused is not None else ""
            words.append(f"What was drawn last is not in the store{why}; it is offered when the "
                         "section is opened again.")  # fmt: skip
    if panel is not None and any(box.begun for box in panel.findChildren(BrushBox)):
        words.append("The mask that is being corrected was not kept.")
    return " ".join(filter(None, words))


def _ask(above: QWidget | None, what: str, words: str) -> bool:
    answer = QMessageBox.question(
        above, f"Close {what}?", f"{words} Close anyway?",
        QMessageBox.StandardButton.Close | QMessageBox.StandardButton.Cancel,
        QMessageBox.StandardButton.Cancel,
    )  # fmt: skip
    return bool(answer == QMessageBox.StandardButton.Close)


class Closing(QObject):
    """Watches the window that holds a widget.

    Parameters
    ----------
    unfinished
        What would be lost, in words; "" when nothing would.
    end
        Called once, when the window really goes.
    """

    def __init__(
        self, widget: QWidget, unfinished: Callable[[], str], end: Callable[[], None]
    ) -> None:
        super().__init__(widget)
        self._unfinished, self._end = unfinished, end
        self._window: QWidget | None = None

    def watch(self, window: QWidget) -> None:
        """Follow this window (a dock may be moved from one to another)."""
        if window is self._window:
            return
        if self._window is not None:
            self._window.removeEventFilter(self)
        self._window = window
        window.installEventFilter(self)

    def leave(self) -> None:
        """Let go of the window: a reference to it would keep it alive."""
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() != QEvent.Type.Close or watched is not self._window:
            return False
        words = self._unfinished()
        person = event.spontaneous()  # a close from code is meant
        if words and person and not _ask(self._window, "the window", words):
            event.ignore()
            return True
        self._end()
        return False
