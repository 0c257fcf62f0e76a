"""What happens when the window closes: ask while something runs, then end everything cleanly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget


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
        if words and event.spontaneous() and not self._ask(words):
            event.ignore()
            return True
        self._end()
        return False

    def _ask(self, words: str) -> bool:
        """Ask only a person: a close from code is meant."""
        answer = QMessageBox.question(
            self._window,
            "Close the window?",
            f"{words} Close anyway?",
            QMessageBox.StandardButton.Close | QMessageBox.StandardButton.Cancel,
            QMessageBox.StandardButton.Cancel,
        )
        return bool(answer == QMessageBox.StandardButton.Close)
