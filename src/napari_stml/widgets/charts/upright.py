"""A bottom axis whose names stand upright where they do not fit side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyqtgraph as pg
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QFontMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

PER_NAME_PX = 7
"""Width of a letter, about; what a name may take side by side is measured in these."""
GAP_PX = 6


class UprightAxis(pg.AxisItem):
    """Draws named ticks turned by a quarter when they would run into each other."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self._names: list[str] = []

    def name(self, ticks: Sequence[tuple[float, str]]) -> None:
        """Give the ticks their names; the room for upright ones is taken at once."""
        self._names = [text for _, text in ticks]
        self.setTicks([list(ticks)])
        longest = max((len(n) for n in self._names), default=0)
        if self._crowded(220.0):
            metrics = QFontMetrics(self.font())
            widest = max((metrics.horizontalAdvance(n) for n in self._names), default=longest)
            self.setHeight(widest + GAP_PX + 22)

    def drawPicture(self, painter: Any, axis_spec: Any, tick_specs: Any, text_specs: Any) -> None:
        """As pyqtgraph does, but for the names."""
        if not self._crowded(self.size().width()):
            super().drawPicture(painter, axis_spec, tick_specs, text_specs)
            return
        super().drawPicture(painter, axis_spec, tick_specs, [])
        painter.setPen(self.textPen())
        for box, _flags, text in text_specs:
            painter.save()
            painter.translate(box.center().x(), box.top())
            painter.rotate(-90)
            place = QRectF(-400.0, -10.0, 400.0 - GAP_PX / 2, 20.0)
            painter.drawText(
                place, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), text
            )
            painter.restore()

    def generateDrawSpecs(self, painter: Any) -> Any:
        """All names, also those that pyqtgraph leaves out for running into each other."""
        found = super().generateDrawSpecs(painter)
        if found is None or not self._names or not self._crowded(self.size().width()):
            return found
        axis_spec, tick_specs, _ = found
        texts = []
        ticks = [tick for level in (self._tickLevels or ()) for tick in level]
        low, high = self.range
        width = self.size().width()
        for position, name in ticks:
            if low <= position <= high:
                x = (position - low) / ((high - low) or 1) * width
                texts.append((QRectF(x - 1, 5, 2, 10), 0, name))
        return axis_spec, tick_specs, texts

    def font(self) -> Any:
        """The font of the ticks."""
        from qtpy.QtGui import QFont

        return self.style["tickFont"] or QFont()

    def _crowded(self, width: float) -> bool:
        longest = max((len(n) for n in self._names), default=0)
        return bool(self._names) and longest * PER_NAME_PX * len(self._names) > width
