"""The one dock: head, pages, foot, and the wishes they emit carried to viewer and workers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from napari_stml.core.errors import StmlError
from napari_stml.io.regions.exchange import is_geojson
from napari_stml.runs.desk import analyses
from napari_stml.runs.scopes import scope_again
from napari_stml.runs.stale import stale
from napari_stml.viewer.state import state_of
from napari_stml.widgets.align_page import AlignPage
from napari_stml.widgets.analysis_page import AnalysisPage
from napari_stml.widgets.answers import answers_of
from napari_stml.widgets.closing import Closing, leave_section, unfinished
from napari_stml.widgets.cohort_page import CohortPage
from napari_stml.widgets.figure_file import ask_figure
from napari_stml.widgets.foot import Foot
from napari_stml.widgets.head import Head
from napari_stml.widgets.look import Look
from napari_stml.widgets.preferences import apply, preferences
from napari_stml.widgets.rail import Rail
from napari_stml.widgets.reading import open_section, save_section
from napari_stml.widgets.regions import RegionsPage
from napari_stml.widgets.run_control import RunControl
from napari_stml.widgets.run_wishes import RunWishes
from napari_stml.widgets.runs_page import RunsPage
from napari_stml.widgets.scope_picker import ScopePicker
from napari_stml.widgets.scopes import again_title, drawn_classes, offers, visible_part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import napari.viewer
    from qtpy.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent

    from napari_stml.core.params import Params
    from napari_stml.core.run_record import RunRecord
    from napari_stml.io.section import Section
    from napari_stml.runs.desk import PlannedRun

LOOK, RUNS, ALIGN, COHORT = "Look", "Runs", "Align", "Cohort"
REGIONS = "Regions"
FOLLOW_MS = 200
TABS = {
    "prepare": ("Prepare", "Quality control, normalising, cell types, clusters, markers"),
    "slide": ("Slide", "Tissue, tiles, features, attention"),
    "predict": ("Predict", "Expression from morphology"),
    "niches": ("Niches", "Who lives next to whom"),
    "spacon": ("SpaCon", "Space and connectivity"),
    "gwas": ("GWAS", "Traits on the tissue"),
    "regions": ("Compare", "Measure and compare regions, learn from a few strokes"),
}


class StmlDock(QWidget):
    """Opens sections off the main thread, shows them, runs analyses; at home at 350 px."""

    def __init__(self, viewer: napari.viewer.Viewer, control: RunControl | None = None) -> None:
        super().__init__()
        self.state = state_of(viewer)
        self.viewer = self.state.viewer
        chosen = preferences()
        apply(chosen)
        self.state.author = chosen.author
        self.control = control or RunControl()
        self.wishes = RunWishes(self.state, self.control)
        self.head, self.scope, self.foot = Head(), ScopePicker(), Foot()
        self.look, self.runs = Look(), RunsPage()
        self.pages: dict[str, QWidget] = {LOOK: self.look}
        self._help = {LOOK: "Colour by column, gene or gene set"}
        self.regions = RegionsPage(self.state)
        self.regions.sign(preferences().author)
        if chosen.author:
            self.regions.author.setText(chosen.author)
            self.regions.desk.author = chosen.author
        self.pages[REGIONS] = self.regions
        self._help[REGIONS] = "Draw regions, give them classes, read and write them"
        self._add_analyses()
        self.pages[RUNS] = self.runs
        self._help[RUNS] = "What was computed: show, repeat, undo"
        self.align = AlignPage(self.state)
        self.pages[ALIGN] = self.align
        self._help[ALIGN] = "Move the spots onto the tissue"
        self.cohort = CohortPage()
        self.pages[COHORT] = self.cohort
        self._help[COHORT] = "The sections of a study"
        self.rail = Rail(self._help)
        self.stack = QStackedWidget()
        for page in self.pages.values():
            self.stack.addWidget(page)
        self._message = QLabel()
        self._message.setWordWrap(True)
        self._message.setContentsMargins(8, 0, 8, 0)
        self._message.hide()
        self._arrange()
        self._connect()
        self._closing = Closing(self, lambda: unfinished(self.control.active), self.shut)
        self._classes: list[str] | None = None
        self.show_page(LOOK)
        if self.state.current is not None:
            self._show(self.state.current.section)

    def open(self, path: str | Path | Sequence[str], **choices: Any) -> None:
        """Open a section; what goes wrong is said in the head, nothing else changes."""
        self.head.opening(str(path))
        self.state.background.run(
            f"open {path}", partial(open_section, path, choices), self._opened, self.head.failed
        )

    @property
    def busy(self) -> bool:
        """Whether something is being opened or read."""
        return self.state.busy

    def show_page(self, name: str) -> None:
        self.stack.setCurrentWidget(self.pages[name])
        self.rail.show_page(name)

    def say(self, text: str) -> None:
        """One line above the foot, until the next one."""
        self._message.setText(text)
        self._message.setVisible(bool(text))

    def _add_analyses(self) -> None:
        known = analyses()
        for tab, (title, help_text) in TABS.items():
            mine = {
                name: kind for name, kind in known.items()
                if kind.tab == tab and getattr(kind, "offered", True)
            }  # fmt: skip
            if mine:
                page = AnalysisPage(mine)
                page.run_requested.connect(self._run)
                page.preview_requested.connect(partial(self._run, preview=True))
                self.pages[title] = page
                self._help[title] = help_text

    def _arrange(self) -> None:
        middle = QHBoxLayout()
        middle.setContentsMargins(0, 0, 0, 0)
        middle.addWidget(self.rail)
        middle.addWidget(self.stack, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.head)
        layout.addWidget(self.scope)
        layout.addLayout(middle, 1)
        layout.addWidget(self._message)
        layout.addWidget(self.foot)
        self.setMinimumWidth(350)
        self.setAcceptDrops(True)

    def _connect(self) -> None:
        self.head.open_requested.connect(self._choose)
        self.head.scale_given.connect(self._take_scale)
        self.head.section_chosen.connect(self._switch)
        self.head.save_requested.connect(self._choose_target)
        self.head.close_requested.connect(self.close_section)
        self.head.figure_requested.connect(partial(ask_figure, self.state, self))
        self.cohort.open_requested.connect(lambda path, choices: self.open(path, **choices))
        self.rail.chosen.connect(self.show_page)
        self.look.serve(self.state)
        self.state.selection_changed.connect(self._selection_changed)
        self.state.section_changed.connect(self._offer_scopes)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(FOLLOW_MS)
        self._soon.timeout.connect(self._follow_drawing)
        for drawn in (self.regions.desk.changed, self.regions.desk.chosen_changed):
            drawn.connect(lambda: self._soon.start())  # a stroke should not wait for lists
        self.regions.teach.run_requested.connect(self._run)
        self.runs.chosen.connect(self._show_run)
        self.runs.back_requested.connect(self.wishes.redo)
        self.foot.cancel_requested.connect(self.control.cancel)
        self.control.queued.connect(self.foot.add)
        self.control.progressed.connect(self.foot.progress)
        self.control.published.connect(self._published)
        self.control.failed.connect(self._failed)
        self.control.cancelled.connect(lambda p: self.foot.remove(p, f"{p.spec.title}: cancelled"))
        self.wishes.said.connect(self.say)
        self.wishes.changed.connect(self._runs_changed)
        self.wishes.repeat.connect(self._repeat)

    def _opened(self, section: Section) -> None:
        for other in (*(view.section for view in self.state.views), *self.state.leaving):
            if other.path == section.path:
                section.keep_with(other)
        self.state.open(section)
        self._show(section)

    def _show(self, section: Section) -> None:
        self.wishes.close_live()
        self.head.show_section(section)
        self.look.show_section(section)
        self.look.say("")
        self._offer(section)
        self._offer_scopes()
        self.runs.show_section(section)
        self.align.show_section()
        self.cohort.note_section(section)
        there = [view.section for view in self.state.views]
        self.head.show_open(
            [s.name for s in there], there.index(section) if section in there else 0
        )
        self.state.shown_changed.emit()

    def _switch(self, place: int) -> None:
        """Look at another open section."""
        if place < len(self.state.views):
            self.state.switch_to(self.state.views[place])
            self._show(self.state.views[place].section)

    def close_section(self) -> None:
        """Close the current section; asks when something would be lost."""
        closed = leave_section(self.state, self.control, self.runs.panel, self)
        if not closed:
            return
        self.say(f"{closed} is closed.")
        if self.state.current is not None:
            self._show(self.state.current.section)
        else:
            self._show_nothing()

    def _show_nothing(self) -> None:
        for page in self.pages.values():
            if isinstance(page, AnalysisPage):
                page.show_nothing()
        self.head.show_nothing()
        self.look.show_nothing()
        self.runs.show_section(None)
        self.align.show_section()
        self._offer_scopes()

    def _offer_scopes(self) -> None:
        self.scope.offer(offers(self.state))

    def _follow_drawing(self) -> None:
        now = drawn_classes(self.state) or []
        if self.state.current is not None and now != (self._classes or []):
            self._offer(self.state.current.section)
        self._offer_scopes()
        self._mark_stale()

    def _mark_stale(self) -> None:
        """Say of the shown Run whether the drawing has changed since."""
        panel, drawing = self.runs.panel, self.regions.desk.drawing
        if panel is not None and drawing is not None:
            panel.mark_stale(stale(panel.record, drawing.regions))

    def _selection_changed(self) -> None:
        self._offer_scopes()
        self.wishes.follow_selection()
        panel, selection = self.runs.panel, self.state.selection
        if panel is not None:
            panel.highlight(frozenset(selection.names) if selection is not None else frozenset())

    def _offer(self, section: Section) -> None:
        others = [v.section for v in self.state.views if v.section is not section]
        self._classes = drawn_classes(self.state)
        answers = answers_of(section, others, self._classes)
        for page in self.pages.values():
            if isinstance(page, AnalysisPage):
                page.offer(answers)
        self.regions.teach.offer(answers("obsm"))

    def _run(self, analysis: str, params: Params, *, preview: bool = False) -> None:
        self.say("")
        self.regions.desk.save_now()
        try:
            scope = self.scope.freeze()
            if preview:
                scope = visible_part(self.state, scope)
        except StmlError as error:
            self.say(str(error))
            return
        self.wishes.run(analysis, params, scope, preview=preview)

    def _published(self, planned: PlannedRun, records: Any) -> None:
        self.foot.remove(planned, f"{planned.spec.title}: done ({records[0].seconds:.0f} s)")
        self._runs_changed()
        self.show_page(RUNS)
        self.runs.select(planned.spec.run_id)
        panel = self.runs.panel
        if panel is not None:
            panel.show_first()

    def _failed(self, planned: PlannedRun, words: str) -> None:
        self.foot.remove(planned, f"{planned.spec.title}: failed")
        self.say(words)

    def _show_run(self, run_id: str) -> None:
        panel = self.wishes.panel(run_id)
        self.runs.show_panel(panel)
        self._mark_stale()

    def _runs_changed(self) -> None:
        self.wishes.close_live()  # the panel that it stands in goes
        if self.state.current is not None:
            section = self.state.current.section
            self.head.show_section(section)
            self.runs.show_section(section)
            self.look.show_section(section)
            self._offer(section)
            self._offer_scopes()

    def _repeat(self, record: RunRecord) -> None:
        """Fill form and scope as they were in a stored Run; the click on Run stays the user's."""
        kind = analyses()[record.analysis]
        title = TABS[kind.tab][0]
        page = self.pages[title]
        if isinstance(page, AnalysisPage) and self.state.current is not None:
            page.choose(record.analysis, kind.Params.model_validate(record.params))
            again = partial(scope_again, self.state.current.section, record.id)
            self.scope.choose(again_title(record), again)
            self.show_page(title)

    def _choose(self, kind: str) -> None:
        if kind == "folder":
            chosen = QFileDialog.getExistingDirectory(self, "Open a folder or a zarr store")
        else:
            chosen, _ = QFileDialog.getOpenFileName(self, "Open a slide or a table")
        if chosen:
            self.open(chosen)

    def _choose_target(self) -> None:
        target, _ = QFileDialog.getSaveFileName(self, "Save as", "section.zarr", "*.zarr")
        if target:
            self.save_as(target)

    def save_as(self, target: str | Path) -> None:
        """Write the current section, its Runs included, as a store of its own."""
        if self.state.current is not None:
            section = self.state.current.section
            self.say(f"Saving {section.name} ...")
            self.state.background.run(
                f"save {target}", partial(save_section, section, target),
                lambda _: self.say(f"Saved as {target}"), self.say,
            )  # fmt: skip

    def _take_scale(self, um_per_px: float) -> None:
        self.state.rescale(um_per_px)
        if self.state.current is not None:
            self._show(self.state.current.section)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        if event is not None and event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        if event is not None:
            paths = [url.toLocalFile() for url in event.mimeData().urls()]
            if self.state.current is not None and all(map(is_geojson, paths)):
                self.read_regions(paths)
                return
            self.open(paths[0] if len(paths) == 1 else paths)

    def read_regions(self, paths: Sequence[str]) -> None:
        """Add the regions of GeoJSON files that were dropped."""
        for path in paths:
            self.regions.operations.read_file(path)
        self.show_page(REGIONS)

    def showEvent(self, event: QShowEvent | None) -> None:
        self._closing.watch(self.window())
        super().showEvent(event)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        self.shut()
        super().closeEvent(event)

    def shut(self) -> None:
        """End reading and running; called when the window goes away."""
        self.wishes.close_live()
        self._soon.stop()
        self._closing.leave()
        self.regions.desk.close()
        self.control.close()
