"""What a live update gives, painted: values on the observations, everything else as layers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.charts import Chart
from napari_stml.core.results import SHARED, Graph, Labels, Values
from napari_stml.viewer.camera import visible_box
from napari_stml.viewer.part_layers import LAYERS
from napari_stml.viewer.parts import paint_part

if TYPE_CHECKING:
    from napari_stml.core.results import Result
    from napari_stml.core.run_record import RunRecord
    from napari_stml.viewer.state import ViewerState


class LivePainting:
    """Paints the answers of one Run's live panel; what is not of the Run goes with the panel."""

    def __init__(self, state: ViewerState, record: RunRecord) -> None:
        self._state, self._record = state, record
        self._view = state.current
        self._passing: set[str] = set()
        self._ringed = self._pinned = False

    def paint(self, result: Result) -> None:
        view = self._state.current
        if view is None or view is not self._view:
            return
        parts = result.parts.get(view.section.name, ())
        colours = [p for p in parts if isinstance(p, Labels | Values)]
        wanted = [p for p in colours if p.name == result.shows] or colours
        if wanted:
            paint_part(self._state, wanted[0])
        shown: set[str] = set()
        for part in parts:
            if isinstance(part, (*LAYERS, Graph)):
                active = view.viewer.layers.selection.active
                view.show_part(self._record.id, part)
                if active in view.viewer.layers:
                    view.viewer.layers.selection.active = active  # clicks go on to the slide
                shown.add(part.name)
        stored = {entry.name for entry in self._record.parts}
        for name in self._passing - shown:
            view.hide_part(self._record.id, name)
        self._passing = shown - stored
        self._ring(result)

    def _ring(self, result: Result) -> None:
        """Rings around the observations that a live chart names one by one (neighbours)."""
        view = self._view
        if view is None or view.section.observations is None:
            return
        meant = {
            name for part in result.parts.get(SHARED, ()) if isinstance(part, Chart)
            for link in part.links if link.kind == "observations" for name in link.ids
        }  # fmt: skip
        if meant:
            view.ring(np.isin(view.section.observations.names.astype(str), sorted(meant)))
        elif self._ringed:
            selection = self._state.selection
            view.ring(None if selection is None else selection.mask(view.section.observations))
        self._ringed = bool(meant)

    def pin(self, words: str) -> None:
        """Keep what is shown right of a line while the slider moves on; "" lets it go."""
        view = self._view
        if view is None or view is not self._state.current:
            return
        pinned = None
        if words and view.shown is not None:
            pinned = replace(view.shown, name=f"{view.shown.name}, {words}")
        low, high = visible_box(view.viewer)
        view.swipe(pinned, float(low[1] + high[1]) / 2)
        self._pinned = pinned is not None
        self._state.place_swipe()
        self._state.shown_changed.emit()

    def clear(self) -> None:
        """Take away the layers that were only live."""
        if self._pinned:
            self.pin("")
        if self._view is not None:
            if self._ringed:
                self._view.ring(None)
            for name in self._passing:
                self._view.hide_part(self._record.id, name)
        self._passing.clear()
