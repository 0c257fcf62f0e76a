"""The legend on the canvas: swatches of categories, or a colour bar with its limits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QContextMenuEvent,
    QFont,
    QFontMetricsF,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QWheelEvent,
)
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.viewer.colours import ColourScale
    from napari_stml.viewer.shown import Shown

WIDEST, EDGE, BAR = 280, 12, 110


@dataclass(frozen=True)
class Line:
    """One row: a title, a category, a bar or a remark."""

    text: str
    kind: str
    colour: tuple[int, int, int] = (0, 0, 0)
    category: int = -1
    off: bool = False
    scale: ColourScale | None = None


@dataclass(frozen=True)
class Inks:
    """Colours of the box; chosen to be read on a dark and on a light window."""

    back: QColor
    ink: QColor
    faint: QColor
    line: QColor


DARK = Inks(
    QColor(28, 32, 38, 232), QColor(240, 241, 242), QColor(160, 166, 172), QColor(70, 76, 84)
)
LIGHT = Inks(
    QColor(255, 255, 255, 235), QColor(25, 25, 25), QColor(110, 110, 110), QColor(190, 190, 190)
)


class Legend(QWidget):
    """Drawn over the canvas in its upper right corner. A click on a category hides or shows it.

    Right click asks for the category's menu; the wheel scrolls a long list.
    """

    toggled = Signal(int)
    menu_requested = Signal(int, object)

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setMouseTracking(True)
        self._title = ""
        self._lines: tuple[Line, ...] = ()
        self._first = 0
        self._unfolded = False
        self._again: Callable[[], None] | None = None
        self._inks = DARK
        self._font = QFont(self.font())
        self._font.setPointSizeF(9.5)
        self.hide()

    def show_theme(self, light: bool) -> None:
        self._inks = LIGHT if light else DARK
        self.update()

    def explain(self, shown: Shown, beside: Shown | None = None, *, click: bool = True) -> None:
        """Draw the legend of what is shown, and of what is shown beside it.

        Without ``click`` its categories are only named (those of tiles).
        """
        if self._title != shown.name:
            self._first, self._unfolded = 0, False
        self._title = shown.name
        self._again = partial(self.explain, shown, beside, click=click)
        where = "left: " if beside is not None else ""
        lines = _lines(shown, where, unfolded=self._unfolded, click=click)
        if beside is not None:
            lines += _lines(beside, "right: ", unfolded=self._unfolded, click=False)
        self._lines = tuple(lines)
        clicks = "\nclick: hide or show  |  right click: rename, colour, merge"
        self.setToolTip(shown.name + (clicks if click and shown.categories else ""))
        self.place()
        self.show()
        self.raise_()
        self.update()

    def clear(self) -> None:
        self._title, self._lines, self._again = "", (), None
        self.hide()

    @property
    def lines(self) -> list[str]:
        """The texts drawn, from top to bottom."""
        texts: list[str] = []
        for line in self._visible():
            if line.scale is not None:
                texts += [_number(line.scale.high), _number(line.scale.low)]
            elif line.text:
                texts.append(line.text)
        return texts

    def place(self) -> None:
        """Into the corner, and no higher than the canvas."""
        parent = self.parentWidget()
        if parent is not None and self._lines:
            self.resize(self.sizeHint())
            self.move(parent.width() - self.width() - EDGE, EDGE)

    def sizeHint(self) -> QSize:
        visible = self._visible()
        bold = QFont(self._font)
        bold.setBold(True)
        wide = max((QFontMetricsF(bold).horizontalAdvance(x.text) for x in visible), default=0)
        height = sum(self._height(line) for line in visible)
        parent = self.parentWidget()
        most = min(WIDEST, int((parent.width() if parent else 900) * 0.4))
        return QSize(int(min(wide, most)) + 48, int(height) + 14)

    # geometry

    @property
    def _step(self) -> float:
        return float(QFontMetricsF(self._font).height()) + 4

    def _height(self, line: Line) -> float:
        return BAR + 14 if line.kind == "bar" else self._step

    @property
    def _room(self) -> int:
        """Rows that fit the canvas."""
        parent = self.parentWidget()
        height = (parent.height() if parent is not None else 800) - 2 * EDGE - 60
        return max(4, int(height / self._step))

    def _visible(self) -> list[Line]:
        if len(self._lines) <= self._room or any(x.kind == "bar" for x in self._lines):
            return list(self._lines)
        title, rest = self._lines[0], self._lines[1:]
        window = self._room - 2
        self._first = max(0, min(self._first, len(rest) - window))
        left = len(rest) - self._first - window
        more = f"and {left} more (wheel)" if left else f"({self._first} above, wheel)"
        return [title, *rest[self._first : self._first + window], Line(more, "remark")]

    def category_at(self, y: float) -> int:
        """The category drawn at a height of the widget, -1 for none."""
        line = self._line_at(y)
        return line.category if line is not None else -1

    def _line_at(self, y: float) -> Line | None:
        top = 7.0
        for line in self._visible():
            top += self._height(line)
            if y < top:
                return line
        return None

    def unfold(self) -> None:
        """List the categories that occur nowhere too, or no longer."""
        self._unfolded = not self._unfolded
        if self._again is not None:
            self._again()

    # the mouse

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            line = self._line_at(event.position().y())
            if line is not None and line.kind == "absent":
                self.unfold()
            elif line is not None and line.category >= 0:
                self.toggled.emit(line.category)
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            line = self._line_at(event.position().y())
            over = line is not None and (line.category >= 0 or line.kind == "absent")
            hand = Qt.CursorShape.PointingHandCursor
            self.setCursor(hand if over else Qt.CursorShape.ArrowCursor)
            event.accept()

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        if event is not None:
            category = self.category_at(event.pos().y())
            if category >= 0:
                self.menu_requested.emit(category, event.globalPos())
            event.accept()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is None:
            return
        if len(self._visible()) == len(self._lines):
            event.ignore()
            return
        self._first += -3 if event.angleDelta().y() > 0 else 3
        self.place()
        self.update()
        event.accept()

    # drawing

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._inks.line)
        painter.setBrush(self._inks.back)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        y = 7.0
        for line in self._visible():
            if line.kind == "bar":
                self._bar(painter, y, line)
            elif line.kind in {"title", "remark", "absent"}:
                self._text(painter, 10, y, line)
            else:
                self._dot(painter, y, line)
                self._text(painter, 30, y, line)
            y += self._height(line)
        painter.end()

    def _bar(self, painter: QPainter, y: float, line: Line) -> None:
        scale = line.scale
        if scale is None:
            return
        table = scale.table
        gradient = QLinearGradient(QPointF(0, y + BAR), QPointF(0, y))
        for i in range(0, 256, 15):
            r, g, b = (int(c * 255) for c in table[i][:3])
            gradient.setColorAt(i / 255, QColor(r, g, b))
        painter.setBrush(gradient)
        painter.setPen(self._inks.faint)
        painter.drawRect(QRectF(12, y + 2, 16, BAR - 2))
        self._text(painter, 36, y - 2, Line(_number(scale.high), "limit"))
        self._text(painter, 36, y + BAR - self._step + 4, Line(_number(scale.low), "limit"))

    def _dot(self, painter: QPainter, y: float, line: Line) -> None:
        painter.setPen(self._inks.faint)
        painter.setBrush(Qt.BrushStyle.NoBrush if line.off else QColor(*line.colour))
        painter.drawEllipse(QPointF(17, y + self._step / 2), 5.5, 5.5)

    def _text(self, painter: QPainter, x: float, y: float, line: Line) -> None:
        font = QFont(self._font)
        font.setBold(line.kind == "title")
        font.setStrikeOut(line.off)
        painter.setFont(font)
        faint = line.off or line.kind in {"remark", "absent"}
        painter.setPen(self._inks.faint if faint else self._inks.ink)
        room = self.width() - x - 8
        mode = Qt.TextElideMode.ElideMiddle
        short = QFontMetricsF(font).elidedText(line.text, mode, room)
        align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(QRectF(x, y, room, self._step), align, short)


def _lines(shown: Shown, where: str, *, unfolded: bool, click: bool) -> list[Line]:
    """Title, categories or bar, what is hidden by thresholds, and how many have no value.

    Categories that occur nowhere are one line, unless they are asked for.
    """
    lines = [Line(where + shown.name, "title")]
    if shown.drawn is not None:
        off = shown.off
        for i, (name, count) in enumerate(zip(shown.categories, shown.counts, strict=True)):
            if not count and not unfolded:
                continue
            r, g, b = (int(255 * c) for c in shown.drawn.colours[i][:3])
            text = f"{name}  ({count:,})"
            lines.append(Line(text, "category", (r, g, b), i if click else -1, i in off))
        if absent := shown.counts.count(0):
            lines.append(Line(f"{absent} absent ({'hide' if unfolded else 'show'})", "absent"))
    else:
        lines.append(Line("", "bar", scale=shown.scale))
        low, high = shown.threshold.low, shown.threshold.high
        done = "hidden" if shown.threshold.hide else "grey"
        if low is not None:
            lines.append(Line(f"{done} below {_number(low)}", "remark"))
        if high is not None:
            lines.append(Line(f"{done} above {_number(high)}", "remark"))
    if shown.missing:
        lines.append(Line(f"no value  ({shown.missing:,})", "missing", (158, 158, 158)))
    return lines


def _number(value: float) -> str:
    return f"{value:.3g}"
