"""Learn while drawing: every stroke repaints the prediction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QGroupBox,
    QLabel,
    QPushButton,
)

from napari_stml.runs.desk import analyses
from napari_stml.runs.teaching import Answer, Teaching
from napari_stml.viewer.camera import centre_on
from napari_stml.viewer.parts import paint_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_stml.viewer.regions.desk import RegionDesk

EXPRESSION = "expression"
AFTER_MS = 60


class TeachBox(QGroupBox):
    """Prepares once, then learns after each edit, off the main thread."""

    run_requested = Signal(str, object)

    def __init__(self, desk: RegionDesk) -> None:
        super().__init__("Teach: predict the rest while drawing")
        self._desk = desk
        self._teaching: Teaching | None = None
        self.answer: Answer | None = None
        self._next = 0
        self.features = QComboBox()
        self.features.addItem(EXPRESSION)
        self.features.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.features.setToolTip("What is learnt on: expression, or stored features")
        self.on = QCheckBox("Teach")
        self.unsure = QCheckBox("Show how unsure")
        self.ask = QPushButton("Where next?")
        self.keep = QPushButton("Keep")
        self.keep.setToolTip("A Run of this prediction, with its classifier")
        self.words = QLabel("Draw examples of two classes or more.")
        self.words.setWordWrap(True)
        grid = QGridLayout(self)
        grid.setContentsMargins(6, 4, 6, 4)
        grid.addWidget(self.features, 0, 0, 1, 2)
        grid.addWidget(self.on, 1, 0)
        grid.addWidget(self.unsure, 1, 1)
        grid.addWidget(self.ask, 2, 0)
        grid.addWidget(self.keep, 2, 1)
        grid.addWidget(self.words, 3, 0, 1, 2)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(AFTER_MS)
        self._soon.timeout.connect(self._learn)
        self.on.toggled.connect(self._switched)
        self.features.currentTextChanged.connect(self._feature_changed)
        self.unsure.toggled.connect(self._paint)
        self.ask.clicked.connect(self.look_next)
        self.keep.clicked.connect(self._keep)
        desk.changed.connect(self._edited)
        desk.state.section_changed.connect(self._put_away)

    def offer(self, embeddings: Sequence[str]) -> None:
        """List the stored features of the section."""
        chosen = self.features.currentText()
        self.features.blockSignals(True)
        self.features.clear()
        self.features.addItems([EXPRESSION, *embeddings])
        self.features.setCurrentIndex(max(0, self.features.findText(chosen)))
        self.features.blockSignals(False)

    def _switched(self, on: bool) -> None:
        self._teaching = self.answer = None
        view = self._desk.view
        if not on or view is None:
            return
        name = self.features.currentText()
        new = Teaching(view.section, "" if name == EXPRESSION else name, False, 2)
        self.words.setText("Preparing the features ...")

        def ready(made: Teaching) -> None:
            if self.on.isChecked() and self._desk.view is view:
                self._teaching = made
                self._learn()

        self._desk.state.background.run("teach", new.prepare, ready, self._failed)

    def _feature_changed(self) -> None:
        if self.on.isChecked():
            self._switched(True)

    def _failed(self, words: str) -> None:
        self.words.setText(words)
        self.on.setChecked(False)

    def _put_away(self) -> None:
        self.on.setChecked(False)

    def _edited(self) -> None:
        if self._teaching is not None:
            self._soon.start()

    def _learn(self) -> None:
        drawing, teaching = self._desk.drawing, self._teaching
        if drawing is None or teaching is None:
            return
        regions = drawing.regions

        def show(answer: Answer | None) -> None:
            if self._teaching is not teaching:
                return
            self.answer, self._next = answer, 0
            if answer is None:
                self.words.setText("Draw examples of two classes or more.")
            else:
                self.words.setText(answer.words)
                self._paint()

        self._desk.state.background.run(
            "learn", lambda: teaching.learn(regions), show, self._failed
        )

    def _paint(self) -> None:
        if self.answer is None or self._desk.drawing is None:
            return
        if self.unsure.isChecked():
            paint_part(self._desk.state, self.answer.uncertainty)
            return
        classes = self._desk.drawing.classes
        part = self.answer.predicted
        colours = tuple(classes.colour_of(name) for name in part.categories)
        paint_part(self._desk.state, replace(part, colours=colours))

    def look_next(self) -> None:
        """Move to the next place where a label would help."""
        view = self._desk.view
        if self.answer is None or view is None or not len(self.answer.next_rows):
            return
        rows = self.answer.next_rows
        row = int(rows[self._next % len(rows)])
        self._next += 1
        observed = view.section.observations
        if observed is not None:
            centre_on(self._desk.state.viewer, view.frame.world_yx(observed.xy[row]))
            self._desk.state.said.emit(f"Unsure about {observed.names[row]}: give it a class.")

    def _keep(self) -> None:
        name = self.features.currentText()
        values: dict[str, Any] = {"embedding": "" if name == EXPRESSION else name, "smooth": 2}
        kind = analyses()["few-strokes"]
        self.run_requested.emit("few-strokes", kind.Params.model_validate(values))
