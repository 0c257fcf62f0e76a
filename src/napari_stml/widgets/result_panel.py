"""What a Run left: its values to show, its charts, its tables, its live sliders, its words."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_stml.core.charts import Chart
from napari_stml.core.errors import StmlError
from napari_stml.core.results import GeneValues, Table
from napari_stml.runs.words import as_command, as_script, describe

if TYPE_CHECKING:
    from napari_stml.core.run_record import RunRecord
    from napari_stml.io.section import Section
    from napari_stml.widgets.charts import ChartView
    from napari_stml.widgets.live_panel import LivePanel

PAINTED = ("Labels", "Values")
LAYERS = ("Heatmap", "Mask", "Tiles", "Regions", "View", "Graph")
WORDS = {
    "Methods paragraph": lambda record, section: describe(record),
    "Command line": as_command,
    "Python script": as_script,
}
MOST_ROWS = 200
LONG_WORD = 25
"""Longer ones may be broken: a label is never narrower than its longest word."""
GENE, SET_GENES = "gene", "called genes"
"""Columns of tables whose rows can be clicked."""


class ResultPanel(QWidget):
    """One Run of one section."""

    show_requested = Signal(str)
    layer_requested = Signal(str, str)
    picked = Signal(object, object)
    lassoed = Signal(object)
    genes_requested = Signal(object, str)
    undo_requested = Signal(str)
    repeat_requested = Signal(str)

    def __init__(self, record: RunRecord, section: Section, live: LivePanel | None = None) -> None:
        super().__init__()
        self.record, self.section, self.live = record, section, live
        self.charts: list[ChartView] = []
        self.setMinimumWidth(1)  # in a narrow dock rows are squeezed, not all of it cut off
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        title = QLabel(f"{record.title}  ({record.id})")
        title.setStyleSheet("font-weight: 600;")
        title.setWordWrap(True)
        layout.addWidget(title)
        self.stale = QLabel()
        self.stale.setWordWrap(True)
        self.stale.setStyleSheet("background: #7a4b00; color: white; padding: 3px;")
        self.stale.hide()
        layout.addWidget(self.stale)
        self.notes = QLabel(breakable("\n".join(record.notes)))
        self.notes.setWordWrap(True)
        layout.addWidget(self.notes)
        self.values = QComboBox()
        self.values.setMinimumContentsLength(8)
        self.values.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self._kinds = {e.name: e.kind for e in record.parts if e.kind in (*PAINTED, *LAYERS)}
        self.values.setPlaceholderText("choose a value")
        self.values.addItems(list(self._kinds))
        self.values.setCurrentIndex(-1)
        self.values.textActivated.connect(self._show)
        if self.values.count():
            row = QHBoxLayout()
            row.addWidget(QLabel("Show"))
            row.addWidget(self.values, 1)
            layout.addLayout(row)
        if live is not None:
            layout.addWidget(live)
        self._place = QVBoxLayout()
        layout.addLayout(self._place)
        for kinds in ({"Chart"}, {"Table", "GeneValues"}):
            for entry in record.parts:
                if entry.kind in kinds:
                    self._add(layout, entry.name)
        buttons = QHBoxLayout()
        for text, signal in (("Repeat", self.repeat_requested), ("Undo", self.undo_requested)):
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, s=signal: s.emit(record.id))
            buttons.addWidget(button)
        buttons.addWidget(self._words())
        layout.addLayout(buttons)
        layout.addWidget(self.words)
        layout.addStretch()  # a short panel stands at the top, and charts still grow

    def _words(self) -> QComboBox:
        """The Run as a paragraph, a command or a script: shown, and copied."""
        self.words = QPlainTextEdit()
        self.words.setReadOnly(True)
        self.words.setFixedHeight(150)
        self.words.hide()
        box = QComboBox()
        box.addItems(["In words ...", *WORDS])
        box.setMinimumContentsLength(8)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setToolTip("Shown below and copied to the clipboard")
        box.textActivated.connect(self.tell)
        return box

    def tell(self, kind: str) -> None:
        """Show the Run in one of the forms of `WORDS` and copy it."""
        if kind not in WORDS:
            self.words.hide()
            return
        text = WORDS[kind](self.record, self.section)
        self.words.setPlainText(text)
        self.words.show()
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(text)

    def mark_stale(self, words: str) -> None:
        """Say that what it was computed from has changed; "" when it has not."""
        self.stale.setText(words)
        self.stale.setVisible(bool(words))

    def add(self, widget: QWidget) -> None:
        """Put something below the values."""
        self._place.addWidget(widget)

    def show_first(self) -> None:
        """Paint the value that the analysis wants to be seen; links of all spots only if asked."""
        wanted = self.record.shows
        names = [n for n, kind in self._kinds.items() if n == wanted or kind != "Graph"]
        if names:
            name = wanted if wanted in names else names[0]
            self.values.setCurrentText(name)
            self._show(name)

    def highlight(self, names: frozenset[str]) -> None:
        for chart in self.charts:
            chart.highlight(names)

    def _show(self, name: str) -> None:
        if self._kinds[name] in LAYERS:
            self.layer_requested.emit(self.record.id, name)
        else:
            self.show_requested.emit(f"{self.record.id}/{name}")

    def _part(self, name: str) -> Any:
        assert self.section.shelf is not None
        return self.section.shelf.part(self.record.id, name)

    def _add(self, layout: QVBoxLayout, name: str) -> None:
        try:
            part = self._part(name)
            if isinstance(part, Chart):
                layout.addWidget(self._chart(part))
            elif isinstance(part, Table | GeneValues):
                layout.addWidget(QLabel(name))
                table = table_widget(part)
                table.cellClicked.connect(partial(self._row_clicked, table))
                layout.addWidget(table)
        except StmlError as error:
            layout.addWidget(QLabel(str(error)))

    def _row_clicked(self, table: QTableWidget, row: int, _: int) -> None:
        """Colour the tissue by the gene of a row, or by the genes of a set together."""
        cells = {}
        for j in range(table.columnCount()):
            head, cell = table.horizontalHeaderItem(j), table.item(row, j)
            if head is not None and cell is not None:
                cells[head.text()] = cell.text()
        if cells.get(GENE):
            self.genes_requested.emit((cells[GENE],), "")
        elif cells.get(SET_GENES):
            self.genes_requested.emit(tuple(cells[SET_GENES].split(", ")), cells.get("set", ""))

    def _chart(self, chart: Chart) -> ChartView:
        from napari_stml.widgets.charts import ChartView

        observed = self.section.observations
        names = observed.names if observed is not None else np.array([], dtype=object)
        view = ChartView(chart, self._part, names)
        view.picked.connect(self.picked)
        view.lassoed.connect(self.lassoed)
        self.charts.append(view)
        return view


def breakable(text: str) -> str:
    """Long names may be broken after their joints, so that a panel stays as wide as its dock."""
    return re.sub(
        rf"\S{{{LONG_WORD},}}", lambda word: re.sub(r"([_/.:-])", "\\1\u200b", word[0]), text
    )


def table_widget(part: Table | GeneValues) -> QTableWidget:
    """The first rows of a table, sortable; the whole of it goes out by export."""
    if isinstance(part, GeneValues):
        titles = part.columns or tuple(map(str, range(part.values.shape[1])))
        columns: dict[str, Any] = {"gene": part.genes}
        columns |= {t: part.values[:, i] for i, t in enumerate(titles)}
    else:
        columns = dict(part.columns)
    rows = min(MOST_ROWS, max((len(v) for v in columns.values()), default=0))
    widget = QTableWidget(rows, len(columns))
    widget.setHorizontalHeaderLabels(list(columns))
    widget.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    for j, values in enumerate(columns.values()):
        for i in range(rows):
            widget.setItem(i, j, _Cell(values[i]))
    header = widget.horizontalHeader()
    if header is not None:
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # as given, until a click
    widget.setSortingEnabled(True)
    widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    widget.setFixedHeight(min(220, 40 + 30 * rows))
    return widget


class _Cell(QTableWidgetItem):
    """Sorts numbers as numbers."""

    def __init__(self, value: Any) -> None:
        number = isinstance(value, int | float) or hasattr(value, "dtype")
        super().__init__("" if value is None else f"{value:.4g}" if number else str(value))
        self._value = value if number else None

    def __lt__(self, other: QTableWidgetItem) -> bool:
        if isinstance(other, _Cell) and self._value is not None and other._value is not None:
            return bool(self._value < other._value)
        return bool(self.text() < other.text())
