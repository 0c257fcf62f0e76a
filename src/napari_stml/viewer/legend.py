"""The legend on the canvas: swatches of categories, or a colour bar with its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QLinearGradient, QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_stml.viewer.colours import RGBA, ColourScale

ROWS = 16
"""Categories listed before the rest becomes "and 7 more"."""


@dataclass(frozen=True)
class Swatch:
    """One line of a categorical legend."""

    text: str
    colour: tuple[int, int, int]
    count: int


class Legend(QWidget):
    """Drawn over the canvas in its upper right corner; lets the mouse through."""

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self._title = ""
        self._swatches: tuple[Swatch, ...] = ()
        self._scale: ColourScale | None = None
        self._missing = 0
        self._font = QFont(self.font())
        self._font.setPointSizeF(9.5)
        self.hide()

    def show_categories(
        self, title: str, names: Sequence[str], colours: RGBA, counts: Sequence[int], missing: int
    ) -> None:
        self._swatches = tuple(
            Swatch(str(n), (int(c[0] * 255), int(c[1] * 255), int(c[2] * 255)), int(k))
            for n, c, k in zip(names, colours, counts, strict=False)
        )
        self._scale = None
        self._show(title, missing)

    def show_scale(self, title: str, scale: ColourScale, missing: int) -> None:
        self._swatches = ()
        self._scale = scale
        self._show(title, missing)

    def clear(self) -> None:
        self._title, self._swatches, self._scale = "", (), None
        self.hide()

    @property
    def lines(self) -> list[str]:
        """The texts drawn, from top to bottom."""
        if self._scale is not None:
            texts = [self._title, _number(self._scale.high), _number(self._scale.low)]
        else:
            texts = [self._title, *(f"{s.text}  ({s.count})" for s in self._swatches[:ROWS])]
            if len(self._swatches) > ROWS:
                texts.append(f"and {len(self._swatches) - ROWS} more")
        return texts + ([f"no value  ({self._missing})"] if self._missing else [])

    def _show(self, title: str, missing: int) -> None:
        self._title, self._missing = title, missing
        self.resize(self.sizeHint())
        self.place()
        self.show()
        self.raise_()
        self.update()

    def place(self) -> None:
        """Into the corner, 12 px from the edges."""
        parent = self.parentWidget()
        if parent is not None:
            self.move(parent.width() - self.width() - 12, 12)

    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(self._font)
        width = max((metrics.horizontalAdvance(t) for t in self.lines), default=0)
        line = metrics.height() + 4
        rows = len(self.lines)
        height = line * (1 + bool(self._missing)) + 130 if self._scale else line * rows
        return QSize(int(min(width, 260)) + 46, int(height) + 14)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._font)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(255, 255, 255, 226))
        painter.drawRoundedRect(QRectF(self.rect()), 6, 6)
        metrics = QFontMetricsF(self._font)
        line = metrics.height() + 4
        y = 7.0
        self._text(painter, 10, y, line, self._title, bold=True)
        y += line
        y = self._bar(painter, y, line) if self._scale is not None else self._rows(painter, y, line)
        if self._missing:
            self._dot(painter, y, line, QColor(158, 158, 158, 110))
            self._text(painter, 30, y, line, f"no value  ({self._missing})")
        painter.end()

    def _rows(self, painter: QPainter, y: float, line: float) -> float:
        for swatch in self._swatches[:ROWS]:
            self._dot(painter, y, line, QColor(*swatch.colour))
            self._text(painter, 30, y, line, f"{swatch.text}  ({swatch.count})")
            y += line
        if len(self._swatches) > ROWS:
            self._text(painter, 30, y, line, f"and {len(self._swatches) - ROWS} more")
            y += line
        return y

    def _bar(self, painter: QPainter, y: float, line: float) -> float:
        assert self._scale is not None
        table = self._scale.table
        gradient = QLinearGradient(QPointF(0, y + 110), QPointF(0, y))
        for i in range(0, 256, 15):
            r, g, b = (int(c * 255) for c in table[i][:3])
            gradient.setColorAt(i / 255, QColor(r, g, b))
        painter.setBrush(gradient)
        painter.setPen(QColor(90, 90, 90))
        painter.drawRect(QRectF(12, y + 2, 16, 108))
        self._text(painter, 36, y - 2, line, _number(self._scale.high))
        self._text(painter, 36, y + 110 - line + 4, line, _number(self._scale.low))
        return y + 118

    def _dot(self, painter: QPainter, y: float, line: float, colour: QColor) -> None:
        painter.setPen(QColor(80, 80, 80, 120))
        painter.setBrush(colour)
        painter.drawEllipse(QPointF(17, y + line / 2), 5.5, 5.5)

    def _text(
        self, painter: QPainter, x: float, y: float, line: float, text: str, bold: bool = False
    ) -> None:
        font = QFont(self._font)
        font.setBold(bold)
        painter.setFont(font)
        painter.setPen(QColor(25, 25, 25))
        room = self.width() - x - 8
        short = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, room)
        painter.drawText(
            QRectF(x, y, room, line),
            Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft,
            short,
        )


def _number(value: float) -> str:
    return f"{value:.3g}"
