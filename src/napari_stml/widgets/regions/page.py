"""The page "Regions": draw, class, name, change, bring in and take out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QColorDialog,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_stml.core.errors import StmlError
from napari_stml.viewer.regions.desk import RegionDesk
from napari_stml.viewer.regions.hand import Hand
from napari_stml.viewer.regions.operations import Operations
from napari_stml.viewer.regions.selections import keep_selection, kept_selections
from napari_stml.widgets.regions.banner import Banner
from napari_stml.widgets.regions.class_table import ClassTable
from napari_stml.widgets.regions.margins import Margins
from napari_stml.widgets.regions.region_table import RegionTable, short
from napari_stml.widgets.regions.teach_box import TeachBox
from napari_stml.widgets.regions.tool_row import ToolRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.io.regions import Offer
    from napari_stml.regions.classes import RegionClass
    from napari_stml.regions.region import Drawn
    from napari_stml.viewer.state import ViewerState


class RegionsPage(QScrollArea):
    """Emits nothing: its wishes go to the desk, which it also listens to."""

    def __init__(self, state: ViewerState) -> None:
        super().__init__()
        self.desk = RegionDesk(state)
        self.hand = Hand(self.desk)
        self.operations = Operations(self.desk)
        self.tools, self.classes, self.regions = ToolRow(), ClassTable(), RegionTable()
        self.margins = Margins()
        self.measured = QLabel()
        self.measured.setWordWrap(True)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.hide()
        self.notes = QLineEdit()
        self.notes.setPlaceholderText("Notes on the selected region")
        self.teach = TeachBox(self.desk)
        self.author = QLineEdit()
        self.author.setPlaceholderText("Drawn by (your initials; empty for nobody)")
        self.undo, self.redo = QPushButton("Undo"), QPushButton("Redo")
        self.banner = Banner()
        self._rows: dict[str, tuple[tuple[Any, ...], tuple[str, ...]]] = {}
        self._arrange()
        self._connect()
        self._show()

    def _arrange(self) -> None:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.addWidget(self.banner)
        layout.addWidget(self.tools)
        layout.addWidget(self.measured)
        layout.addWidget(self.said)
        layout.addWidget(self.classes)
        row = QHBoxLayout()
        self.new_class = QPushButton("New class")
        self.new_class.clicked.connect(self._ask_class)
        row.addWidget(self.new_class)
        row.addWidget(self.undo)
        row.addWidget(self.redo)
        layout.addLayout(row)
        layout.addWidget(self.regions, 1)
        layout.addWidget(self.notes)
        grid = QGridLayout()
        acts = self.operations
        self.shape = _menu("Shape", {
            "Merge": acts.merge, "First without the others": acts.subtract,
            "What is in all": acts.intersect, "Separate pieces": acts.split,
            "Fill holes": acts.fill, "Simplify (2 µm)": partial(acts.simplify, 2.0),
            "All that is left of the slide": acts.invert, "Lock or unlock": self._lock,
            "Hide or show": self._hide, "Delete": self.desk.delete_requested,
        })  # fmt: skip
        self.results = _menu("From results", {
            "Outlines of what is coloured now": acts.from_shown,
        })  # fmt: skip
        self.copy = QToolButton()
        self.copy.setText("Copy to")
        self.copy.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._sections = QMenu(self.copy)
        self._sections.aboutToShow.connect(self._list_sections)
        self.copy.setMenu(self._sections)
        self.file = _menu("File", {
            "Read GeoJSON ...": self._read, "Write GeoJSON ...": self._write,
            "Write GeoJSON, counted from the slide's bounds ...": partial(self._write, True),
            "Read GeoJSON, counted from the slide's bounds ...": partial(self._read, True),
            "Write which spots lie inside (CSV) ...": self._write_members,
            "Bring an earlier state back ...": self._earlier,
            "Save mine over another program's": self.desk.save_over,
        })  # fmt: skip
        self.spots = QToolButton()
        self.spots.setText("Spots")
        self.spots.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._kept = QMenu(self.spots)
        self._kept.aboutToShow.connect(self._list_kept)
        self.spots.setMenu(self._kept)
        buttons = (self.shape, self.results, self.copy, self.spots, self.file)
        for i, button in enumerate(buttons):
            grid.addWidget(button, i // 3, i % 3)
        layout.addLayout(grid)
        layout.addWidget(self.margins)
        layout.addWidget(self.teach)
        layout.addWidget(self.author)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def _connect(self) -> None:
        desk = self.desk
        desk.changed.connect(self._show)
        desk.chosen_changed.connect(self._show_chosen)
        desk.tool_changed.connect(self.tools.show_tool)
        desk.measured.connect(self._show_measured)
        desk.state.said.connect(self._say)
        desk.offered.connect(self._offer)
        self.banner.answered.connect(self._answer)
        self.tools.taken.connect(self.hand.take)
        self.tools.brush_changed.connect(self._set_brush)
        self.classes.chosen.connect(desk.class_requested)
        self.classes.renamed.connect(lambda n, to: desk.do(lambda d: d.rename_class(n, to)))
        self.classes.hidden.connect(partial(self._class_change, "hidden"))
        self.classes.locked.connect(partial(self._class_change, "locked"))
        self.classes.removed.connect(lambda n: desk.do(lambda d: d.remove_class(n)))
        self.classes.colour_requested.connect(self._ask_colour)
        self.classes.key_requested.connect(self._ask_key)
        self.classes.members_requested.connect(self._choose_members)
        self.regions.chosen.connect(desk.choose)
        self.regions.renamed.connect(self._rename)
        self.undo.clicked.connect(desk.undo_requested)
        self.redo.clicked.connect(desk.redo_requested)
        self.notes.editingFinished.connect(self._note)
        self.author.editingFinished.connect(self._sign)
        self.margins.grow_requested.connect(self.operations.grow)
        self.margins.ring_requested.connect(self.operations.ring)

    # what is shown

    def _show(self) -> None:
        drawing = self.desk.drawing
        self.widget().setEnabled(drawing is not None)
        if drawing is None:
            self.regions.show_regions([])
            self.banner.hide()
            return
        counts = drawing.classes.counts(drawing.regions)
        self.classes.show_classes(drawing.classes, counts, self.desk.pen)
        own = {c.name: c for c in drawing.classes}
        self._rows = {r.id: self._row(r, own.get(r.kind)) for r in drawing.regions}
        self.regions.show_regions([row for _, row in self._rows.values()])
        for button, word, title in ((self.undo, "Undo", drawing.undo_title),
                                    (self.redo, "Redo", drawing.redo_title)):  # fmt: skip
            button.setEnabled(bool(title))
            button.setToolTip(f"{word}: {short(title)}" if title else f"Nothing to {word.lower()}")
        if self.desk.book is not None and self.desk.book.offer is None:
            self.banner.hide()

    def _row(
        self, region: Drawn, own: RegionClass | None
    ) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        """What the list shows, and what it was made from: unchanged regions cost nothing."""
        drawing, book = self.desk.drawing, self.desk.book
        assert drawing is not None
        assert book is not None
        known = self._rows.get(region.id)
        if known is not None:
            of, place, kind, view = known[0]
            if of is region and place is book.place and kind is own and view is self.desk.view:
                return known
        made_from = (region, book.place, own, self.desk.view)
        signs = ("🔒" if drawing.is_locked(region) else "") + (
            " (hidden)" if drawing.is_hidden(region) else "")  # fmt: skip
        count = f"{book.count(region):,}" if region.is_area and book.place is not None else ""
        size = self.desk.size_of(region)
        tip = f"{short(region.title)}\n{short(region.notes)}".strip()
        colour = drawing.classes.colour_for(region)
        texts = (short(region.name) + signs, short(region.kind))
        return made_from, (region.id, *texts, colour, count, size, tip)

    def _show_chosen(self) -> None:
        self.regions.show_chosen(self.desk.chosen)
        some = self.desk.chosen_regions
        self.notes.setEnabled(bool(some))
        self.notes.setText(some[0].notes if len(some) == 1 else "")

    def _say(self, words: str) -> None:
        """What was refused or done, until the next word."""
        self.said.setText(words)
        self.said.setVisible(bool(words))

    def _show_measured(self, words: str) -> None:
        self.measured.setText(words)

    def _offer(self, offer: Offer) -> None:
        self.banner.say(offer.title, offer.titles)

    def _answer(self, taken: bool) -> None:
        self.banner.hide()
        if taken:
            self.desk.bring_back()
        else:
            self.desk.answered()

    # wishes

    def _class_change(self, what: str, name: str, on: bool) -> None:
        words = {"hidden": ("hide", "show"), "locked": ("lock", "unlock")}[what]
        title = f"{words[0] if on else words[1]} {name}"
        self.desk.do(lambda d: d.edit_classes(title, d.classes.changed(name, **{what: on})))

    def _set_brush(self, px: float) -> None:
        self.hand.brush_px = px

    def _ask_class(self) -> None:
        name, good = QInputDialog.getText(self, "New class", "Name of the class")
        if good and name.strip():
            self.add_class(name.strip())

    def add_class(self, name: str) -> None:
        self.desk.do(lambda d: d.edit_classes(f"new class {name}", d.classes.having(name)))
        self.desk.class_requested(name)

    def _ask_colour(self, name: str) -> None:
        drawing = self.desk.drawing
        if drawing is None:
            return
        colour = QColorDialog.getColor(QColor(drawing.classes.colour_of(name)), self)
        if colour.isValid():
            new = str(colour.name())
            self.desk.do(lambda d: d.edit_classes(
                f"colour {name}", d.classes.changed(name, colour=new)))  # fmt: skip

    def _ask_key(self, name: str) -> None:
        key, good = QInputDialog.getText(self, "Key", "A digit from 1 to 9, empty for none")
        if good and key.strip() in {"", *"123456789"}:
            self.desk.do(lambda d: d.edit_classes(
                f"key of {name}", d.classes.changed(name, key=key.strip())))  # fmt: skip

    def _choose_members(self, name: str) -> None:
        if self.desk.drawing is not None:
            self.desk.choose(r.id for r in self.desk.drawing.regions if r.kind == name)

    def _rename(self, region: str, name: str) -> None:
        name = name.replace("🔒", "").removesuffix(" (hidden)").strip()
        before = self.desk.drawing.get(region) if self.desk.drawing is not None else None
        if before is not None and name != short(before.name):
            self.desk.do(lambda d: d.change([region], f"name {name}", name=name))
        self._show()

    def _note(self) -> None:
        some = self.desk.chosen_regions
        if len(some) == 1 and self.notes.text() != some[0].notes:
            words = self.notes.text()
            self.desk.do(lambda d: d.change([some[0].id], "notes", notes=words))

    def sign(self, author: str) -> None:
        """Begin with the name of napari's preferences."""
        self.author.setText(author)
        self._sign()

    def _sign(self) -> None:
        self.desk.author = self.author.text().strip()
        if self.desk.drawing is not None:
            self.desk.drawing.author = self.desk.author

    def _lock(self) -> None:
        some = self.desk.chosen_regions
        lock = not all(r.locked for r in some)
        title = "lock" if lock else "unlock"
        self.desk.do(lambda d: d.change(self.desk.chosen, title, locked=lock))

    def _hide(self) -> None:
        some = self.desk.chosen_regions
        hide = not all(r.hidden for r in some)
        title = "hide" if hide else "show"
        self.desk.do(lambda d: d.change(self.desk.chosen, title, hidden=hide))

    def _list_kept(self) -> None:
        """Spots inside regions, and selections that have a name."""
        self._kept.clear()
        self._kept.addAction("Select the spots inside", self.operations.select_inside)
        self._kept.addAction("Keep the selected spots as ...", self._ask_selection)
        view = self.desk.view
        for name, kept in kept_selections(view.section).items() if view is not None else ():
            self._kept.addAction(f"Select: {short(name)} ({len(kept):,})",
                                 partial(self.desk.state.select, kept))  # fmt: skip

    def _ask_selection(self) -> None:
        if self.desk.state.selection is None:
            return self.desk.state.said.emit("Select spots first: by a lasso, a rule or a region.")
        name, good = QInputDialog.getText(self, "Keep the selected spots", "Name")
        if good and name.strip():
            self.keep_spots(name.strip())
        return None

    def keep_spots(self, name: str) -> None:
        """Give the selected spots a name; they are kept in the store."""
        view, selection = self.desk.view, self.desk.state.selection
        if view is None or selection is None:
            return
        say = self.desk.state.said.emit
        try:
            keep_selection(view.section, name, selection, self.desk.author, say)
        except StmlError as error:
            say(str(error))
            return
        say(f"{len(selection):,} spots kept as {short(name)}")
        self.desk.changed.emit()

    def _list_sections(self) -> None:
        self._sections.clear()
        for i, view in enumerate(self.desk.state.views):
            if view is not self.desk.view:
                self._sections.addAction(view.section.name, partial(self.operations.copy_to, i))
        if self._sections.isEmpty():
            act = self._sections.addAction("Open another section first")
            if act is not None:
                act.setEnabled(False)

    # files

    def _read(self, from_bounds: bool = False) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Read GeoJSON", "", "GeoJSON (*.geojson *.json *.gz)"
        )
        if path:
            self.operations.read_file(path, from_bounds=from_bounds)

    def _write(self, from_bounds: bool = False) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Write GeoJSON", "regions.geojson", "*.geojson")
        if path:
            self.operations.write_file(path, from_bounds=from_bounds)

    def _write_members(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Write CSV", "spots-in-regions.csv", "*.csv")
        if path:
            self.operations.write_file(path)

    def _earlier(self) -> None:
        states = self.operations.earlier_states()
        if not states:
            return self.desk.state.said.emit("No earlier state is kept.")
        words = [f"{number}: {count} regions" for number, count in states]
        chosen, good = QInputDialog.getItem(self, "Earlier states", "Bring back", words, 0, False)
        if good:
            self.operations.restore(states[words.index(chosen)][0])
        return None


def _menu(title: str, acts: dict[str, Callable[[], Any]]) -> QToolButton:
    button = QToolButton()
    button.setText(title)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    menu = QMenu(button)
    for words, act in acts.items():
        menu.addAction(words, lambda a=act: a())
    button.setMenu(menu)
    return button
