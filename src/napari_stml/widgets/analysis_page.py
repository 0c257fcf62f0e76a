"""A page of analyses: what they are for, their form, and Run."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_stml.core.errors import StmlError
from napari_stml.widgets.form import Form
from napari_stml.widgets.style import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtGui import QShowEvent

    from napari_stml.core.params import Params
    from napari_stml.widgets.form_rows import Answers

CONTEXT = {
    "inside": "Looks only at what is inside the scope.",
    "around": "Reads neighbours outside the scope, reports inside.",
}


REST_MS = 250


class AnalysisPage(QWidget):
    """The analyses of one tab.

    The form is drawn when it is looked at, anew when what may be named has changed; what was
    written into it stays, also while another analysis is looked at.
    """

    run_requested = Signal(str, object)
    preview_requested = Signal(str, object)

    def __init__(self, analyses: Mapping[str, Any]) -> None:
        super().__init__()
        self._analyses = dict(analyses)
        self._answers: Answers | None = None
        self._form: Form | None = None
        self._due = False
        self._written: dict[str, Mapping[str, Any]] = {}
        self.picker = QComboBox()
        for name, analysis in self._analyses.items():
            self.picker.addItem(analysis.title, name)
        self.picker.currentIndexChanged.connect(self._draw)
        self.purpose = QLabel()
        self.purpose.setWordWrap(True)
        self.button = QPushButton("Run")
        self.button.setStyleSheet(PRIMARY)
        self.button.clicked.connect(partial(self._ask, self.run_requested))
        self.preview = QPushButton("Preview")
        self.preview.setToolTip("Run it on what is visible now; the next Run takes its place")
        self.preview.clicked.connect(partial(self._ask, self.preview_requested))
        self.ahead = QLabel()
        self.ahead.setWordWrap(True)
        self.ahead.setTextFormat(Qt.TextFormat.PlainText)
        self.ahead.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.ahead.hide()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(REST_MS)
        self._soon.timeout.connect(self.foresee)
        self._place = QVBoxLayout()
        inner = QWidget()
        inside = QVBoxLayout(inner)
        inside.setContentsMargins(8, 4, 8, 8)
        inside.addWidget(self.picker)
        inside.addWidget(self.purpose)
        inside.addLayout(self._place)
        inside.addWidget(self.ahead)
        row = QHBoxLayout()
        row.addWidget(self.button, 1)
        row.addWidget(self.preview)
        inside.addLayout(row)
        inside.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inner)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        self.setEnabled(False)

    @property
    def analysis(self) -> Any:
        return self._analyses[self.picker.currentData()]

    def offer(self, answers: Answers) -> None:
        """Draw the forms for what the current section holds."""
        self._answers = answers
        self._due = True
        self.setEnabled(True)
        if self.isVisible():
            self._draw()

    @property
    def form(self) -> Form | None:
        if self._due:
            self._draw()
        return self._form

    def showEvent(self, event: QShowEvent | None) -> None:
        if self._due:
            self._draw()
        super().showEvent(event)

    def show_nothing(self) -> None:
        """No section is open: there is nothing to run on."""
        self.setEnabled(False)

    def choose(self, name: str, params: Params | None = None) -> None:
        """Show one analysis, filled as in a stored Run."""
        place = self.picker.findData(name)
        if place < 0:  # one that no form makes (a correction by hand)
            return
        self.picker.setCurrentIndex(place)
        if params is not None and self.form is not None:
            self.form.show_values(params)

    def _draw(self) -> None:
        if self._answers is None:
            return
        self._due = False
        held = self._put_away()
        text = inspect.getdoc(self.analysis) or ""
        self.purpose.setText(f"{text.split(chr(10) * 2)[0]} {CONTEXT[self.analysis.context]}")
        self._form = Form(self.analysis.Params, self._answers)
        self._form.setObjectName(self.analysis.name)
        self._form.take(self._written.get(self.analysis.name, {}))
        self._form.changed.connect(self._soon.start)
        self._place.addWidget(self._form)
        if held in self._form.rows:
            self._form.rows[held].widget.native.setFocus()
        self.foresee()
        self.preview.setVisible(self.analysis.sections == "one")

    def _put_away(self) -> str:
        """Take the form off the page, remember what was written; the row that had the keys."""
        form, self._form = self._form, None
        if form is None:
            return ""
        self._written[form.objectName()] = form.changes()
        held = form.in_hand() if form.objectName() == self.analysis.name else ""
        self._place.removeWidget(form)
        form.hide()
        form.deleteLater()
        return held

    def foresee(self) -> None:
        """Say what a Run would take for what, where the analysis knows before."""
        said: list[str] = []
        tells = getattr(self.analysis, "foresee", None)
        if tells is not None and self.form is not None:
            try:
                said = list(tells(self.form.model.model_validate(self.form.given())))
            except ValidationError:
                pass  # the form says what is missing when Run is clicked
            except StmlError as error:
                said = [str(error)]
        self.ahead.setText("\n".join(said))
        self.ahead.setVisible(bool(said))

    def _ask(self, wish: Any, _: bool = False) -> None:
        params = self.form.values() if self.form is not None else None
        if params is not None:
            wish.emit(self.analysis.name, params)
