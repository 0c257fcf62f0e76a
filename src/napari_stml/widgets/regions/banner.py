"""The offer to bring back what an earlier session could not save."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_stml.widgets.regions.region_table import short

if TYPE_CHECKING:
    from collections.abc import Callable


class Banner(QFrame):
    """Offers what an earlier session could not save."""

    def __init__(self) -> None:
        super().__init__()
        self._said = QLabel()
        self._said.setWordWrap(True)
        self.yes, self.no = QPushButton("Bring back"), QPushButton("Leave out")
        row = QHBoxLayout()
        row.addWidget(self.yes)
        row.addWidget(self.no)
        layout = QVBoxLayout(self)
        layout.addWidget(self._said)
        layout.addLayout(row)
        self.setStyleSheet(
            "QFrame { background: #7a4b00; border-radius: 4px; } QLabel { color: white; }"
        )
        self.answered = _Answers(self.yes, self.no)
        self.hide()

    def say(self, title: str, titles: tuple[str, ...]) -> None:
        self._said.setText(title)
        self._said.setToolTip("\n".join(short(t) for t in titles[-20:]))
        self.show()


class _Answers:
    """Two buttons as one signal."""

    def __init__(self, yes: QPushButton, no: QPushButton) -> None:
        self._yes, self._no = yes, no

    def connect(self, act: Callable[[bool], None]) -> None:
        self._yes.clicked.connect(lambda: act(True))
        self._no.clicked.connect(lambda: act(False))
