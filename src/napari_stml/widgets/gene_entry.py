"""A line for one or several genes, completed while one types, and for gene sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QStringListModel, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QCompleter,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import qdebounced

from napari_stml.core.errors import StmlError
from napari_stml.viewer.several import WAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.io.section import Section


class GeneEntry(QWidget):
    """``chosen`` gives the names typed, ``set_chosen`` a gene set's title and genes."""

    chosen = Signal(object)
    set_chosen = Signal(str, object)
    said = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._section: Section | None = None
        self._sets: Mapping[str, tuple[str, ...]] = {}
        self.line = QLineEdit()
        self.line.setPlaceholderText("a gene, or several: ERBB2, ESR1")
        self._model = QStringListModel()
        self._completer = QCompleter(self._model, self)
        self._completer.setWidget(self.line)
        self._completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self._completer.activated.connect(self._take)
        self.line.textEdited.connect(self._complete)
        self.line.returnPressed.connect(self._enter)
        self.open_sets = QToolButton()
        self.open_sets.setText("Sets...")
        self.open_sets.setToolTip("Open gene sets (GMT, CSV or a plain list)")
        self.open_sets.clicked.connect(self._ask_file)
        self.sets = QComboBox()
        self.sets.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.sets.textActivated.connect(self._set_taken)
        self.sets.hide()
        self.how = QComboBox()
        self.how.addItems(WAYS)
        self.how.setToolTip("How several genes become one number")
        self.how.hide()
        self.how.textActivated.connect(lambda _: self._enter())
        row = QHBoxLayout()
        row.addWidget(self.line, 1)
        row.addWidget(self.open_sets)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(row)
        layout.addWidget(self.sets)
        layout.addWidget(self.how)

    def show_section(self, section: Section) -> None:
        self._section = section
        self.clear()

    def clear(self) -> None:
        self.line.clear()
        self.how.hide()

    def names(self) -> tuple[str, ...]:
        return tuple(n.strip() for n in self.line.text().split(",") if n.strip())

    def open_file(self, path: str) -> None:
        """Offer the gene sets of a file."""
        from napari_stml.io.bring_in.gene_lists import bring_in_genes

        if self._section is None:
            return
        genes = [str(v) for t in self._section.tables.values() for v in t.var_names]
        try:
            found = bring_in_genes(path, genes)
        except StmlError as error:
            self.said.emit(str(error))
            return
        self._sets = {title: names for title, names in found.lists.items() if names}
        self.sets.clear()
        self.sets.addItems(["choose a gene set", *self._sets])
        self.sets.setVisible(bool(self._sets))
        self.said.emit(f"{len(self._sets)} gene sets of {found.source}")

    def _ask_file(self) -> None:
        kinds = "Gene sets (*.gmt *.csv *.tsv *.txt);;All files (*)"
        path, _ = QFileDialog.getOpenFileName(self, "Open gene sets", "", kinds)
        if path:
            self.open_file(path)

    def _set_taken(self, title: str) -> None:
        if title in self._sets:
            self.line.clear()
            self.how.show()
            self.set_chosen.emit(title, self._sets[title])

    @qdebounced(timeout=80)  # type: ignore[untyped-decorator]
    def _complete(self, text: str) -> None:
        last = text.rpartition(",")[2].strip()
        if self._section is None or not last:
            return
        self._model.setStringList(list(self._section.search(last, limit=30)))
        self._completer.complete()

    def _take(self, name: Any) -> None:
        before = self.line.text().rpartition(",")[0]
        self.line.setText(f"{before}, {name}" if before else str(name))
        self._enter()

    def _enter(self) -> None:
        names = self.names()
        self.how.setVisible(len(names) > 1 or bool(self._sets))
        if names:
            self.chosen.emit(names)
        elif self.sets.currentText() in self._sets:
            self._set_taken(self.sets.currentText())
