"""The page "Look": what the observations show, how they are drawn, which are selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_stml.viewer.colours import MAPS
from napari_stml.viewer.keys import KEYS
from napari_stml.widgets.elements_list import ElementsList
from napari_stml.widgets.fold import Fold
from napari_stml.widgets.gene_entry import GeneEntry
from napari_stml.widgets.limits_rows import LimitsRows

if TYPE_CHECKING:
    from napari_stml.io.section import Section
    from napari_stml.viewer.shown import Shown
    from napari_stml.viewer.state import ViewerState


ZOOMS = (
    ("All", "everything", "Everything (Shift+Q)"),
    ("Tissue", "tissue", "The stained part of the slide (Shift+N)"),
    ("Selected", "selection", "The selected observations (N)"),
    ("Region", "region", "The next drawn region (Q)"),
)


class Look(QWidget):
    """Wishes only, named like what does them in the viewer's state; `serve` ties the two."""

    colour_requested = Signal(str, str)
    genes_requested = Signal(object, str, str, str)
    limits_requested = Signal(float, float, bool)
    threshold_requested = Signal(object, object, bool)
    size_requested = Signal(float)
    opacity_requested = Signal(float)
    overlay_requested = Signal(bool)
    swipe_requested = Signal(str, str)
    rule_requested = Signal(str)
    zoom_requested = Signal(str)
    isolate_requested = Signal(int)
    undo_requested = Signal()
    element_requested = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self._section: Section | None = None
        self._state: ViewerState | None = None
        self._name = self._painted = ""
        self.column = _narrow(QComboBox())
        self.column.setToolTip("A column of the table: labels, clusters, scores")
        self.column.textActivated.connect(self._column_chosen)
        self.gene = GeneEntry()
        self.gene.chosen.connect(self._genes_chosen)
        self.gene.set_chosen.connect(self._set_chosen)
        self.gene.said.connect(self.say)
        self.colour_map = _narrow(QComboBox())
        self.colour_map.addItems(MAPS)
        self.colour_map.textActivated.connect(self._again)
        self.limits = LimitsRows()
        self.limits.limits_requested.connect(self.limits_requested)
        self.limits.threshold_requested.connect(self.threshold_requested)
        self.visible = QCheckBox("shown")
        self.visible.setToolTip("Observations on or off (H on the canvas)")
        self.visible.setChecked(True)
        self.visible.toggled.connect(self.overlay_requested)
        self.opacity = _slider(0, 100, 85, "How opaque the observations are")
        self.opacity.valueChanged.connect(lambda v: self.opacity_requested.emit(v / 100))
        self.size = _slider(20, 300, 100, "Size in per cent of the true one")
        self.size.valueChanged.connect(lambda v: self.size_requested.emit(v / 100))
        self.elements = ElementsList()
        self.elements.element_requested.connect(self.element_requested)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self._lay_out()
        self.setEnabled(False)

    def _lay_out(self) -> None:
        form = _form()
        form.addRow("Column", self.column)
        form.addRow("Gene", self.gene)
        form.addRow("Colours", self.colour_map)
        form.addRow(self.limits)
        shown = QHBoxLayout()
        shown.addWidget(self.opacity, 1)
        shown.addWidget(self.visible)
        form.addRow("Opacity", shown)
        form.addRow("Size", self.size)
        form.addRow("Zoom to", self._going())
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(6, 4, 6, 8)
        hint = QLabel("Colour the spots by a column or a gene.")
        hint.setWordWrap(True)
        layout.addWidget(hint)
        layout.addLayout(form)
        layout.addWidget(self._selecting())
        layout.addWidget(self._comparing())
        layout.addWidget(self._keys())
        layout.addWidget(self.elements)
        layout.addWidget(self.message)
        layout.addStretch(1)
        area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        own = QVBoxLayout(self)
        own.setContentsMargins(0, 0, 0, 0)
        own.addWidget(area)

    def _selecting(self) -> QWidget:
        self.rule = QLineEdit()
        self.rule.setPlaceholderText('ERBB2 > 2 and label = "invasive cancer"')
        self.rule.setToolTip(
            "Selects the observations that fulfil the rule: = != < > <= >=, in (a, b),\n"
            "is missing; and, or, not, brackets. Enter to apply, empty to select nothing."
        )
        self.rule.returnPressed.connect(lambda: self.rule_requested.emit(self.rule.text()))
        form = _form()
        form.addRow("Rule", self.rule)
        return _folded("Select", form)

    def _going(self) -> QHBoxLayout:
        """Where to look: always in sight, for one gets lost at high zoom."""
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for text, where, help_text in ZOOMS:
            button = QPushButton(text)
            button.setMinimumWidth(20)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            button.setStyleSheet("padding: 3px 1px;")
            button.setToolTip(help_text)
            button.clicked.connect(lambda _=False, w=where: self.zoom_requested.emit(w))
            row.addWidget(button, max(3, len(text)))
        return row

    def _comparing(self) -> QWidget:
        self.second = QLineEdit()
        self.second.setPlaceholderText("a second column or gene")
        self.second.setToolTip("Shown right of a line that can be dragged; empty ends it")
        self.second.returnPressed.connect(
            lambda: self.swipe_requested.emit(self.second.text(), self.colour_map.currentText())
        )
        row = QHBoxLayout()
        for text, step in (("Previous", -1), ("Next", 1), ("All", 0)):
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, s=step: self.isolate_requested.emit(s))
            row.addWidget(button)
        self.undo = QPushButton("Undo")
        self.undo.setToolTip("Take back the latest rename, merge or colour of a category")
        self.undo.clicked.connect(self.undo_requested)
        self.undo.setEnabled(False)
        form = _form()
        form.addRow("Swipe", self.second)
        form.addRow(QLabel("One category after the other"))
        form.addRow(row)
        form.addRow(self.undo)
        return _folded("Compare", form)

    def _keys(self) -> QWidget:
        form = _form()
        for key, what in KEYS.items():
            form.addRow(key.replace("-", "+"), QLabel(what))
        return _folded("Keys on the canvas", form)

    def serve(self, state: ViewerState) -> None:
        """Let a viewer do what is wished for here, and show what it says."""
        wishes = state.wishes
        self._state = state
        self.colour_requested.connect(wishes.colour_requested)
        self.genes_requested.connect(wishes.genes_requested)
        self.limits_requested.connect(wishes.limits_requested)
        self.threshold_requested.connect(wishes.threshold_requested)
        self.size_requested.connect(wishes.size_requested)
        self.opacity_requested.connect(wishes.opacity_requested)
        self.overlay_requested.connect(wishes.overlay_requested)
        self.swipe_requested.connect(wishes.swipe_requested)
        self.rule_requested.connect(wishes.rule_requested)
        self.zoom_requested.connect(wishes.zoom_requested)
        self.isolate_requested.connect(wishes.isolate_requested)
        self.undo_requested.connect(wishes.undo_requested)
        self.element_requested.connect(wishes.element_requested)
        state.said.connect(self.say)
        state.shown_changed.connect(self._shown_changed)

    def show_section(self, section: Section) -> None:
        self._section = section
        self._name = self._painted = ""
        self.column.clear()
        self.column.addItems(["", *section.columns()])
        self.gene.show_section(section)
        self.rule.clear()
        self.second.clear()
        self.elements.show_section(section)
        self.limits.explain(None)
        there = section.observations is not None
        for control in (self.column, self.gene, self.colour_map, self.opacity, self.size):
            control.setEnabled(there)
        self.setEnabled(True)

    def show_nothing(self) -> None:
        """No section is open."""
        self._section = None
        self._name = self._painted = ""
        self.column.clear()
        self.gene.clear()
        self.limits.explain(None)
        self.elements.hide()
        self.say("")
        self.setEnabled(False)

    def say(self, text: str) -> None:
        self.message.setText(text)

    def _shown_changed(self) -> None:
        view = self._state.current if self._state is not None else None
        shown = view.shown if view is not None else None
        self.limits.explain(shown)
        if shown is not None:
            self._say_shown(shown)
        title = self._state.wishes.undo_title if self._state is not None else ""
        self.undo.setText(f"Undo: {title}" if title else "Undo")
        self.undo.setEnabled(bool(title))

    def _say_shown(self, shown: Shown) -> None:
        """Let the pickers name what is painted, whoever asked for it; asks for nothing."""
        if shown.scale is not None and shown.scale.name in MAPS:
            self.colour_map.setCurrentText(shown.scale.name)
        if shown.name == self._painted or self._section is None:
            return  # a slider moves; the names stay
        self._painted = shown.name
        self.column.setCurrentIndex(max(0, self.column.findText(shown.name)))
        if self.column.currentIndex():
            self._name = shown.name
            self.gene.clear()
        elif shown.name in self._section.search(shown.name, limit=1):
            self._name = shown.name
            self.gene.line.setText(shown.name)

    def _column_chosen(self, name: str) -> None:
        if name:
            self.gene.clear()
            self._ask(name)

    def _genes_chosen(self, names: tuple[str, ...]) -> None:
        self.column.setCurrentIndex(0)
        if len(names) == 1:
            self._ask(names[0])
        else:
            self._name = ""
            self.genes_requested.emit(
                names, self.gene.how.currentText(), self.colour_map.currentText(), ""
            )

    def _set_chosen(self, title: str, names: tuple[str, ...]) -> None:
        self.column.setCurrentIndex(0)
        self._name = ""
        self.genes_requested.emit(
            names, self.gene.how.currentText(), self.colour_map.currentText(), title
        )

    def _again(self, _map: str) -> None:
        if self._name:
            self._ask(self._name)
        elif len(self.gene.names()) > 1:
            self._genes_chosen(self.gene.names())

    def _ask(self, name: str) -> None:
        self._name = name
        self.colour_requested.emit(name, self.colour_map.currentText())


def _form() -> QFormLayout:
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def _folded(title: str, form: QFormLayout) -> QWidget:
    content = QWidget()
    content.setLayout(form)
    return Fold(title, content)


def _slider(low: int, high: int, value: int, help_text: str) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(low, high)
    slider.setValue(value)
    slider.setToolTip(help_text)
    return slider


def _narrow(box: QComboBox) -> QComboBox:
    """Long names must not make the dock wider than its 350 px."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    return box
