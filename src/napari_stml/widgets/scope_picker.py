"""The scope in the dock's head: what the next Run looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from napari_stml.core.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WHOLE = "whole section"


class ScopePicker(QWidget):
    """A list of scopes that can be chosen now; each is frozen at the click on Run."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.box = QComboBox()
        self.box.currentIndexChanged.connect(lambda _: self.changed.emit())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 0, 8, 2)
        layout.addWidget(QLabel("Scope"))
        layout.addWidget(self.box, 1)
        self._makers: list[Callable[[], Scope]] = []
        self._chosen: list[tuple[str, Callable[[], Scope]]] = []
        self.offer([])

    def offer(self, more: Sequence[tuple[str, Callable[[], Scope]]]) -> None:
        """List the whole section and what else there is: selections, regions, filters."""
        before = self.box.currentText()
        chosen = [(title, make) for title, make in self._chosen if title == before]
        known = {title for title, _ in more}
        listed = [*more, *(c for c in chosen if c[0] not in known)]
        self.box.blockSignals(True)
        self.box.clear()
        self._makers = [Scope, *(make for _, make in listed)]
        self.box.addItems([WHOLE, *(title for title, _ in listed)])
        self.box.setCurrentIndex(max(0, self.box.findText(before)))
        self.box.blockSignals(False)

    def choose(self, title: str, make: Callable[[], Scope]) -> None:
        """Take this scope, listed as long as it stays chosen."""
        if self.box.findText(title) < 0:
            self._chosen = [(title, make)]
            self._makers.append(make)
            self.box.addItem(title)
        self.box.setCurrentIndex(self.box.findText(title))

    def freeze(self) -> Scope:
        """The scope as it is now."""
        scope: Scope = self._makers[max(0, self.box.currentIndex())]()
        return scope
