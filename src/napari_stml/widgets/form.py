"""A form from a parameter model: one row a field, explicit, with units and help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui import widgets as mg
from pydantic import ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QToolButton, QVBoxLayout, QWidget

from napari_stml.widgets.form_rows import Field, row

if TYPE_CHECKING:
    from napari_stml.core.params import Params
    from napari_stml.widgets.form_rows import Answers


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
        usual, rare = (
            self._container([f.name for f in fields if bool(f.hint.get("rare")) is kind])
            for kind in (False, True)
        )
        rare.native.hide()
        more = QToolButton()
        more.setText("More")
        more.setCheckable(True)
        more.setVisible(len(rare) > 0)
        more.toggled.connect(rare.native.setVisible)
        self.error = QLabel()
        self.error.setWordWrap(True)
        self.error.setStyleSheet("color: #d55e00;")
        self.error.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (usual.native, more, rare.native, self.error):
            layout.addWidget(part)

    def values(self) -> Params | None:
        """The parameters as they stand; None, with the reason shown, when they do not hold."""
        given = {name: each.read() for name, each in self.rows.items()}
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

    def _container(self, names: list[str]) -> Any:
        container = mg.Container(widgets=[self.rows[n].widget for n in names], labels=True)
        container.margins = (0, 0, 0, 0)
        for name in names:
            self.rows[name].widget.native.setMinimumWidth(60)
        container.changed.connect(self._edited)
        return container

    def _edited(self) -> None:
        self.values()
        self.changed.emit()

    def _say(self, text: str) -> None:
        self.error.setText(text)
        self.error.setVisible(bool(text))


def _words(model: type[Params], error: Any) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    info = model.model_fields.get(name)
    return f"{info.title if info else name}: {error['msg']}"
