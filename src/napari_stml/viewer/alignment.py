"""Moves the observations over the image: landmarks, flip, turn, nudge; kept, with undo."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Affine
from napari_stml.core.landmarks import Fit, mirror, register
from napari_stml.io.alignment import aligned, keeper
from napari_stml.viewer.prepare import prepare_moved

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Points

    from napari_stml.core.landmarks import Registered
    from napari_stml.io.section import Section
    from napari_stml.viewer.state import ViewerState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """One move, and the whole map after it."""

    title: str
    total: Affine


class Alignment:
    """Aligns the section that is current when this is made. Every step is shown and kept at once.

    Maps are in reference pixels, always from the positions as they were opened, so that many
    small steps lose nothing.
    """

    def __init__(self, state: ViewerState) -> None:
        if state.current is None or state.current.section.observations is None:
            raise StmlError("There are no observations to align", do="open a section with spots")
        self._state = state
        self._base: Section = state.current.section
        self._steps: list[Step] = [Step("as opened", Affine())]
        self._keep: Callable[[Affine], None] | None = None
        self._pairs: tuple[Points, Points] | None = None

    @property
    def total(self) -> Affine:
        """What all steps do together."""
        return self._steps[-1].total

    @property
    def undo_title(self) -> str:
        return self._steps[-1].title if len(self._steps) > 1 else ""

    def nudge(self, dx_px: float, dy_px: float) -> None:
        self._do(f"move by {dx_px:g}, {dy_px:g} px", Affine.translation(dx_px, dy_px))

    def rotate(self, degrees: float) -> None:
        """Turn about the middle of the observations, clockwise on the screen."""
        self._do(f"turn by {degrees:g} degrees", Affine.rotation(degrees, self._middle()))

    def flip(self, direction: Literal["horizontal", "vertical"]) -> None:
        self._do(f"flip {direction}", mirror(direction, self._middle()))

    def undo(self) -> None:
        """Take the last step back."""
        if len(self._steps) > 1:
            self._steps.pop()
            self._show_and_keep()

    def begin_landmarks(self) -> tuple[Points, Points]:
        """Two layers for pairs of points: first on the observations, then on the image."""
        from napari.layers import Points

        if self._pairs is None:
            view = self._state.current
            place = view.frame.vector() if view is not None else {}
            made = []
            for name, colour in (("landmarks on the spots", "#ffe600"),
                                 ("landmarks on the image", "#00e5ff")):  # fmt: skip
                layer = Points(
                    np.empty((0, 2)), ndim=2, name=name, face_color=colour, size=12,
                    canvas_size_limits=(8, 16), symbol="cross", **place,
                )  # fmt: skip
                made.append(self._state.viewer.add_layer(layer))
            self._pairs = (made[0], made[1])
            for layer in made:
                layer.mode = "add"
                layer.events.data.connect(self._next_landmark)
            self._next_landmark()
        return self._pairs

    def _next_landmark(self, _: Any = None) -> None:
        """Clicks go to the two layers in turns; the user may choose the other one."""
        if self._pairs is not None:
            on_spots, on_image = self._pairs
            on = on_image if len(on_spots.data) > len(on_image.data) else on_spots
            self._state.viewer.layers.selection.active = on

    def apply_landmarks(self, fit: Fit = "similarity") -> Registered:
        """Move the observations so that the first layer's points come to lie on the second's."""
        if self._pairs is None:
            raise StmlError("No landmarks are set", do="set pairs of points first")
        on_spots, on_image = (np.asarray(layer.data)[:, ::-1] for layer in self._pairs)
        found = register(on_spots, on_image, fit)
        self.end_landmarks()
        self._do(f"{len(on_spots)} landmarks ({fit})", found.affine)
        self._state.said.emit(f"Aligned; the landmarks are {found.mean_off:.1f} px off on average.")
        return found

    def end_landmarks(self) -> None:
        """Take the landmark layers away."""
        gone, self._pairs = self._pairs or (), None
        for layer in gone:
            if layer in self._state.viewer.layers:
                self._state.viewer.layers.remove(layer)

    def _middle(self) -> tuple[float, float]:
        observed = self._base.observations
        xy = self.total(observed.xy).mean(axis=0) if observed is not None else np.zeros(2)
        return float(xy[0]), float(xy[1])

    def _do(self, title: str, by: Affine) -> None:
        self._steps.append(Step(title, by @ self.total))
        self._show_and_keep()

    def _show_and_keep(self) -> None:
        total = self.total
        try:
            if self._keep is None:
                self._keep = keeper(self._base)  # before aligned(): both share the open store
            done = self._base.kept.store.later(self._keep, total)
            done.add_done_callback(self._kept)
        except StmlError as error:
            self._state.said.emit(f"{error} The alignment is shown but not kept.")
        self._state.background.run(
            "align", lambda: prepare_moved(self._base, aligned(self._base, total)),
            self._shown, self._state.said.emit,
        )  # fmt: skip

    def _shown(self, section: Section) -> None:
        self._state.replace_section(section)

    def _kept(self, done: Any) -> None:
        error = done.exception()
        if error is not None:
            log.error("the alignment was not kept", exc_info=error)
            self._state.background.said.emit(f"The alignment is shown but not kept: {error}")
