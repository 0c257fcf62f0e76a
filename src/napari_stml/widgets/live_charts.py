"""The charts of a live update: drawn when the slider rests, each in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_stml.core.charts import Chart
from napari_stml.core.results import SHARED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.core.results import Part, Result
    from napari_stml.widgets.charts import ChartView

REST_MS = 120
"""Drawing charts costs tens of milliseconds, which the moving slider does not wait for."""


class LiveCharts(QWidget):
    """Draws the newest charts; ``picked`` says what a clicked mark stands for."""

    picked = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.names: NDArray[np.object_] = np.array([], dtype=object)
        self.views: list[ChartView] = []
        self._drawn: tuple[Chart, ...] = ()
        self._wanted: tuple[Chart, ...] = ()
        self._parts: dict[str, Part] = {}
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self.draw)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self.hide()

    def show_result(self, result: Result) -> None:
        """Take the charts of an answer; they are drawn after a moment of rest."""
        self._wanted = tuple(p for p in result.parts.get(SHARED, ()) if isinstance(p, Chart))
        self._parts = {p.name: p for parts in result.parts.values() for p in parts}
        if self._wanted != self._drawn:
            self._rest.start()

    def draw(self) -> None:
        """Draw what was asked for last; charts that stayed equal stay."""
        kept: dict[str, ChartView] = {
            view.chart.name: view for view in self.views if view.chart in self._wanted
        }
        for view in self.views:
            self._column.removeWidget(view)
            if kept.get(view.chart.name) is not view:
                view.hide()
                view.deleteLater()
        self.views = []
        for chart in self._wanted:
            drawn = kept.get(chart.name) or self._draw(chart)
            self._column.addWidget(drawn)
            self.views.append(drawn)
        self._drawn = self._wanted
        self.setVisible(bool(self.views))

    def _draw(self, chart: Chart) -> ChartView:
        from napari_stml.widgets.charts import ChartView

        view = ChartView(chart, self._parts.__getitem__, self.names)
        view.picked.connect(self.picked)
        return view
