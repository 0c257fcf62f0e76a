"""The drawing tools as buttons."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

TOOLS = (
    ("", "Pan", "", "The mouse moves the view; clicks pick spots"),
    ("select", "Select", "V", "Click a region; drag it or its corners. Double click an edge adds a "
     "corner, Delete takes the last touched one away"),
    ("polygon", "Polygon", "P", "Click corners, or press and draw; double click or Enter closes"),
    ("rectangle", "Rectangle", "R", "Drag from corner to corner; Shift keeps it square"),
    ("ellipse", "Ellipse", "O", "Drag from corner to corner; Shift makes a circle"),
    ("brush", "Brush", "B", "Paint; the stroke becomes a region"),
    ("line", "Line", "L", "Click corners; double click or Enter ends it"),
    ("points", "Points", ".", "Click to count things; they are one set of points"),
    ("cut", "Cut", "C", "Draw a line across regions to divide them"),
    ("ruler", "Ruler", "M", "Drag to measure a distance"),
)  # fmt: skip
COLUMNS = 4
"""Fits the dock at 350 px."""

CHECKED = "QToolButton:checked { background: #2f6fab; color: white; border-radius: 3px; }"
WITH_KEYS = "Shift adds to the selected region, Alt takes away. Space pans, digits give classes."


class ToolRow(QWidget):
    """Emits the tool that is taken, and how wide the brush is (pixels of the screen)."""

    taken = Signal(str)
    brush_changed = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self.buttons: dict[str, QToolButton] = {}
        grid = QGridLayout()
        grid.setSpacing(2)
        grid.setContentsMargins(0, 0, 0, 0)
        for i, (name, title, key, help_text) in enumerate(TOOLS):
            button = QToolButton()
            button.setText(title)
            button.setToolTip(f"{help_text} ({key})" if key else help_text)
            button.setAccessibleName(f"Tool {title}")
            button.setCheckable(True)
            button.setStyleSheet(CHECKED)
            button.setMinimumWidth(44)
            button.clicked.connect(lambda _=False, n=name: self.taken.emit(n))
            self._group.addButton(button)
            self.buttons[name] = button
            grid.addWidget(button, i // COLUMNS, i % COLUMNS)
        self.buttons[""].setChecked(True)
        self.brush = QSlider(Qt.Orientation.Horizontal)
        self.brush.setRange(3, 120)
        self.brush.setValue(20)
        self.brush.setAccessibleName("Brush size")
        self.brush.valueChanged.connect(lambda v: self.brush_changed.emit(float(v)))
        row = QHBoxLayout()
        row.addWidget(QLabel("Brush"))
        row.addWidget(self.brush, 1)
        hint = QLabel(WITH_KEYS)
        hint.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addLayout(row)
        layout.addWidget(hint)

    def show_tool(self, name: str) -> None:
        """The tool changed elsewhere (a key, another layer)."""
        self.buttons.get(name, self.buttons[""]).setChecked(True)
