"""The list of regions: name, class, spots, size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem

from napari_stml.widgets.regions.class_table import swatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAME, KIND, COUNT, SIZE = range(4)
MOST_ROWS = 2000
SHORT = 60


class RegionTable(QTreeWidget):
    """One row per region; the newest comes last, as on the canvas."""

    chosen = Signal(object)
    renamed = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self.setColumnCount(4)
        self.setHeaderLabels(["Region", "Class", "Inside", "Size"])
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked
                             | QAbstractItemView.EditTrigger.EditKeyPressed)  # fmt: skip
        self.setAccessibleName("Regions")
        head = self.header()
        if head is not None:
            head.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
            head.setStretchLastSection(False)
            for column, width in ((KIND, 80), (COUNT, 48), (SIZE, 70)):
                self.setColumnWidth(column, width)
        self.setMinimumHeight(140)
        self._rows: dict[str, QTreeWidgetItem] = {}
        self._shown: dict[str, tuple[str, ...]] = {}
        self.itemSelectionChanged.connect(self._selected)
        self.itemChanged.connect(self._changed)

    def show_regions(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Rows of id, name, class, colour, count, size, tooltip; those that stand are changed."""
        self.blockSignals(True)
        ids = {row[0] for row in rows}
        for gone in [i for i in self._rows if i not in ids]:
            item = self._rows.pop(gone)
            self._shown.pop(gone, None)
            self.takeTopLevelItem(self.indexOfTopLevelItem(item))
        for row in rows[-MOST_ROWS:]:
            if self._shown.get(row[0]) is row:
                continue
            name, title, kind, colour, count, size, tooltip = row
            self._shown[name] = row
            item = self._rows.get(name)
            if item is None:
                item = self._rows[name] = QTreeWidgetItem()
                item.setData(NAME, Qt.ItemDataRole.UserRole, name)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                self.addTopLevelItem(item)
            for column, text in enumerate((title, kind, count, size)):
                if item.text(column) != text:
                    item.setText(column, text)
            if item.data(KIND, Qt.ItemDataRole.UserRole) != colour:
                item.setData(KIND, Qt.ItemDataRole.UserRole, colour)
                item.setIcon(NAME, swatch(colour))
            item.setToolTip(NAME, tooltip)
        self.blockSignals(False)

    def show_chosen(self, ids: Iterable[str]) -> None:
        wanted = set(ids)
        self.blockSignals(True)
        for item in self.selectedItems():
            if item.data(NAME, Qt.ItemDataRole.UserRole) not in wanted:
                item.setSelected(False)
        for name in wanted & self._rows.keys():
            self._rows[name].setSelected(True)
        last = next((self._rows[i] for i in wanted if i in self._rows), None)
        if last is not None:
            self.scrollToItem(last)
        self.blockSignals(False)

    def _selected(self) -> None:
        some = [str(i.data(NAME, Qt.ItemDataRole.UserRole)) for i in self.selectedItems()]
        self.chosen.emit(some)

    def _changed(self, item: QTreeWidgetItem, column: int) -> None:
        if column == NAME:
            self.renamed.emit(str(item.data(NAME, Qt.ItemDataRole.UserRole)), item.text(NAME))


def short(text: str) -> str:
    """Names may be long, and hold line breaks."""
    words = " ".join(text.split())
    return words if len(words) <= SHORT else f"{words[: SHORT - 1]}…"
