"""The vertical line between two values, to be dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPolygonF
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent

WIDTH = 22


class SwipeLine(QWidget):
    """As high as the canvas; ``dragged`` gives its x there."""

    dragged = Signal(float)

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setToolTip("Drag: left of the line the first value, right of it the second")
        self.hide()

    def place(self, x: float) -> None:
        parent = self.parentWidget()
        if parent is not None:
            inside = min(max(x, 0.0), float(parent.width()))
            self.setGeometry(int(inside - WIDTH / 2), 0, WIDTH, parent.height())

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self.dragged.emit(float(self.x() + event.position().x()))
            event.accept()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, half = WIDTH / 2, self.height() / 2
        painter.fillRect(QRectF(middle - 2, 0, 4, self.height()), QColor(20, 20, 20, 150))
        painter.fillRect(QRectF(middle - 1, 0, 2, self.height()), QColor(255, 255, 255))
        painter.setPen(QColor(20, 20, 20, 150))
        painter.setBrush(QColor(255, 255, 255))
        painter.drawEllipse(QPointF(middle, half), 10, 10)
        painter.setBrush(QColor(60, 60, 60))
        for side in (-1, 1):
            tip = [(2.5, -4), (7, 0), (2.5, 4)]
            arrow = [QPointF(middle + side * x, half + y) for x, y in tip]
            painter.drawPolygon(QPolygonF(arrow))
        painter.end()
