"""Ends of the colour scale in percentiles, and thresholds beyond which nothing is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QWidget
from superqt import QRangeSlider
from superqt.utils import qthrottled

if TYPE_CHECKING:
    from napari_stml.viewer.shown import Shown

HIDE, GREY = "hide", "grey"


class LimitsRows(QWidget):
    """Two rows, shown for numbers only."""

    limits_requested = Signal(float, float, bool)
    threshold_requested = Signal(object, object, bool)

    def __init__(self) -> None:
        super().__init__()
        self.percentiles = QRangeSlider(Qt.Orientation.Horizontal)
        self.percentiles.setRange(0, 100)
        self.percentiles.setValue((1, 99))
        self.percentiles.valueChanged.connect(self._moved)
        self.says = QLabel()
        self.low, self.high = _number_line("min"), _number_line("max")
        self.beyond = QComboBox()
        self.beyond.addItems([HIDE, GREY])
        self.beyond.setToolTip("What happens to values beyond the thresholds")
        for line in (self.low, self.high):
            line.editingFinished.connect(self._threshold_given)
        self.beyond.textActivated.connect(lambda _: self._threshold_given())
        threshold = QHBoxLayout()
        for part in (self.low, QLabel("to"), self.high, self.beyond):
            threshold.addWidget(part)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Limits", self.percentiles)
        form.addRow("", self.says)
        form.addRow("Only", threshold)
        self._given: tuple[float | None, float | None, bool] = (None, None, True)
        self.hide()

    def explain(self, shown: Shown | None) -> None:
        """Show the limits and thresholds as they are now; asks for nothing."""
        numeric = shown is not None and shown.scale is not None
        self.setVisible(numeric)
        if shown is None or shown.scale is None:
            return
        self.percentiles.blockSignals(True)
        low, high = shown.percentiles or (1, 99)
        self.percentiles.setValue((round(low), round(high)))
        self.percentiles.blockSignals(False)
        self.says.setText(f"{shown.scale.low:.3g} to {shown.scale.high:.3g}")
        self.percentiles.setToolTip(f"Colours from percentile {low:g} to {high:g}")
        limits = shown.threshold
        self._given = (limits.low, limits.high, limits.hide)
        for line, value in ((self.low, limits.low), (self.high, limits.high)):
            if not line.hasFocus():
                line.setText("" if value is None else f"{value:g}")

    @qthrottled(timeout=40)  # type: ignore[untyped-decorator]
    def _moved(self, value: tuple[int, int]) -> None:
        low, high = sorted(value)
        if high > low:
            self.limits_requested.emit(float(low), float(high), True)

    def _threshold_given(self) -> None:
        low, high = _number_of(self.low), _number_of(self.high)
        wanted = (low, high, self.beyond.currentText() == HIDE)
        if wanted != self._given:
            self._given = wanted
            self.threshold_requested.emit(*wanted)


def _number_line(placeholder: str) -> QLineEdit:
    line = QLineEdit()
    line.setPlaceholderText(placeholder)
    line.setMinimumWidth(40)
    line.setToolTip("A threshold in the values' own unit; empty for none")
    return line


def _number_of(line: QLineEdit) -> float | None:
    text = line.text().strip().replace(",", ".")
    try:
        value = float(text) if text else None
    except ValueError:
        value = None
    if value is None or not np.isfinite(value):
        line.setText("")
        return None
    return value
