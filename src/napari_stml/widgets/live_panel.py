"""The one panel that drives every live update: sliders out, nearest answer painted at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QSlider, QWidget
from superqt.utils import qthrottled

from napari_stml.widgets.form_rows import Field, bounds

if TYPE_CHECKING:
    from napari_stml.core.params import LiveParams
    from napari_stml.core.results import Result
    from napari_stml.runs.answers import LiveAnswer
    from napari_stml.runs.workers import Workers

STEPS = 200


class LivePanel(QWidget):
    """Sliders for a Run's ``LiveParams``.

    ``moved`` carries results to be painted, on the main thread; ``keep_requested`` the position
    that is to become a Run.
    """

    moved = Signal(object)
    keep_requested = Signal(object)
    failed = Signal(str)
    _answered = Signal(object)
    _broke = Signal(object)

    def __init__(self, model: type[LiveParams], start: LiveParams) -> None:
        super().__init__()
        self.model = model
        self._session: Any = None
        self._sliders: dict[str, _Slider] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        for name, info in model.model_fields.items():
            slider = _Slider(Field.of(name, info), getattr(start, name))
            slider.moved.connect(self._moved)
            self._sliders[name] = slider
            layout.addRow(slider.title, slider)
        self.readout = QLabel()
        self.readout.setWordWrap(True)
        self.keep = QPushButton("Keep this position")
        self.keep.setToolTip("Stores what is shown as a Run of its own")
        self.keep.clicked.connect(lambda: self.keep_requested.emit(self.params()))
        layout.addRow(self.readout)
        layout.addRow(self.keep)
        self._answered.connect(self._show)
        self._broke.connect(lambda error: self.failed.emit(str(error)))

    def open(self, workers: Workers, opener: str, spec: dict[str, Any]) -> None:
        """Open the update in the live worker; until then the sliders wait."""
        self._session = workers.open_live(
            opener, spec, self.model, on_answer=self._answered.emit, on_error=self._broke.emit
        )

    def params(self) -> LiveParams:
        return self.model.model_validate({n: s.value for n, s in self._sliders.items()})

    def move(self, **values: Any) -> None:
        """Set sliders from code, as a drag does."""
        for name, value in values.items():
            self._sliders[name].value = value
        self._send()

    def close_session(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    @qthrottled(timeout=25)  # type: ignore[untyped-decorator]
    def _moved(self) -> None:
        self._send()

    def _send(self) -> None:
        if self._session is None:
            return
        answer = self._session.update(self.params())
        if answer is not None:
            self._show(answer)

    def _show(self, answer: LiveAnswer) -> None:
        result: Result = answer.result
        words = [f"{k}: {v}" for k, v in answer.readout.items()]
        if not answer.exact:
            words.append("nearest known position, computing ...")
        self.readout.setText("\n".join(words))
        self.moved.emit(result)


class _Slider(QWidget):
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
        self._line.setToolTip(str(field.look["tooltip"]))
        self._text = QLabel()
        self._text.setFixedWidth(40)
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

    def _say(self) -> None:
        value = self.value
        self._text.setText(str(value) if self._whole else f"{value:.3g}")
