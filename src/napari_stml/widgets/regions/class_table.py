"""The classes of regions: colour, key, number, visible, locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTreeWidget, QTreeWidgetItem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtCore import QPoint

    from napari_stml.regions.classes import ClassList

NAME, KEY, COUNT, SHOWN, LOCKED = range(5)


class ClassTable(QTreeWidget):
    """One row per class; what the user does comes out as signals in the class's name."""

    chosen = Signal(str)
    renamed = Signal(str, str)
    hidden = Signal(str, bool)
    locked = Signal(str, bool)
    colour_requested = Signal(str)
    key_requested = Signal(str)
    removed = Signal(str)
    members_requested = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setColumnCount(5)
        self.setHeaderLabels(["Class", "Key", "n", "See", "Lock"])
        self.setRootIsDecorated(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setAccessibleName("Classes of regions")
        head = self.header()
        if head is not None:
            head.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
            head.setStretchLastSection(False)
            for column, width in ((KEY, 34), (COUNT, 40), (SHOWN, 34), (LOCKED, 38)):
                self.setColumnWidth(column, width)
        self.setFixedHeight(150)
        self._shown: tuple[ClassList, str] | None = None
        self.itemClicked.connect(self._clicked)
        self.itemChanged.connect(self._changed)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)

    def show_classes(self, classes: ClassList, counts: Mapping[str, int], pen: str) -> None:
        if self._shown is not None and self._shown[0] is classes and self._shown[1] == pen:
            self._show_counts(counts)
            return
        self._shown = (classes, pen)
        self.blockSignals(True)
        self.clear()
        for own in classes:
            row = QTreeWidgetItem([own.name, own.key, str(counts.get(own.name, 0)), "", ""])
            row.setData(NAME, Qt.ItemDataRole.UserRole, own.name)
            row.setIcon(NAME, swatch(own.colour))
            row.setToolTip(NAME, own.name)
            row.setFlags(row.flags() | Qt.ItemFlag.ItemIsEditable | Qt.ItemFlag.ItemIsUserCheckable)
            row.setCheckState(SHOWN, _state(not own.hidden))
            row.setCheckState(LOCKED, _state(own.locked))
            self.addTopLevelItem(row)
            if own.name == pen:
                self.setCurrentItem(row)
        self.blockSignals(False)

    def _show_counts(self, counts: Mapping[str, int]) -> None:
        """Most edits change nothing else."""
        self.blockSignals(True)
        for i in range(self.topLevelItemCount()):
            row = self.topLevelItem(i)
            if row is not None:
                row.setText(COUNT, str(counts.get(_name(row), 0)))
        self.blockSignals(False)

    def _clicked(self, row: QTreeWidgetItem, column: int) -> None:
        if column in (NAME, KEY, COUNT):
            self.chosen.emit(_name(row))

    def _changed(self, row: QTreeWidgetItem, column: int) -> None:
        name = _name(row)
        if column == NAME and row.text(NAME).strip() != name:
            self.renamed.emit(name, row.text(NAME).strip())
        elif column == SHOWN:
            self.hidden.emit(name, row.checkState(SHOWN) == Qt.CheckState.Unchecked)
        elif column == LOCKED:
            self.locked.emit(name, row.checkState(LOCKED) == Qt.CheckState.Checked)

    def _menu(self, at: QPoint) -> None:
        row = self.itemAt(at)
        if row is None:
            return
        name = _name(row)
        menu = QMenu(self)
        menu.addAction("Select its regions", lambda: self.members_requested.emit(name))
        menu.addAction("Colour ...", lambda: self.colour_requested.emit(name))
        menu.addAction("Key ...", lambda: self.key_requested.emit(name))
        menu.addAction("Remove the class", lambda: self.removed.emit(name))
        menu.exec(self.mapToGlobal(at))


def swatch(colour: str) -> QIcon:
    """A square of a colour."""
    picture = QPixmap(14, 14)
    picture.fill(QColor(colour))
    return QIcon(picture)


def _name(row: QTreeWidgetItem) -> str:
    return str(row.data(NAME, Qt.ItemDataRole.UserRole))


def _state(on: bool) -> Qt.CheckState:
    return Qt.CheckState.Checked if on else Qt.CheckState.Unchecked
