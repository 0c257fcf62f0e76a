"""The one panel that drives every live update: sliders out, nearest answer painted at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QWidget
from superqt.utils import qthrottled

from napari_stml.core.params import applies
from napari_stml.widgets.form_rows import Field
from napari_stml.widgets.live_charts import LiveCharts
from napari_stml.widgets.live_fields import Held, Picker, Place, live_field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_stml.core.params import LiveParams, Source
    from napari_stml.core.results import Result
    from napari_stml.runs.answers import LiveAnswer
    from napari_stml.runs.workers import Workers
    from napari_stml.widgets.form_rows import Answers
    from napari_stml.widgets.live_fields import Slider

WAIT_MS = 40
"""How long the nearest known answer is held back where the exact one is about to come."""

QUICK_S = 0.02
"""An answer that took no longer to compute says that the next one will not either."""


class LivePanel(QWidget):
    """Sliders and pickers for a Run's ``LiveParams``.

    ``moved`` carries results to be painted, on the main thread; ``keep_requested`` the position
    that is to become a Run; ``pin_requested`` words for what stays beside what moves on, "" to let
    it go; ``picked`` is a click into one of the charts, as of a `ChartView`.

    Parameters
    ----------
    model, start
        The fields and where they stand.
    of
        The parameters of the Run; fields that have no meaning beside them are not shown.
    answers
        What a field may name in the section.
    """

    moved = Signal(object)
    keep_requested = Signal(object)
    pin_requested = Signal(str)
    picked = Signal(object, object)
    failed = Signal(str)
    _answered = Signal(object)
    _broke = Signal(object)

    def __init__(
        self,
        model: type[LiveParams],
        start: LiveParams,
        of: Mapping[str, Any] | None = None,
        answers: Answers | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self._of = dict(of or {})
        self._session: Any = None
        self._selection: tuple[str, ...] | None = None
        self._sliders: dict[str, Slider | Picker | Place | Held] = {}
        self._labels: dict[str, QLabel] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name, info in model.model_fields.items():
            slider = live_field(Field.of(name, info), getattr(start, name), answers or _nothing)
            slider.moved.connect(self._moved)
            self._sliders[name] = slider
            label = QLabel(slider.title)
            label.setToolTip(info.description or "")
            self._labels[name] = label
            layout.addRow(label, slider)
        self.readout = QLabel()
        self.readout.setWordWrap(True)
        self.keep = QPushButton("Keep this position")
        self.keep.setToolTip("Stores what is shown as a Run of its own")
        self.keep.clicked.connect(lambda: self.keep_requested.emit(self.params()))
        self.pin = QPushButton("Pin beside")
        self.pin.setCheckable(True)
        self.pin.setToolTip(
            "What is shown now stays right of a line; left of it the slider moves on"
        )
        self.pin.toggled.connect(self._pin)
        buttons = QHBoxLayout()
        buttons.addWidget(self.keep)
        buttons.addWidget(self.pin)
        layout.addRow(self.readout)
        layout.addRow(buttons)
        self.charts = LiveCharts()
        self.charts.picked.connect(self.picked)
        layout.addRow(self.charts)
        self._near: LiveAnswer | None = None
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.timeout.connect(self._show_near)
        self._show_applying()
        self._answered.connect(self._show)
        self._broke.connect(lambda error: self.failed.emit(str(error)))

    def open(self, workers: Workers, opener: str, spec: dict[str, Any]) -> None:
        """Open the update in the live worker; until then the sliders wait."""
        self._session = workers.open_live(
            opener, spec, self.model, on_answer=self._answered.emit, on_error=self._broke.emit
        )

    def params(self) -> LiveParams:
        """The position; what does not apply has its default, so that equal ones are equal."""
        return self.model.model_validate(self._given())

    def move(self, **values: Any) -> None:
        """Set sliders from code, as a drag does."""
        for name, value in values.items():
            self._sliders[name].value = value
        self._send()

    def take_place(self, xy: tuple[float, float]) -> bool:
        """Follow a click on the canvas (reference pixels), where a field asks for a place."""
        places = [s for s in self._sliders.values() if isinstance(s, Place)]
        for place in places:
            place.value = xy
        return bool(places)

    def take_column(self, name: str) -> bool:
        """Follow a clicked gene to its column of the Run; whether that is what is shown now."""
        given = self._given()
        taken = [
            field in given
            for field, slider in self._sliders.items()
            if isinstance(slider, Picker) and slider.take(name, quietly=field not in given)
        ]
        return any(taken)

    def follow(self, selection: tuple[str, ...] | None) -> None:
        """Send what is selected on the canvas along; None or nothing is the whole Run."""
        selection = selection or None
        for slider in self._sliders.values():
            if isinstance(slider, Held):
                slider.follow(selection or ())
        if selection != self._selection:
            self._selection = selection
            self._send()

    def _pin(self, on: bool) -> None:
        first = self.readout.text().partition("\n")[0]
        words = first.partition(",")[0].replace(": ", " ")
        self.pin_requested.emit((words or "pinned") if on else "")

    def close_session(self) -> None:
        self._wait.stop()
        if self._session is not None:
            self._session.close()
            self._session = None

    def _given(self) -> dict[str, Any]:
        values = {name: slider.value for name, slider in self._sliders.items()}
        fields = self.model.model_fields
        return {n: v for n, v in values.items() if applies(fields[n], {**self._of, **values})}

    def _show_applying(self) -> None:
        given = self._given()
        for name, slider in self._sliders.items():
            slider.setVisible(name in given)
            self._labels[name].setVisible(name in given)

    @qthrottled(timeout=25)  # type: ignore[untyped-decorator]
    def _moved(self) -> None:
        self._show_applying()
        self._send()

    def _send(self) -> None:
        if self._session is None:
            return
        more = () if self._selection is None else (self._selection,)
        answer = self._session.update(self.params(), *more)
        if answer is None:
            return
        if answer.exact or answer.seconds > QUICK_S:
            self._show(answer)
            return
        self._near = answer
        if not self._wait.isActive():
            self._wait.start(WAIT_MS)

    def _show_near(self) -> None:
        if self._near is not None:
            self._show(self._near)

    def _show(self, answer: LiveAnswer) -> None:
        self._wait.stop()
        self._near = None
        result: Result = answer.result
        words = [f"{k}: {v}" for k, v in answer.readout.items()]
        if not answer.exact:
            words.append("nearest known position, computing ...")
        self.readout.setText("\n".join(words))
        wide = max(self.readout.width(), 100)
        lines = self.readout.fontMetrics().lineSpacing() * len(words)
        self.readout.setMinimumHeight(max(self.readout.heightForWidth(wide), lines))
        form = self.layout()
        if form is not None:  # a form of wrapped rows does not ask for more room by itself
            form.invalidate()
            self.setMinimumHeight(form.totalHeightForWidth(max(self.width(), 100)))
            above = self.parentWidget()
            if above is not None:
                above.resize(above.width(), above.sizeHint().height())
        self.moved.emit(result)
        self.charts.show_result(result)


def _nothing(_source: Source) -> Sequence[str]:
    return ()
