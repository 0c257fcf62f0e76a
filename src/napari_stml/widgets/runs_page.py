"""The page "Runs": everything that was computed on this section, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_stml.widgets.style import text

if TYPE_CHECKING:
    from napari_stml.core.run_record import RunRecord
    from napari_stml.io.section import Section
    from napari_stml.widgets.result_panel import ResultPanel


class RunsPage(QWidget):
    """A list above, the chosen Run below."""

    chosen = Signal(str)
    back_requested = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.panel: ResultPanel | None = None
        self.list = QListWidget()
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.currentItemChanged.connect(self._changed)
        self.empty = text("Nothing was computed on this section yet.")
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._undone = ""
        self.back = QPushButton()
        self.back.setToolTip("The Run that was undone last, exactly as it was")
        self.back.clicked.connect(lambda: self.back_requested.emit(self._undone))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.addWidget(self.empty)
        layout.addWidget(self.list)
        layout.addWidget(self.back)
        layout.addWidget(self._scroll, 1)

    def show_section(self, section: Section | None) -> None:
        """List the stored Runs again; None: no section is open."""
        self.list.blockSignals(True)
        self.list.clear()
        shelf = section.shelf if section is not None else None
        records = shelf.records if shelf is not None else {}
        for record in reversed(list(records.values())):
            item = QListWidgetItem(line(record))
            item.setData(Qt.ItemDataRole.UserRole, record.id)
            item.setToolTip(f"{line(record)}\n{record.params}")
            self.list.addItem(item)
        self.list.blockSignals(False)
        self.list.setFixedHeight(min(150, 26 * len(records) + 6))
        self.empty.setVisible(not records)
        self.list.setVisible(bool(records))
        undone = shelf.undone if shelf is not None else ()
        self._undone = undone[-1] if undone else ""
        self.back.setText(f"Bring back {self._undone}")
        self.back.setVisible(bool(undone))
        self.show_panel(None)

    def show_panel(self, panel: ResultPanel | None) -> None:
        self.panel = panel
        self._scroll.takeWidget()
        if panel is not None:
            self._scroll.setWidget(panel)

    def select(self, run_id: str) -> None:
        for i in range(self.list.count()):
            item = self.list.item(i)
            if item is not None and item.data(Qt.ItemDataRole.UserRole) == run_id:
                self.list.setCurrentRow(i)

    def _changed(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.chosen.emit(item.data(Qt.ItemDataRole.UserRole))


def line(record: RunRecord) -> str:
    """One Run in a line: what, where, when, how long."""
    where = record.scope.get("title", "")
    when = record.started.astimezone().strftime("%d %b %H:%M")
    return f"{record.id}  {record.title}, {where}, {when}, {record.seconds:.0f} s"
