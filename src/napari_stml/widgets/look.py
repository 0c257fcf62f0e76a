"""The page "Look": colour the spots by a column or a gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QStringListModel, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QCompleter,
    QFormLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import qdebounced

from napari_stml.viewer.colours import MAPS

if TYPE_CHECKING:
    from napari_stml.io.section import Section


class Look(QWidget):
    """Wishes only: what to colour by, which colour map, how opaque."""

    colour_requested = Signal(str, str)
    opacity_requested = Signal(float)
    element_requested = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self._section: Section | None = None
        self.column = QComboBox()
        self.column.setToolTip("A column of the table: labels, clusters, scores")
        self.column.textActivated.connect(self._column_chosen)
        self.gene = QLineEdit()
        self.gene.setPlaceholderText("Type a gene")
        self._model = QStringListModel()
        completer = QCompleter(self._model, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        completer.activated.connect(self._gene_chosen)
        self.gene.setCompleter(completer)
        self.gene.textEdited.connect(self._complete)
        self.gene.returnPressed.connect(lambda: self._gene_chosen(self.gene.text()))
        self.colour_map = QComboBox()
        self.colour_map.addItems(MAPS)
        self.colour_map.textActivated.connect(self._again)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(85)
        self.opacity.valueChanged.connect(lambda v: self.opacity_requested.emit(v / 100))
        form = QFormLayout()
        form.addRow("Column", self.column)
        form.addRow("Gene", self.gene)
        form.addRow("Colours", self.colour_map)
        form.addRow("Opacity", self.opacity)
        self.elements = QListWidget()
        self.elements.setToolTip("Double-click to show it on the canvas")
        self.elements.setMaximumHeight(140)
        self.elements.itemDoubleClicked.connect(self._element_chosen)
        self.point_genes = QLineEdit()
        self.point_genes.setPlaceholderText("genes of transcripts, e.g. ERBB2, CD3D (empty: all)")
        self._more = QWidget()
        more = QVBoxLayout(self._more)
        more.setContentsMargins(0, 6, 0, 0)
        more.addWidget(QLabel("Also in this section (double-click to show)"))
        more.addWidget(self.elements)
        more.addWidget(self.point_genes)
        self._more.hide()
        self.message = QLabel()
        self.message.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.addWidget(QLabel("Colour the spots by a column or a gene."))
        layout.addLayout(form)
        layout.addWidget(self._more)
        layout.addWidget(self.message)
        layout.addStretch(1)
        self._name = ""
        self.setEnabled(False)

    def show_section(self, section: Section) -> None:
        self._section = section
        self._name = ""
        self.column.clear()
        self.column.addItems(["", *section.columns()])
        self.gene.clear()
        self.elements.clear()
        for element in section.elements:
            count = "" if element.count is None else f"  ({element.count:,})"
            item = QListWidgetItem(f"{element.name}{count}")
            item.setData(Qt.ItemDataRole.UserRole, element.name)
            self.elements.addItem(item)
        self._more.setVisible(bool(section.elements))
        self.point_genes.setVisible(any(e.kind == "points" for e in section.elements))
        for control in (self.column, self.gene, self.colour_map, self.opacity):
            control.setEnabled(section.observations is not None)
        self.setEnabled(True)

    def say(self, text: str) -> None:
        self.message.setText(text)

    @qdebounced(timeout=80)  # type: ignore[untyped-decorator]
    def _complete(self, text: str) -> None:
        if self._section is not None:
            self._model.setStringList(list(self._section.search(text, limit=30)))

    def _element_chosen(self, item: QListWidgetItem) -> None:
        name = item.data(Qt.ItemDataRole.UserRole)
        self.element_requested.emit(name, self.point_genes.text())

    def _column_chosen(self, name: str) -> None:
        if name:
            self.gene.clear()
            self._ask(name)

    def _gene_chosen(self, name: str) -> None:
        if name:
            self.column.setCurrentIndex(0)
            self._ask(name)

    def _again(self, _map: str) -> None:
        if self._name:
            self._ask(self._name)

    def _ask(self, name: str) -> None:
        self._name = name
        self.colour_requested.emit(name, self.colour_map.currentText())
