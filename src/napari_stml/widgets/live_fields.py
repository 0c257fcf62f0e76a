"""The fields of a live panel: sliders for numbers, pickers for everything else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSlider,
    QWidget,
)

from napari_stml.widgets.form_rows import Field, bounds, row

if TYPE_CHECKING:
    from napari_stml.widgets.form_rows import Answers

STEPS = 200


def live_field(field: Field, start: Any, answers: Answers) -> Slider | Picker | Place | Held:
    """A slider for a number, a click on the canvas, else the row that the form has for it."""
    if field.source == "place":
        return Place(field, start)
    if field.source == "selection":
        return Held(field, start)
    number = field.kind in {int, float} and not field.optional and field.source is None
    return Slider(field, start) if number else Picker(field, start, answers)


class Picker(QWidget):
    """A choice, a switch or a name of the section."""

    moved = Signal()

    def __init__(self, field: Field, start: Any, answers: Answers) -> None:
        super().__init__()
        self.title = str(field.look["label"])
        self._row = row(field, answers)
        self._row.write(start)
        native = self._row.widget.native
        native.setMinimumWidth(90)
        native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        native.setToolTip(str(field.look["tooltip"]))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(native)
        self._row.widget.changed.connect(lambda: self.moved.emit())
        self._of_run = field.source == "part_column"

    def take(self, name: str, *, quietly: bool) -> bool:
        """Go to a column of the Run that was clicked elsewhere; False where it is none."""
        if not self._of_run or name not in self._row.widget.choices:
            return False
        before = self.blockSignals(quietly)
        self.value = name
        self.blockSignals(before)
        return True

    @property
    def value(self) -> Any:
        return self._row.read()

    @value.setter
    def value(self, value: Any) -> None:
        self._row.write(value)


class Place(QWidget):
    """Where the user clicked on the canvas, in reference pixels; empty until then."""

    moved = Signal()

    def __init__(self, field: Field, start: Any) -> None:
        super().__init__()
        self.title = str(field.look["label"])
        self._text = QLabel()
        self._text.setMinimumWidth(60)  # in a narrow dock the button stays whole
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._text.setToolTip(str(field.look["tooltip"]))
        self._clear = QPushButton("Clear")
        self._clear.clicked.connect(self._cleared)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._clear)
        self.value = start

    @property
    def value(self) -> tuple[float, ...]:
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._value: tuple[float, ...] = tuple(float(v) for v in value)
        given = len(self._value) == 2
        self._text.setText(
            f"{self._value[0]:.0f}, {self._value[1]:.0f} px" if given else "click on the tissue"
        )
        self._clear.setVisible(given)
        self.moved.emit()

    def _cleared(self) -> None:
        self.value = ()


class Held(QWidget):
    """A selection that is kept while another one is made; empty until then."""

    moved = Signal()

    def __init__(self, field: Field, start: Any) -> None:
        super().__init__()
        self.title = str(field.look["label"])
        self._selected: tuple[str, ...] = ()
        self._text = QLabel()
        self._text.setToolTip(str(field.look["tooltip"]))
        self._hold = QPushButton("Hold selection")
        self._hold.setToolTip("What is selected now is kept here; then select something else")
        self._hold.clicked.connect(self._held)
        self._clear = QPushButton("Clear")
        self._clear.clicked.connect(self._cleared)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._hold)
        layout.addWidget(self._clear)
        self.follow(())
        self.value = start

    @property
    def value(self) -> tuple[str, ...]:
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._value: tuple[str, ...] = tuple(str(v) for v in value)
        self._text.setText(f"{len(self._value):,} held" if self._value else "the rest")
        self._clear.setVisible(bool(self._value))
        self.moved.emit()

    def follow(self, selection: tuple[str, ...]) -> None:
        """What could be held now."""
        self._selected = selection
        self._hold.setEnabled(bool(selection))

    def _held(self) -> None:
        self.value = self._selected

    def _cleared(self) -> None:
        self.value = ()


class Slider(QWidget):
    """A number of a live model: whole or not, linear or logarithmic."""

    moved = Signal()

    def __init__(self, field: Field, start: Any) -> None:
        super().__init__()
        low, high = bounds(field.info)
        self._low = float(low if low is not None else 0.0)
        self._high = float(high if high is not None else max(1.0, 2 * float(start)))
        self._whole = field.kind is int
        self._log = bool(field.hint.get("log")) and self._low > 0
        self.title = str(field.look["label"])
        self._line = QSlider(Qt.Orientation.Horizontal)
        step = field.hint.get("step")
        span = self._high - self._low
        self._steps = round(span / step) if step and not self._log else STEPS
        self._line.setRange(0, int(span) if self._whole else self._steps)
        self._line.setMinimumWidth(110)
        self._line.setToolTip(str(field.look["tooltip"]))
        self._text = QLineEdit()
        self._text.setFixedWidth(46)
        self._text.setToolTip("Type a value")
        self._text.editingFinished.connect(self._typed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line, 1)
        layout.addWidget(self._text)
        self.value = start
        self._line.valueChanged.connect(self._changed)

    @property
    def value(self) -> Any:
        if self._whole:
            return round(self._low) + self._line.value()
        part = self._line.value() / self._steps
        if self._log:
            return float(self._low * (self._high / self._low) ** part)
        return round(self._low + part * (self._high - self._low), 6)

    @value.setter
    def value(self, value: Any) -> None:
        if self._whole:
            place = round(value - self._low)
        elif self._log:
            place = round(
                self._steps * math.log(value / self._low) / math.log(self._high / self._low)
            )
        else:
            place = round(self._steps * (value - self._low) / (self._high - self._low))
        self._line.setValue(place)
        self._say()

    def _changed(self) -> None:
        self._say()
        self.moved.emit()

    def _typed(self) -> None:
        """Go to the typed number, or the nearest the slider has; what is no number is undone."""
        try:
            wanted = float(self._text.text().replace(",", "."))
        except ValueError:
            self._say()
            return
        top = self._low + self._line.maximum() if self._whole else self._high
        self.value = min(max(wanted, self._low), top)

    def _say(self) -> None:
        value = self.value
        self._text.setText(str(value) if self._whole else f"{value:.3g}")
