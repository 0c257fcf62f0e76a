"""Margins and rings around the selected regions, in micrometres."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QPushButton, QWidget


class Margins(QWidget):
    """Distances, and what to do with them."""

    grow_requested = Signal(float)
    ring_requested = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self.by, self.inner, self.outer = _um(50), _um(0), _um(100)
        self.grow, self.shrink, self.ring = (QPushButton(t) for t in ("Grow", "Shrink", "Ring"))
        self.grow.clicked.connect(lambda: self.grow_requested.emit(self.by.value()))
        self.shrink.clicked.connect(lambda: self.grow_requested.emit(-self.by.value()))
        self.ring.clicked.connect(
            lambda: self.ring_requested.emit(self.inner.value(), self.outer.value())
        )
        self.ring.setToolTip("A new region between two distances; negative ones lie inside")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        grid.addWidget(QLabel("Grow or shrink by, ring from and to"), 0, 0, 1, 3)
        rows = ((self.by, self.grow, self.shrink), (self.inner, self.outer, self.ring))
        for row, parts in enumerate(rows, start=1):
            for column, part in enumerate(parts):
                grid.addWidget(part, row, column)


def _um(value: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(-100_000, 100_000)
    box.setDecimals(0)
    box.setValue(value)
    box.setSuffix(" µm")
    box.setFixedWidth(74)
    return box
