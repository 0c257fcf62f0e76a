"""What else a section holds, to be shown by a double click: transcripts, outlines, masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from napari_stml.io.section import Section


class ElementsList(QWidget):
    """Hidden where there is nothing more."""

    element_requested = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self.list = QListWidget()
        self.list.setToolTip("Double-click to show it on the canvas")
        self.list.setMaximumHeight(140)
        self.list.itemDoubleClicked.connect(self._chosen)
        self.genes = QLineEdit()
        self.genes.setPlaceholderText("genes of transcripts, e.g. ERBB2, CD3D (empty: all)")
        title = QLabel("Also in this section (double-click to show)")
        title.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(title)
        layout.addWidget(self.list)
        layout.addWidget(self.genes)
        self.hide()

    def show_section(self, section: Section) -> None:
        self.list.clear()
        for element in section.elements:
            count = "" if element.count is None else f"  ({element.count:,})"
            self._add(element.name, f"{element.name}{count}")
        masks = [name for name, placed in section.images.items() if placed.role == "mask"]
        for name in masks:
            self._add(name, f"{name}  (mask)")
        self.setVisible(bool(section.elements or masks))
        self.genes.setVisible(any(e.kind == "points" for e in section.elements))

    def _add(self, name: str, text: str) -> None:
        item = QListWidgetItem(text)
        item.setData(Qt.ItemDataRole.UserRole, name)
        self.list.addItem(item)

    def _chosen(self, item: QListWidgetItem) -> None:
        self.element_requested.emit(item.data(Qt.ItemDataRole.UserRole), self.genes.text())
