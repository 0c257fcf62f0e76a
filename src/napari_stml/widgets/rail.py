"""The icon rail: one page at a time, the name under the mouse."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QToolButton, QVBoxLayout, QWidget

from napari_stml.widgets.style import ACCENT

CHECKED = f"QToolButton:checked {{ background: {ACCENT}; color: white; border-radius: 4px; }}"


class Rail(QWidget):
    """A column of checkable buttons."""

    chosen = Signal(str)

    def __init__(self, pages: dict[str, str]) -> None:
        super().__init__()
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._buttons: dict[str, QToolButton] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 0, 4)
        layout.setSpacing(2)
        for name, help_text in pages.items():
            button = QToolButton()
            button.setText(name)
            button.setToolTip(help_text)
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            button.setFixedSize(66, 34)
            button.setStyleSheet(CHECKED)
            button.clicked.connect(lambda _=False, n=name: self.chosen.emit(n))
            self._group.addButton(button)
            self._buttons[name] = button
            layout.addWidget(button)
        layout.addStretch(1)

    def show_page(self, name: str) -> None:
        self._buttons[name].setChecked(True)
