"""Curves of what is being computed, drawn as the numbers arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QPaintEvent

COLOURS = ("#4ea1ff", "#f0a030", "#5fc98a", "#d774c4")
HEIGHT, LINE, MARGIN = 64, 15, 4


class LiveCurves(QWidget):
    """Each curve on a scale of its own, its lowest and highest value in words above."""

    def __init__(self) -> None:
        super().__init__()
        self.curves: dict[str, list[float]] = {}
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.hide()

    def add(self, values: Iterable[tuple[str, float]]) -> None:
        """One more point of each."""
        for name, value in values:
            self.curves.setdefault(name, []).append(float(value))
        if self.curves:
            self.setFixedHeight(HEIGHT + LINE * len(self.curves))
            self.show()
            self.update()

    def clear(self) -> None:
        self.curves = {}
        self.hide()

    def words(self) -> list[str]:
        """The legend, one line per curve."""
        return [
            f"{name}  {values[-1]:.3g}   ({min(values):.3g} to {max(values):.3g})"
            for name, values in self.curves.items()
        ]

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        top = LINE * len(self.curves)
        frame = QRectF(0, top, self.width(), self.height() - top)
        for i, (words, values) in enumerate(zip(self.words(), self.curves.values(), strict=True)):
            colour = QColor(COLOURS[i % len(COLOURS)])
            painter.setPen(QPen(colour, 1.6))
            line = QRectF(0, i * LINE, self.width(), LINE)
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, words)
            painter.drawPolyline(_points(values, frame))
        painter.end()


def _points(values: list[float], frame: QRectF) -> QPolygonF:
    """The curve across the frame, its lowest value at the bottom."""
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    step = (frame.width() - 2 * MARGIN) / max(1, len(values) - 1)
    room = frame.height() - 2 * MARGIN
    return QPolygonF(
        [
            QPointF(MARGIN + i * step, frame.bottom() - MARGIN - room * (value - low) / spread)
            for i, value in enumerate(values)
        ]
    )
