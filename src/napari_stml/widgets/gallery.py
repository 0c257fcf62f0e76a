"""A window of tiles with their maps and values: random, highest, lowest or the selected ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.figures.drawing import Drawing
    from napari_stml.figures.gallery import Choice
    from napari_stml.io.section import Section
    from napari_stml.viewer.state import ViewerState

PICKS = {
    "random": "Random tiles", "highest": "Highest values", "lowest": "Lowest values",
    "chosen": "Selected spots",
}  # fmt: skip
SCREEN_DPI, WIDTH_MM = 130, 190.0


class Gallery(QWidget):
    """Drawn off the main thread by the same code that prints it."""

    said = Signal(str)
    drawn = Signal()

    def __init__(self, state: ViewerState, run: str) -> None:
        super().__init__()
        self.setWindowTitle(f"Gallery of {run}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._state, self._run = state, run
        view = state.current
        self._section: Section | None = view.section if view is not None else None
        self.pick = QComboBox()
        for key, title in PICKS.items():
            self.pick.addItem(title, key)
        self.by = QComboBox()
        self.by.addItems(self._values())
        self.count, self.seed = QSpinBox(), QSpinBox()
        self.count.setRange(1, 60)
        self.count.setValue(6)
        self.seed.setRange(0, 9999)
        self.picture = QLabel("drawing ...")
        self.picture.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.export = QPushButton("Export ...")
        self.export.setToolTip("As PNG, TIFF, PDF or SVG")
        self.export.clicked.connect(self._choose_file)
        row = QHBoxLayout()
        for title, widget in (("Show", self.pick), ("by", self.by), ("tiles", self.count),
                              ("draw", self.seed)):  # fmt: skip
            row.addWidget(QLabel(title))
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self.export)
        scroll = QScrollArea()
        scroll.setWidget(self.picture)
        scroll.setWidgetResizable(True)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(scroll, 1)
        self.resize(1060, 760)
        self.pick.currentIndexChanged.connect(self.show_choice)
        self.by.currentIndexChanged.connect(self.show_choice)
        self.count.valueChanged.connect(self.show_choice)
        self.seed.valueChanged.connect(self.show_choice)
        self.show_choice()

    def choice(self, dpi: int = SCREEN_DPI) -> Choice:
        from napari_stml.figures.gallery import Choice

        selection = self._state.selection
        chosen = tuple(selection.names) if selection is not None else ()
        return Choice(
            self.pick.currentData(), self.count.value(), self.seed.value(),
            self.by.currentText(), chosen[: self.count.value()], WIDTH_MM, dpi,
        )  # fmt: skip

    def show_choice(self) -> None:
        """Draw what the row above says; only the latest wish counts."""
        self.by.setEnabled(self.pick.currentData() in {"highest", "lowest"})
        self.seed.setEnabled(self.pick.currentData() == "random")
        self._state.background.run(
            "gallery", partial(self._png, self.choice()), self._show, self._failed
        )

    def save(self, target: str | Path) -> None:
        """Print it at 300 dpi; the file's ending decides the format."""
        drawing = partial(self._drawing, self.choice(300))
        self._state.background.run(
            "gallery file", lambda: drawing().save(target),
            lambda _notes: self.said.emit(f"Saved as {target}"), self._failed,
        )  # fmt: skip

    def _drawing(self, choice: Choice) -> Drawing:
        from napari_stml.figures.gallery import gallery

        assert self._section is not None
        return gallery(self._section, [self._run], choice)

    def _png(self, choice: Choice) -> bytes:
        return self._drawing(choice).encoded(".png")[0]

    def _show(self, data: bytes) -> None:
        pixmap = QPixmap()
        pixmap.loadFromData(data)
        self.picture.setPixmap(pixmap)
        self.drawn.emit()

    def _failed(self, words: str) -> None:
        self.picture.setText(words)
        self.drawn.emit()

    def _values(self) -> list[str]:
        shelf = self._section.shelf if self._section is not None else None
        entries: Any = shelf.entries(self._run) if shelf is not None else ()
        tiles = next((e for e in entries if e.kind == "Tiles"), None)
        return list(tiles.look.get("columns", {})) if tiles is not None else []

    def _choose_file(self) -> None:
        target, _ = QFileDialog.getSaveFileName(
            self, "Export the gallery", f"{self._run}.pdf", "*.pdf *.png *.tif *.svg"
        )
        if target:
            self.save(target)
