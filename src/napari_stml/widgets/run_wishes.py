"""What happens on Run, Undo, Repeat and Keep: the page's wishes become Runs of the section."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError
from qtpy.QtCore import QObject, Signal

from napari_stml.core.errors import StmlError
from napari_stml.runs.desk import Wish, analyses, spec_of
from napari_stml.runs.scopes import scope_again
from napari_stml.runs.section_run import LIVE
from napari_stml.viewer.parts import meant_by
from napari_stml.viewer.selection import Selection
from napari_stml.widgets.answers import answers_beside
from napari_stml.widgets.live_painting import LivePainting
from napari_stml.widgets.live_panel import LivePanel
from napari_stml.widgets.preferences import preferences
from napari_stml.widgets.result_panel import ResultPanel
from napari_stml.widgets.run_extras import extras

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from qtpy.QtWidgets import QWidget

    from napari_stml.core.charts import Link
    from napari_stml.core.params import LiveParams, Params
    from napari_stml.core.run_record import RunRecord
    from napari_stml.core.scope import Scope
    from napari_stml.runs.desk import PlannedRun
    from napari_stml.viewer.section_view import SectionView
    from napari_stml.viewer.state import ViewerState
    from napari_stml.widgets.run_control import RunControl


class RunWishes(QObject):
    """Between the dock's pages and the workers; paints through the viewer's state."""

    changed = Signal()
    said = Signal(str)
    repeat = Signal(object)
    """A stored Run whose form and scope are wanted again."""

    def __init__(self, state: ViewerState, control: RunControl) -> None:
        super().__init__()
        self._state, self._control = state, control
        self._previews: dict[str, SectionView] = {}
        self._live: LivePanel | None = None
        self._painting: LivePainting | None = None
        self.window: QWidget | None = None
        """What a Run opened beside the dock (its gallery)."""
        state.clicked_at.connect(self._take_place)
        state.closing.connect(self._leave)
        control.published.connect(self._published)

    def run(
        self, analysis: str, params: Params, scope: Scope, *, preview: bool = False, **more: Any
    ) -> None:
        """Queue an analysis on the current section; ``more`` as in `Wish`.

        A preview goes when the next Run of its analysis is there, unless it was kept.
        """
        view = self._state.current
        if view is None:
            self.said.emit("Open a section first.")
            return
        if getattr(analyses().get(analysis), "uses_gpu", False):
            more.setdefault("device", preferences().device)
        try:
            planned = self._control.run(Wish(analysis, params, (view.section,), (scope,), **more))
        except StmlError as error:
            self.said.emit(str(error))
            return
        if preview:
            self._previews[planned.spec.run_id] = view

    def is_preview(self, run_id: str) -> bool:
        return run_id in self._previews

    def keep_preview(self, run_id: str, _: bool = False) -> None:
        self._previews.pop(run_id, None)

    def panel(self, run_id: str) -> ResultPanel | None:
        """The result panel of a stored Run, with its live sliders where it has any."""
        view = self._state.current
        shelf = view.section.shelf if view is not None else None
        if view is None or shelf is None or run_id not in shelf.records:
            return None
        record = shelf.records[run_id]
        self.close_live()
        self._live = self._live_panel(record)
        panel = ResultPanel(record, view.section, self._live)
        panel.show_requested.connect(self.paint)
        panel.layer_requested.connect(self.show_layer)
        panel.undo_requested.connect(self.undo)
        panel.repeat_requested.connect(self._repeat)
        panel.picked.connect(partial(self._picked, record.id))
        panel.genes_requested.connect(self._colour_by_genes)
        for each in extras(self, self._state, record):
            panel.add(each)
        panel.lassoed.connect(self._lassoed)
        return panel

    def paint(self, name: str) -> None:
        try:
            self._state.colour_by(name)
        except (StmlError, KeyError) as error:
            self.said.emit(str(error))

    def show_layer(self, run_id: str, name: str) -> None:
        """Show a heat map, mask, tiles or regions of a Run as a layer of its own."""
        view = self._state.current
        if view is None or view.section.shelf is None:
            return
        try:
            view.show_part(run_id, view.section.shelf.part(run_id, name))
        except StmlError as error:
            self.said.emit(str(error))

    def undo(self, run_id: str) -> None:
        """Take a Run out of the store; Runs that used it are named."""
        view = self._state.current
        if view is None:
            return
        store, shelf = view.section.kept.store, view.section.shelf
        parts = shelf.records[run_id].parts if shelf is not None else ()
        used_by = store.dependents(run_id)
        try:
            store.undo(run_id)
        except StmlError as error:
            self.said.emit(str(error))
            return
        self.close_live()
        view.section.forget_runs()
        view.forget_run(run_id, {n for e in parts for n in (e.name, f"{run_id}/{e.name}")})
        self._state.shown_changed.emit()
        more = f" {', '.join(used_by)} used it and stays." if used_by else ""
        self.said.emit(f"{run_id} was undone.{more}")
        self.changed.emit()

    def redo(self, run_id: str) -> None:
        """Bring an undone Run back as it was."""
        view = self._state.current
        if view is None:
            return
        try:
            view.section.kept.store.redo(run_id)
        except StmlError as error:
            self.said.emit(str(error))
            return
        view.section.forget_runs()
        self.said.emit(f"{run_id} is back.")
        self.changed.emit()

    def close_live(self) -> None:
        if self._live is not None:
            self._live.close_session()
            self._live = None
        if self._painting is not None:
            self._painting.clear()
            self._painting = None

    def _leave(self, view: SectionView) -> None:
        """A section goes away: so does what looks at it; its previews stay as Runs."""
        self._previews = {run: of for run, of in self._previews.items() if of is not view}
        if view is self._state.current:
            self.close_live()
            if self.window is not None:
                self.window.close()

    def follow_selection(self) -> None:
        """Let the live view compare what is selected with the rest."""
        selection = self._state.selection
        if self._live is not None:
            self._live.follow(selection.names if selection is not None else None)

    def _take_place(self, xy: tuple[float, float]) -> None:
        if self._live is not None:
            self._live.take_place(xy)

    def _published(self, planned: PlannedRun, records: tuple[RunRecord, ...]) -> None:
        for old, view in tuple(self._previews.items()):
            if old != planned.spec.run_id and view is self._state.current:
                self._drop_preview(old, planned.spec.analysis, view)
        self.changed.emit()

    def _drop_preview(self, run_id: str, analysis: str, view: SectionView) -> None:
        """Take a preview away that a Run of the same analysis replaces."""
        shelf, store = view.section.shelf, view.section.kept.store
        record = shelf.records.get(run_id) if shelf is not None else None
        if record is None or record.analysis != analysis or store.dependents(run_id):
            return
        del self._previews[run_id]
        try:
            store.undo(run_id)
        except StmlError as error:
            self.said.emit(str(error))
        view.section.forget_runs()

    def _repeat(self, run_id: str) -> None:
        view = self._state.current
        if view is not None and view.section.shelf is not None:
            self.repeat.emit(view.section.shelf.records[run_id])

    def _live_panel(self, record: RunRecord) -> LivePanel | None:
        kind = analyses().get(record.analysis)
        model = getattr(kind, "LiveParams", None)
        planned = self._plan_of(record)
        view = self._state.current
        if kind is None or model is None or planned is None or view is None:
            return None
        known = {**record.params, **record.live}
        start = _start(model, known)
        beside: Mapping[str, Any] = record.params
        if hasattr(kind, "beside") and view.section.observations is not None:
            beside = kind.beside(record.params, view.section.observations.lattice is not None)
        panel = LivePanel(model, start, beside, answers_beside(view.section, record))
        self._painting = LivePainting(self._state, record)
        panel.moved.connect(self._painting.paint)
        panel.pin_requested.connect(self._painting.pin)
        panel.picked.connect(partial(self._picked, record.id))
        panel.charts.names = self._names(view)
        panel.follow(self._state.selection.names if self._state.selection else None)
        panel.failed.connect(self.said)
        panel.keep_requested.connect(partial(self._keep, record))
        panel.open(self._control.workers, LIVE, planned)
        return panel

    @staticmethod
    def _names(view: SectionView) -> NDArray[np.object_]:
        observed = view.section.observations
        return observed.names if observed is not None else np.array([], dtype=object)

    def _plan_of(self, record: RunRecord) -> dict[str, Any] | None:
        """The spec under which the Run's inputs are read again."""
        view = self._state.current
        if view is None:
            return None
        return spec_of(record, view.section).model_dump(mode="json")

    def _keep(self, record: RunRecord, live: Any) -> None:
        """Compute the Run again as it was, and take its live update at this position."""
        view = self._state.current
        if view is None:
            return
        try:
            scope = scope_again(view.section, record.id)
        except StmlError as error:
            self.said.emit(str(error))
            return
        params = analyses()[record.analysis].Params.model_validate(record.params)
        self.run(
            record.analysis, params, scope, live=live, seed=record.seed, threads=record.threads,
            device=record.device, parents=(record.id,),
        )  # fmt: skip

    def _colour_by_genes(self, genes: tuple[str, ...], title: str) -> None:
        if len(genes) == 1:
            if self._live is None or not self._live.take_column(genes[0]):
                self._state.wishes.colour_requested(genes[0])
        else:
            self._state.wishes.genes_requested(genes, title=title)

    def _lassoed(self, names: tuple[str, ...]) -> None:
        """Select what was lassoed in a chart."""
        title = f"{len(names):,} observations from a chart"
        self._state.select(Selection(names, title) if names else None)

    def _picked(self, run_id: str, links: tuple[Link, ...], ids: tuple[str, ...]) -> None:
        """Select what a clicked mark of a chart stands for."""
        view = self._state.current
        if view is None or view.section.observations is None:
            return
        genes = [name for link, name in zip(links, ids, strict=True) if link.kind == "gene"]
        if genes and len(genes) == len(ids):
            self._colour_by_genes((genes[0],), "")
            return
        try:
            inside = meant_by(self._state, links, ids, run_id)
        except StmlError as error:
            self.said.emit(str(error))
            return
        names = tuple(n for n in view.section.observations.names.tolist() if n in inside)
        words = dict.fromkeys(
            f"{link.value} {name}".strip() for link, name in zip(links, ids, strict=True)
            if link.kind != "observations"
        )  # fmt: skip
        title = " and ".join(words) or f"{len(names)} observations"
        self._state.select(Selection(names, title) if names else None)
        if not names:
            self.said.emit(f"No observation is {title}.")


def _start(model: type[LiveParams], known: Mapping[str, Any]) -> LiveParams:
    """Where the sliders begin: at the Run's own values, where they lie on a slider."""
    given = {name: known[name] for name in model.model_fields if name in known}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        outside = {e["loc"][0] for e in error.errors()}
        return model.model_validate({n: v for n, v in given.items() if n not in outside})
