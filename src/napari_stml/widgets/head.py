"""The dock's head: which section is looked at, how big a pixel is, what is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_stml.widgets.style import ERROR, REMARK

if TYPE_CHECKING:
    from napari_stml.io.section import Section


NOTHING = "No section open"
INVITATION = "Open a SpatialData store, a Visium or Xenium folder, an h5ad or a slide."


class Head(QWidget):
    """Three lines; the scale is asked for once, where it is unknown."""

    open_requested = Signal(str)
    save_requested = Signal()
    close_requested = Signal()
    figure_requested = Signal(bool)
    scale_given = Signal(float)
    section_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.name = QLabel(NOTHING)
        self.name.setStyleSheet("font-weight: 600; font-size: 12pt;")
        self.name.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.facts = QLabel(INVITATION)
        self.facts.setWordWrap(True)
        self.notes = QLabel()
        self.notes.setWordWrap(True)
        self.notes.setStyleSheet(REMARK)
        self.button = QPushButton("Open...")
        self.button.setToolTip("Open a section (files and folders can also be dropped here)")
        menu = QMenu(self.button)
        for text, kind in (("Folder or .zarr store ...", "folder"), ("File ...", "file")):
            menu.addAction(text).triggered.connect(
                lambda _=False, k=kind: self.open_requested.emit(k)
            )
        menu.addSeparator()
        self.save = menu.addAction("Save as ...")
        self.save.setToolTip("Write this section as a SpatialData store of its own")
        self.save.triggered.connect(lambda _=False: self.save_requested.emit())
        self.save.setEnabled(False)
        self.figures = [menu.addAction(f"Figure of {what} ...")
                        for what in ("the section", "what is visible")]  # fmt: skip
        for visible, action in enumerate(self.figures):
            action.setToolTip("For print, drawn from the data: PDF, SVG, PNG or TIFF")
            action.triggered.connect(lambda _=False, v=bool(visible): self.figure_requested.emit(v))
            action.setEnabled(False)
        menu.addSeparator()
        self.close_section = menu.addAction("Close this section")
        self.close_section.setToolTip("Take it off the canvas; what was computed and drawn is kept")
        self.close_section.triggered.connect(lambda _=False: self.close_requested.emit())
        self.close_section.setEnabled(False)
        self.button.setMenu(menu)
        self._facts = ""
        self.scale = QLineEdit()
        self.scale.setPlaceholderText("um per pixel, e.g. 0.5")
        self.scale.returnPressed.connect(self._scale_entered)
        self._ask = QWidget()
        ask = QHBoxLayout(self._ask)
        ask.setContentsMargins(0, 0, 0, 0)
        ask.addWidget(QLabel("um per pixel unknown:"))
        ask.addWidget(self.scale)
        self.sections = QComboBox()
        self.sections.setToolTip("Sections open in this window")
        self.sections.activated.connect(self.section_chosen)
        self.sections.hide()
        top = QHBoxLayout()
        top.addWidget(self.name, 1)
        top.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 4)
        layout.setSpacing(3)
        layout.addLayout(top)
        layout.addWidget(self.sections)
        layout.addWidget(self.facts)
        layout.addWidget(self._ask)
        layout.addWidget(self.notes)
        self._ask.hide()
        self.notes.hide()

    def show_open(self, names: list[str], current: int) -> None:
        """List the open sections, when there are several."""
        self.sections.clear()
        self.sections.addItems(names)
        self.sections.setCurrentIndex(current)
        self.sections.setVisible(len(names) > 1)

    def opening(self, path: str) -> None:
        self.facts.setText(f"Opening {path} ...")
        self.button.setEnabled(False)

    def failed(self, message: str) -> None:
        self.button.setEnabled(True)
        self.facts.setText(self._facts or "Nothing was opened.")
        self.notes.setText(message)
        self.notes.show()

    def show_section(self, section: Section) -> None:
        self.button.setEnabled(True)
        self.name.setText(section.name)
        self._facts = facts(section)
        self.facts.setText(self._facts)
        self._let(True)
        self._ask.setVisible(section.um_per_px is None)
        guess = section.um_per_px_guess
        if guess is not None:
            self.scale.setText(f"{guess.mean:.4g}")
            self.scale.setToolTip(f"A guess from {guess.source.value}: press Enter to take it")
        self.notes.setText("\n".join(section.notes))
        self.notes.setVisible(bool(section.notes))

    def show_nothing(self) -> None:
        """The last section was closed."""
        self.button.setEnabled(True)
        self.name.setText(NOTHING)
        self._facts = ""
        self.facts.setText(INVITATION)
        self._let(False)
        self.show_open([], -1)
        self._ask.hide()
        self.notes.hide()

    def _let(self, there: bool) -> None:
        for action in (self.save, *self.figures, self.close_section):
            action.setEnabled(there)

    def _scale_entered(self) -> None:
        try:
            value = float(self.scale.text().replace(",", "."))
        except ValueError:
            value = 0.0
        if value > 0:
            self.scale_given.emit(value)
        else:
            self.scale.setToolTip("A positive number, e.g. 0.5")
            self.scale.setStyleSheet(ERROR)


def facts(section: Section) -> str:
    """Format, number of observations and genes, um per pixel with its source."""
    parts = [section.format]
    if section.observations is not None:
        parts.append(f"{len(section.observations):,} {section.observations.kind}")
    for name, table in section.tables.items():
        parts.append(f"{table.shape[1]:,} {name} features")
    if section.um_per_px is not None:
        parts.append(f"{section.um_per_px.mean:.4g} um/px ({section.um_per_px.source.value})")
    if kept := keeping(section):
        parts.append(kept)
    return "  |  ".join(parts)


def keeping(section: Section) -> str:
    """How many Runs there are and whether they travel with the file; "" before the first."""
    shelf = section.shelf
    if shelf is None or not shelf.records:
        return ""
    count = f"{len(shelf.records)} Run{'s' if len(shelf.records) > 1 else ''}"
    own = not isinstance(section.path, tuple) and str(shelf.store) == str(section.path)
    return f"{count} saved" if own else f"{count} kept locally (Save as ... writes them too)"
