"""A lasso in a scatter chart: Shift and drag around marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
import shapely
from qtpy.QtCore import QObject, Qt, Signal

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 3


class Lasso(QObject):
    """Draws a line around marks; ``closed`` gives the rows of those inside."""

    closed = Signal(object)

    def __init__(self, plot: Any, x: NDArray[Any], y: NDArray[Any]) -> None:
        super().__init__(plot)
        self._x, self._y = (np.asarray(v, dtype=np.float64) for v in (x, y))
        self._box = plot.getPlotItem().vb
        self._drag = self._box.mouseDragEvent
        self._box.mouseDragEvent = self._dragged
        self._line = pg.PlotCurveItem(pen=pg.mkPen("#ffe600", width=2), ignoreBounds=True)
        plot.addItem(self._line, ignoreBounds=True)
        self._path: list[tuple[float, float]] = []
        plot.setToolTip("Shift and drag: select what is inside, here and on the tissue")

    def _dragged(self, event: Any, axis: Any = None) -> None:
        lassoing = event.modifiers() & Qt.KeyboardModifier.ShiftModifier or self._path
        if event.button() != Qt.MouseButton.LeftButton or not lassoing:
            self._drag(event, axis)
            return
        event.accept()
        if event.isStart():
            first = self._box.mapSceneToView(event.buttonDownScenePos())
            self._path = [(first.x(), first.y())]
        point = self._box.mapSceneToView(event.scenePos())
        self._path.append((point.x(), point.y()))
        path = np.array([*self._path, self._path[0]])
        self._line.setData(path[:, 0], path[:, 1])
        if event.isFinish():
            path, self._path = np.array(self._path), []
            self._line.setData([], [])
            self.close(path)

    def close(self, path: NDArray[np.float64]) -> None:
        """Tell which marks lie inside a path (n, 2)."""
        if len(path) < FEWEST:
            return
        area = shapely.make_valid(shapely.Polygon(path))
        shapely.prepare(area)
        inside: Any = shapely.contains_xy(area, self._x, self._y)
        self.closed.emit(np.flatnonzero(inside))
