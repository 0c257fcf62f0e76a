"""The page "Cohort": the sections of a study, which of them are there, and a click to open one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_stml.core.errors import StmlError
from napari_stml.runs.cohort import Member, read_cohort, relinked, status, write_cohort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_stml.io.section import Section

COLUMNS = ("section", "um/px", "status", "path")


class CohortPage(QWidget):
    """A table of sections; double-click opens one."""

    open_requested = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.members: tuple[Member, ...] = ()
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(list(COLUMNS))
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        header = self.table.horizontalHeader()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
            for column in (1, 2):
                header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.setWordWrap(False)
        rows = self.table.verticalHeader()
        if rows is not None:
            rows.hide()
        self.table.cellDoubleClicked.connect(lambda row, _column: self.open(row))
        self.message = QLabel()
        self.message.setWordWrap(True)
        buttons = QGridLayout()
        for i, (text, act) in enumerate((
            ("Load ...", self._load), ("Save ...", self._save), ("Add ...", self._add),
            ("Relink ...", self._relink), ("Remove", self._remove), ("Open", self._open_chosen),
        )):  # fmt: skip
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, a=act: a())
            buttons.addWidget(button, i // 3, i % 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        hint = QLabel("The sections of a study. Opened sections are added by themselves.")
        hint.setWordWrap(True)
        layout.addWidget(hint)
        layout.addWidget(self.table, 1)
        layout.addLayout(buttons)
        layout.addWidget(self.message)

    def show_members(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)
        self.table.setRowCount(len(self.members))
        for row, member in enumerate(self.members):
            scale = "" if member.um_per_px is None else f"{member.um_per_px:.4g}"
            words = status(member).words
            for column, text in enumerate((member.shown_name, scale, words, member.path)):
                item = QTableWidgetItem(text)
                item.setToolTip(f"{member.path}\n{words}")
                self.table.setItem(row, column, item)

    def note_section(self, section: Section) -> None:
        """An opened section becomes a member; one that is one gets its status anew."""
        place = str(section.path[0] if isinstance(section.path, tuple) else section.path)
        choices = tuple((k, str(v)) for k, v in section.choices.items())
        scale = section.um_per_px.mean if section.um_per_px is not None else None
        mine = Member(place, section.name, scale, choices)
        others = [m for m in self.members if (m.path, m.choices) != (mine.path, mine.choices)]
        self.show_members([*others, mine] if len(others) == len(self.members) else [
            mine if (m.path, m.choices) == (mine.path, mine.choices) else m for m in self.members
        ])  # fmt: skip

    def load(self, path: Path | str) -> None:
        """Show the sections of a cohort file or a recipe."""
        try:
            self.show_members(read_cohort(path))
            missing = sum(m.missing for m in self.members)
            self.message.setText(f"{missing} are missing: relink one of them" if missing else "")
        except StmlError as error:
            self.message.setText(str(error))

    def save(self, path: Path | str) -> None:
        try:
            write_cohort(path, self.members)
            self.message.setText(f"Saved as {path}")
        except StmlError as error:
            self.message.setText(str(error))

    def relink(self, row: int, new: Path | str) -> None:
        """Tell where a section lies now; those that moved along are found."""
        before = sum(m.missing for m in self.members)
        self.show_members(relinked(self.members, row, new))
        found = before - sum(m.missing for m in self.members)
        self.message.setText(f"{found} found again")

    def open(self, row: int) -> None:
        member = self.members[row]
        if member.missing:
            self.message.setText(f"{member.path} is missing: relink it")
            return
        choices: dict[str, Any] = dict(member.choices)
        if member.um_per_px is not None:
            choices["um_per_px"] = member.um_per_px
        self.open_requested.emit(member.path, choices)

    def _row(self) -> int | None:
        row = self.table.currentRow()
        return row if 0 <= row < len(self.members) else None

    def _load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load a cohort", "", "*.yaml *.yml")
        if path:
            self.load(path)

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the cohort", "cohort.yaml", "*.yaml")
        if path:
            self.save(path)

    def _add(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Add a folder or a store")
        if path:
            self.show_members([*self.members, Member(path)])

    def _relink(self) -> None:
        row = self._row()
        if row is None:
            return
        old = Path(self.members[row].path)
        if old.suffix in {".zarr", ""}:
            new = QFileDialog.getExistingDirectory(self, f"Where is {old.name} now?")
        else:
            new, _ = QFileDialog.getOpenFileName(self, f"Where is {old.name} now?")
        if new:
            self.relink(row, new)

    def _remove(self) -> None:
        row = self._row()
        if row is not None:
            self.show_members([m for i, m in enumerate(self.members) if i != row])

    def _open_chosen(self) -> None:
        row = self._row()
        if row is not None:
            self.open(row)
