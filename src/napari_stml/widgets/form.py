"""A form from a parameter model: one row a field, explicit, with units and help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_stml.core.params import applies
from napari_stml.widgets.fold import Fold
from napari_stml.widgets.form_rows import TALL, Field, row
from napari_stml.widgets.style import ERROR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.params import Params
    from napari_stml.widgets.form_rows import Answers


LABEL = 118
"""Width of the labels, so that a page fits 350 px beside the rail."""


class Form(QWidget):
    """Rows for every field; rare ones under "More".

    Parameters
    ----------
    model
        The parameter class.
    answers
        What a field may name: columns, genes, tables, Runs, ... of the current section.
    """

    changed = Signal()

    def __init__(self, model: type[Params], answers: Answers) -> None:
        super().__init__()
        self.model = model
        fields = [Field.of(name, info) for name, info in model.model_fields.items()]
        self.rows = {field.name: row(field, answers) for field in fields}
        self._labels: dict[str, QLabel] = {}
        self._always = {f.name for f in fields if not f.hint.get("when")}
        usual, rare = (
            self._part([f.name for f in fields if bool(f.hint.get("rare")) is kind])
            for kind in (False, True)
        )
        self.more = Fold("More", rare)
        self.more.setVisible(any(f.hint.get("rare") for f in fields))
        self.error = QLabel()
        self.error.setWordWrap(True)
        self.error.setStyleSheet(ERROR)
        self.error.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (usual, self.more, self.error):
            layout.addWidget(part)
        self._show_applying()
        self._start = self._written()

    def values(self) -> Params | None:
        """The parameters as they stand; None, with the reason shown, when they do not hold.

        Fields that do not apply beside the others are hidden and have their default.
        """
        given = self.given()
        try:
            params = self.model.model_validate(given)
        except ValidationError as error:
            self._say("\n".join(_words(self.model, e) for e in error.errors()))
            return None
        self._say("")
        return params

    def show_values(self, params: Params) -> None:
        """Fill the rows, as when a stored Run is repeated with other values."""
        for name, each in self.rows.items():
            each.write(getattr(params, name))

    def changes(self) -> dict[str, Any]:
        """What the user has written, by row; rows as they began are left out."""
        return {n: v for n, v in self._written().items() if v != self._start[n]}

    def take(self, changes: Mapping[str, Any]) -> None:
        """Write what was written in the form that stood here before."""
        for name, value in changes.items():
            self.rows[name].write(value)

    def in_hand(self) -> str:
        """The row that has the keys now, or ""."""
        held = self.window().focusWidget()
        for name, each in self.rows.items():
            native = each.widget.native
            if held is not None and (held is native or native.isAncestorOf(held)):
                return name
        return ""

    def given(self) -> dict[str, Any]:
        """What stands in the rows that apply, not yet checked."""
        typed = self._written()
        fields = self.model.model_fields
        return {name: typed[name] for name in typed if applies(fields[name], typed)}

    def _written(self) -> dict[str, Any]:
        return {name: each.read() for name, each in self.rows.items()}

    def _show_applying(self) -> None:
        given = self.given()
        for name in self.rows.keys() - self._always:
            self.rows[name].widget.native.setVisible(name in given)
            self._labels[name].setVisible(name in given)

    def _part(self, names: list[str]) -> QWidget:
        """Rows under each other; fields of several lines take the whole width."""
        part = QWidget()
        layout = QFormLayout(part)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name in names:
            widget = self.rows[name].widget
            label = QLabel(widget.label)
            label.setToolTip(widget.tooltip)
            label.setWordWrap(True)
            self._labels[name] = label
            widget.native.setMinimumWidth(90)
            widget.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            if isinstance(widget, TALL):
                widget.native.setFixedHeight(96)
                layout.addRow(label)
                layout.addRow(widget.native)
            else:
                label.setFixedWidth(LABEL)
                layout.addRow(label, widget.native)
            widget.changed.connect(self._edited)
        return part

    def _edited(self) -> None:
        self._show_applying()
        self.values()
        self.changed.emit()

    def _say(self, text: str) -> None:
        self.error.setText(text)
        self.error.setVisible(bool(text))


def _words(model: type[Params], error: Any) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    info = model.model_fields.get(name)
    return f"{info.title if info else name}: {error['msg']}"
