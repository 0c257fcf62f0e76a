"""The page "Align": move the observations onto the image, step by step or by landmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_stml.core.errors import StmlError
from napari_stml.viewer.alignment import Alignment

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.core.landmarks import Fit
    from napari_stml.viewer.state import ViewerState

HELP = (
    "For spots that do not lie on their tissue. Every step is shown and kept at once; "
    "the image and what was drawn stay where they are."
)
LANDMARKS = (
    "After Set landmarks, click in turns: a place among the spots, then where it belongs on the "
    "image. Two pairs or more (affine: three)."
)


class AlignPage(QWidget):
    """Buttons only; `viewer.alignment` does it."""

    def __init__(self, state: ViewerState) -> None:
        super().__init__()
        self._state = state
        self._alignment: Alignment | None = None
        self.step = _number(10.0, 0.1, 10_000, "px")
        self.angle = _number(1.0, 0.05, 180, "degrees")
        self.fit = QComboBox()
        self.fit.addItems(["similarity", "affine"])
        self.fit.setToolTip("similarity: move, turn, one scale. affine: also shear")
        self.undo = QPushButton("Undo")
        self.undo.clicked.connect(lambda: self._do(lambda a: a.undo()))
        self.message = QLabel()
        self.message.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.addWidget(_text(HELP))
        layout.addLayout(self._moves())
        layout.addWidget(_text(LANDMARKS))
        layout.addLayout(self._landmarks())
        layout.addWidget(self.undo)
        layout.addWidget(self.message)
        layout.addStretch(1)
        self.show_section()

    def show_section(self) -> None:
        """Begin anew with the section that is looked at now."""
        self._alignment = None
        view = self._state.current
        self.setEnabled(view is not None and view.section.observations is not None)
        self._tell()

    @property
    def alignment(self) -> Alignment:
        """Made at the first step, so that looking at the page opens nothing."""
        if self._alignment is None:
            self._alignment = Alignment(self._state)
        return self._alignment

    def _moves(self) -> QFormLayout:
        arrows = QGridLayout()
        for text, at, (dx, dy) in (
            ("up", (0, 1), (0, -1)),
            ("left", (1, 0), (-1, 0)),
            ("right", (1, 2), (1, 0)),
            ("down", (2, 1), (0, 1)),
        ):
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, x=dx, y=dy: self._nudge(x, y))
            arrows.addWidget(button, *at)
        turns = QHBoxLayout()
        for text, sign in (("Turn left", -1), ("Turn right", 1)):
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, s=sign: self._turn(s))
            turns.addWidget(button)
        flips = QHBoxLayout()
        for text in ("horizontal", "vertical"):
            button = QPushButton(f"Flip {text}")
            button.clicked.connect(lambda _=False, t=text: self._do(lambda a: a.flip(t)))
            flips.addWidget(button)
        form = QFormLayout()
        form.addRow("Step", self.step)
        form.addRow(arrows)
        form.addRow("Angle", self.angle)
        form.addRow(turns)
        form.addRow(flips)
        return form

    def _landmarks(self) -> QFormLayout:
        begin, apply = QPushButton("Set landmarks"), QPushButton("Apply")
        begin.clicked.connect(lambda: self._do(lambda a: a.begin_landmarks()))
        apply.clicked.connect(lambda: self._do(lambda a: a.apply_landmarks(self._fit())))
        row = QHBoxLayout()
        row.addWidget(begin)
        row.addWidget(apply)
        form = QFormLayout()
        form.addRow("Fit", self.fit)
        form.addRow(row)
        return form

    def _fit(self) -> Fit:
        return "affine" if self.fit.currentText() == "affine" else "similarity"

    def _nudge(self, x: int, y: int) -> None:
        step = float(self.step.value())
        self._do(lambda a: a.nudge(x * step, y * step))

    def _turn(self, sign: int) -> None:
        degrees = sign * float(self.angle.value())
        self._do(lambda a: a.rotate(degrees))

    def _do(self, act: Callable[[Alignment], object]) -> None:
        try:
            act(self.alignment)
        except (StmlError, ValueError) as error:
            self.message.setText(str(error))
            return
        self._tell()

    def _tell(self) -> None:
        title = self._alignment.undo_title if self._alignment is not None else ""
        self.undo.setText(f"Undo: {title}" if title else "Undo")
        self.undo.setEnabled(bool(title))
        self.message.setText("")


def _number(value: float, low: float, high: float, unit: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    box.setSuffix(f" {unit}")
    return box


def _text(words: str) -> QLabel:
    label = QLabel(words)
    label.setWordWrap(True)
    return label
