"""One chart in the dock: drawn once, a click tells what it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_stml.core.results import Labels, Matrix, Values
from napari_stml.widgets.charts import marks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_stml.core.charts import Chart, Link
    from napari_stml.core.results import Part

    PartOf = Callable[[str], Part]


class ChartView(QWidget):
    """Draws a `Chart`; ``picked`` says which ids of which link were clicked.

    Parameters
    ----------
    part_of
        Finds a value of the same Run by name, for charts of stored values.
    names
        Names of the observations, what marks of stored values stand for.
    """

    picked = Signal(object, object)

    def __init__(self, chart: Chart, part_of: PartOf, names: NDArray[np.object_]) -> None:
        super().__init__()
        self.chart = chart
        self._part_of, self._names = part_of, names
        self.plot = pg.PlotWidget(background=None)
        item = self.plot.getPlotItem()
        item.setTitle(chart.title, size="9pt")
        item.setLabel("bottom", _title(chart.x))
        item.setLabel("left", _title(chart.y))
        item.setLogMode(False, False)
        item.hideButtons()
        item.setMenuEnabled(False)
        self._marks = self._draw(item)
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        for note in chart.notes:
            label = QLabel(note)
            label.setWordWrap(True)
            layout.addWidget(label)
        rows = len(chart.data.get("rows", ())) if chart.chart == "matrix" else 0
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.plot.setFixedHeight(max(190, min(520, 60 + 16 * rows)))

    def _draw(self, item: Any) -> marks.Marks:
        chart = self.chart
        if chart.chart == "scatter":
            return marks.scatter(item, chart, self._resolve)
        draw = {"line": marks.line, "bar": marks.bar, "matrix": marks.matrix,
                "boxes": marks.boxes, "network": marks.network}  # fmt: skip
        return draw[chart.chart](item, chart)

    def _resolve(self, stored: dict[str, Any]) -> NDArray[Any]:
        """A stored value as an array: numbers, or codes of labels."""
        part = self._part_of(stored["value"])
        if isinstance(part, Labels):
            return np.asarray(part.codes)
        if isinstance(part, Values):
            return np.asarray(part.values)
        if isinstance(part, Matrix):
            return np.asarray(part.values)[:, stored["column"] or 0]
        raise TypeError(f"{stored['value']} cannot be drawn")

    def highlight(self, names: frozenset[str]) -> None:
        """Mark what stands for these observations or categories."""
        for link in self.chart.links:
            ids = self._ids(link)
            self._marks.highlight(frozenset(i for i, n in enumerate(ids) if n in names))

    def _ids(self, link: Link) -> tuple[str, ...]:
        if link.kind == "observations" and not link.ids:
            return tuple(self._names.tolist())
        return link.ids

    def mark_at(self, x: float, y: float) -> int | None:
        """The index of the mark at a point in the chart's own coordinates."""
        return self._marks.hit(x, y)

    def pick(self, index: int) -> None:
        """Say what the mark stands for; every link that has an id for it is told."""
        for link in self.chart.links:
            ids = self._ids(link)
            place = self._place(link, index, len(ids))
            if place is not None:
                self.picked.emit(link, (ids[place],))

    def _place(self, link: Link, index: int, count: int) -> int | None:
        """In a matrix the mark is a cell: the link's ids are its rows or its columns."""
        if self.chart.chart == "matrix":
            width = len(self.chart.data["columns"])
            row, column = divmod(index, width)
            along_rows = tuple(map(str, self.chart.data["rows"])) == link.ids
            index = row if along_rows else column
        return index if index < count else None

    def _clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        point = self.plot.getPlotItem().vb.mapSceneToView(event.scenePos())
        index = self.mark_at(point.x(), point.y())
        if index is not None:
            self.pick(index)


def _title(axis: Any) -> str:
    return f"{axis.title} ({axis.unit})" if axis.unit else str(axis.title)
