"""One chart in the dock: drawn once, a click tells what it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QPalette, QShowEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_stml.core.results import Labels, Matrix, Values
from napari_stml.widgets.charts import marks
from napari_stml.widgets.charts.lasso import Lasso
from napari_stml.widgets.charts.small_maps import small_maps
from napari_stml.widgets.charts.upright import UprightAxis

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
    lassoed = Signal(object)
    _drawn = False

    def __init__(self, chart: Chart, part_of: PartOf, names: NDArray[np.object_]) -> None:
        super().__init__()
        self.chart = chart
        self._part_of, self._names = part_of, names
        self.plot = pg.PlotWidget(background=None, axisItems={"bottom": UprightAxis()})
        item = self.plot.getPlotItem()
        item.setTitle(chart.title, size="9pt")
        item.setLabel("bottom", _title(chart.x))
        item.setLabel("left", _title(chart.y))
        item.setLogMode(False, False)
        for side in ("bottom", "left"):
            item.getAxis(side).enableAutoSIPrefix(False)
        item.hideButtons()
        item.setMenuEnabled(False)
        self._marks = self._draw(item)
        self.lasso = self._lasso()
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
        panels = len(chart.data.get("panels", ()))
        upright = max(0, int(item.getAxis("bottom").fixedHeight or 0) - 40)
        self.plot.setFixedHeight(
            max(
                280 if chart.chart == "network" else 190,
                min(520, 60 + 16 * rows),
                50 + 95 * -(-panels // 4),
            )
            + upright
        )
        self._drawn = True

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        changes = (QEvent.Type.StyleChange, QEvent.Type.PaletteChange)
        if self._drawn and event is not None and event.type() in changes:
            self._follow_theme()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._follow_theme()  # a style sheet is not read before

    def _follow_theme(self) -> None:
        """Write in the ink of the dock; the ground that Qt has kept is of the theme before."""
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        item = self.plot.getPlotItem()
        item.setTitle(self.chart.title, size="9pt", color=ink.name())
        for side in ("bottom", "left"):
            axis = item.getAxis(side)
            axis.setTextPen(ink)
            axis.setPen(ink)
        if item.legend is not None:
            item.legend.setLabelTextColor(ink)  # of those to come
            for _, label in item.legend.items:
                label.setText(label.text, color=ink.name())
        self.plot.resetCachedContent()

    def _draw(self, item: Any) -> marks.Marks:
        chart = self.chart
        if chart.chart == "scatter":
            if "panels" in chart.data:
                return small_maps(item, chart, self._resolve)
            return marks.scatter(item, chart, self._resolve)
        draw = {"line": marks.line, "bar": marks.bar, "matrix": marks.matrix,
                "boxes": marks.boxes, "violins": marks.boxes, "network": marks.network}  # fmt: skip
        return draw[chart.chart](item, chart)

    def _lasso(self) -> Lasso | None:
        """Where every mark is an observation, several can be taken at once."""
        chart = self.chart
        linked = [link for link in chart.links if link.kind == "observations"]
        if chart.chart != "scatter" or not linked or "panels" in chart.data:
            return None
        if isinstance(chart.data.get("x"), dict):
            x, y = (self._resolve(chart.data[k]) for k in ("x", "y"))
        else:
            x, y = (np.array(v, dtype=np.float64) for v in list(chart.data.values())[:2])
        ids = self._ids(linked[0])
        lasso = Lasso(self.plot, x, y)
        lasso.closed.connect(lambda rows: self.lassoed.emit(tuple(ids[i] for i in rows)))
        return lasso

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
        """Say what the mark stands for: one link and id after the other, in one signal.

        A cell of a matrix stands for its row and its column, an edge for both its nodes.
        """
        links, found = [], []
        for link, place in self._places(index):
            ids = self._ids(link)
            if place < len(ids) and ids[place]:
                links.append(link)
                found.append(ids[place])
        if links:
            self.picked.emit(tuple(links), tuple(found))

    def _places(self, index: int) -> list[tuple[Link, int]]:
        """Which id of which link; an empty id says that the mark is none of the link's."""
        chart, links = self.chart, self.chart.links
        if chart.chart == "matrix":
            row, column = divmod(index, len(chart.data["columns"]))
            rows, columns = (tuple(map(str, chart.data[k])) for k in ("rows", "columns"))
            if rows == columns:  # the first link is of the rows
                return list(zip(links, (row, column), strict=False))
            return [(link, row if rows == link.ids else column) for link in links]
        nodes = list(chart.data.get("nodes", ()))
        if chart.chart == "network" and index >= len(nodes):
            edge = index - len(nodes)
            ends = [nodes.index(chart.data[side][edge]) for side in ("from", "to")]
            return [(link, end) for end in ends for link in links]
        return [(link, index) for link in links]

    def _clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        point = self.plot.getPlotItem().vb.mapSceneToView(event.scenePos())
        index = self.mark_at(point.x(), point.y())
        if index is not None:
            self.pick(index)


def _title(axis: Any) -> str:
    return f"{axis.title} ({axis.unit})" if axis.unit else str(axis.title)
