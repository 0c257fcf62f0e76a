"""The dock's foot: what is running, how far it is, and how to stop it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_stml.widgets.live_curves import LiveCurves

if TYPE_CHECKING:
    from napari_stml.core.progress import Progress
    from napari_stml.runs.desk import PlannedRun


class Foot(QWidget):
    """Words, curves of what is learned, a bar with an estimate, Cancel; the queue below."""

    cancel_requested = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel("Nothing is running.")
        self.text.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.button = QPushButton("Cancel")
        self.button.clicked.connect(self._cancel)
        self.queue = QLabel()
        self.queue.setWordWrap(True)
        line = QHBoxLayout()
        line.addWidget(self.bar, 1)
        line.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        self.curves = LiveCurves()
        layout.addWidget(self.text)
        layout.addWidget(self.curves)
        layout.addLayout(line)
        layout.addWidget(self.queue)
        self._runs: list[PlannedRun] = []
        self._began = 0.0
        self._idle()

    def add(self, planned: PlannedRun) -> None:
        self._runs.append(planned)
        if len(self._runs) == 1:
            self._begin(planned)
        self._show_queue()

    def progress(self, planned: PlannedRun, progress: Progress) -> None:
        if not self._runs or planned is not self._runs[0]:
            return
        fraction = progress.fraction
        self.bar.setRange(0, 0 if fraction is None else 1000)
        if fraction is not None:
            self.bar.setValue(round(1000 * fraction))
            self.bar.setFormat(f"{fraction:.0%}{self._left(fraction)}")
        self.curves.add(progress.curves)
        self.text.setText(": ".join(w for w in (planned.spec.title, progress.text) if w))

    def remove(self, planned: PlannedRun, words: str) -> None:
        """A Run has ended; ``words`` say how."""
        was_first = bool(self._runs) and self._runs[0] is planned
        self._runs = [r for r in self._runs if r is not planned]
        if not self._runs:
            self._idle()
        elif was_first:
            self._begin(self._runs[0])
        if not self._runs:
            self.text.setText(words)
        self._show_queue()

    def _begin(self, planned: PlannedRun) -> None:
        self._began = time.monotonic()
        self.curves.clear()
        self.text.setText(f"{planned.spec.title}: starting")
        self.bar.setRange(0, 0)
        self.bar.show()
        self.button.show()

    def _idle(self) -> None:
        self.text.setText("Nothing is running.")
        self.curves.clear()
        self.bar.hide()
        self.button.hide()

    def _left(self, fraction: float) -> str:
        spent = time.monotonic() - self._began
        if fraction < 0.05 or spent < 2:
            return ""
        left = spent / fraction * (1 - fraction)
        return f"  about {left:.0f} s left" if left < 120 else f"  about {left / 60:.0f} min left"

    def _show_queue(self) -> None:
        waiting = [r.spec.title for r in self._runs[1:]]
        self.queue.setText(f"Waiting: {', '.join(waiting)}" if waiting else "")
        self.queue.setVisible(bool(waiting))

    def _cancel(self) -> None:
        if self._runs:
            self.text.setText(f"{self._runs[0].spec.title}: stopping")
            self.cancel_requested.emit(self._runs[0])
