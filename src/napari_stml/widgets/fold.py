"""A part of a page that is opened by its title."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

CLOSED, OPEN = "▸", "▾"


class Fold(QWidget):
    """A title with an arrow; the content takes no room while it is closed."""

    toggled = Signal(bool)

    def __init__(self, title: str, content: QWidget, *, opened: bool = False) -> None:
        super().__init__()
        self._title = title
        self.content = content
        self.button = QToolButton()
        self.button.setCheckable(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.button.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.button.setStyleSheet("QToolButton { font-weight: 600; padding: 3px 2px; border: 0; }")
        self.button.toggled.connect(self._toggle)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(content)
        self.button.setChecked(opened)
        self._toggle(opened)

    def _toggle(self, opened: bool) -> None:
        self.button.setText(f"{OPEN if opened else CLOSED} {self._title}")
        self.content.setVisible(opened)
        self.toggled.emit(opened)
