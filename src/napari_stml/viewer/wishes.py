"""What the page "Look", the legend and the keys may wish for; done to the current section."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.core.rules import parse
from napari_stml.viewer.camera import show_everything, visible_box, zoom_to
from napari_stml.viewer.colours import ColourScale
from napari_stml.viewer.element_layer import read_points
from napari_stml.viewer.places import chosen_shapes_box, region_boxes, tissue_box
from napari_stml.viewer.prepare import coarsest
from napari_stml.viewer.selection import Selection, selected
from napari_stml.viewer.several import title_of, together
from napari_stml.viewer.shown import Shown, shown_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.viewer.places import Box
    from napari_stml.viewer.section_view import SectionView
    from napari_stml.viewer.several import Together
    from napari_stml.viewer.state import ViewerState


class LookWishes:
    """Every method returns at once; what must be read is read aside and painted when it comes.

    Answers that come after another wish of the same kind, or after the section was changed, are
    dropped. What goes wrong is said by the state's ``said``.
    """

    def __init__(self, state: ViewerState) -> None:
        self._state = state
        self._before: Shown | None = None
        self._region = -1

    # what is shown

    def colour_requested(self, name: str, colour_map: str = "viridis") -> None:
        """Colour by a column or a gene."""
        view = self._state.current
        if view is None or view.section.observations is None:
            return
        shown = view.shown
        if shown is not None and shown.name == name and shown.scale is not None:
            scale = ColourScale(colour_map, shown.scale.low, shown.scale.high)
            self._show(view, replace(shown, scale=scale))
            return

        def read() -> Shown:
            view.styling.load()
            values = view.section.values(name)
            return shown_of(name, values, style=view.styling.of(name), colour_map=colour_map)

        self._read(view, read)

    def genes_requested(
        self, names: Sequence[str], how: Together = "mean of z", colour_map: str = "viridis",
        title: str = "",
    ) -> None:  # fmt: skip
        """Colour by several genes together; ``title`` is the gene set's name."""
        view = self._state.current
        if view is None or view.section.observations is None or not names:
            return

        def read() -> Shown:
            columns = [view.section.gene(name) for name in names]
            values = together(np.column_stack(columns), how)
            name = f"{title} ({how})" if title else title_of(names, how)
            return shown_of(name, values, colour_map=colour_map)

        self._read(view, read)

    def _read(self, view: SectionView, read: object) -> None:
        def show(shown: Shown) -> None:
            if view is self._state.current:
                self._before = view.shown or self._before
                self._show(view, shown)
                text = f"{shown.missing:,} without a value" if shown.missing else ""
                self._state.said.emit(text)

        self._state.background.run("colour", read, show, self._state.said.emit)  # type: ignore[arg-type]

    def _show(self, view: SectionView, shown: Shown) -> None:
        view.show(shown)
        self._state.shown_changed.emit()

    def _change(self, change: object) -> None:
        view = self._state.current
        if view is not None and view.shown is not None:
            self._show(view, change(view.shown))  # type: ignore[operator]

    def limits_requested(self, low: float, high: float, percentiles: bool = False) -> None:
        """Ends of the colour scale, as values or as percentiles."""
        self._change(lambda shown: shown.with_limits(low, high, percentiles=percentiles))

    def threshold_requested(self, low: float | None, high: float | None, hide: bool = True) -> None:
        """What lies beyond is hidden, or grey."""
        self._change(
            lambda s: replace(s, threshold=replace(s.threshold, low=low, high=high, hide=hide))
        )

    def category_toggled(self, category: int) -> None:
        """Hide or show a category."""
        self._change(lambda s: replace(s, hidden=s.off ^ {category}, alone=None))

    def alone_requested(self, category: int) -> None:
        self._change(lambda s: replace(s, alone=category))

    def isolate_requested(self, step: int) -> None:
        """Show one category after the other (+1, -1), or all again (0)."""
        if step:
            self._change(lambda s: s.stepped(step))
        else:
            self._change(lambda s: replace(s, alone=None, hidden=frozenset()))

    # edits of categories, with undo

    def rename_requested(self, name: str, to: str) -> None:
        """Rename a category; the name of another one merges the two."""
        view = self._state.current
        if view is None or view.shown is None or view.shown.drawn is None:
            return
        shown = view.shown
        merging = to in shown.categories
        view.styling.author = self._state.author
        style = view.styling.of(shown.name).renamed(name, to, shown.stored)
        title = f"merge {name} into {to}" if merging else f"rename {name} to {to}"
        view.styling.do(shown.name, title, style)
        self._show(view, shown.with_style(style))

    def selected_in(self, category: int) -> NDArray[np.bool_]:
        """The selected observations of a drawn category, as a mask over all."""
        view, selection = self._state.current, self._state.selection
        if (
            view is None or view.shown is None or view.shown.drawn is None
            or view.section.observations is None or selection is None
        ):  # fmt: skip
            return np.zeros(0, dtype=bool)
        mine = view.shown.drawn.codes == category
        return np.asarray(mine & selection.mask(view.section.observations))

    def split_requested(self, category: int, to: str) -> None:
        """The selected observations of a category become one of their own."""
        mask = self.selected_in(category)
        view = self._state.current
        if view is None or view.shown is None or view.shown.drawn is None:
            return
        shown, drawn = view.shown, view.shown.drawn
        name = shown.categories[category]
        if to in shown.categories:
            self._state.said.emit(f"There is a {to} already; choose another name.")
            return
        if not mask.any() or mask.sum() == (drawn.codes == category).sum():
            self._state.said.emit(f"Select a part of {name} first, then split it off.")
            return
        view.styling.author = self._state.author
        style = view.styling.of(shown.name).split(to, mask, shown.stored)
        view.styling.do(shown.name, f"split {to} ({mask.sum():,}) off {name}", style)
        self._show(view, shown.with_style(style))

    def recolour_requested(self, name: str, colour: str) -> None:
        view = self._state.current
        if view is None or view.shown is None or view.shown.drawn is None:
            return
        view.styling.author = self._state.author
        style = view.styling.of(view.shown.name).recoloured(name, colour)
        view.styling.do(view.shown.name, f"colour {name}", style)
        self._show(view, view.shown.with_style(style))

    @property
    def undo_title(self) -> str:
        view = self._state.current
        return view.styling.undo_title if view is not None else ""

    def undo_requested(self) -> None:
        """Take the latest rename, merge, split or recolour back."""
        view = self._state.current
        edit = view.styling.undo() if view is not None else None
        if view is None or edit is None:
            return
        if view.shown is not None and view.shown.name == edit.column:
            self._show(view, view.shown.with_style(edit.before))
        self._state.said.emit(f"Undone: {edit.title}")

    # how it is drawn

    def size_requested(self, factor: float) -> None:
        """Draw observations larger or smaller than they are."""
        if (view := self._with_observations()) is not None:
            view.set_size(factor)

    def opacity_requested(self, value: float) -> None:
        if (view := self._with_observations()) is not None:
            view.set_opacity(value)

    def overlay_requested(self, visible: bool) -> None:
        """Observations on or off."""
        if (view := self._with_observations()) is not None:
            view.painter().visible = visible

    def overlay_toggled(self) -> None:
        if (view := self._with_observations()) is not None:
            view.painter().visible = not view.painter().visible

    def _with_observations(self) -> SectionView | None:
        view = self._state.current
        return view if view is not None and view.section.observations is not None else None

    # swipe

    def swipe_requested(self, name: str, colour_map: str = "viridis") -> None:
        """Show another column or gene right of a line; an empty name ends it."""
        view = self._state.current
        if view is None:
            return
        if not name:
            self._swipe(view, None)
            return

        def read() -> Shown:
            view.styling.load()
            values = view.section.values(name)
            return shown_of(name, values, style=view.styling.of(name), colour_map=colour_map)

        def show(shown: Shown) -> None:
            if view is self._state.current:
                self._swipe(view, shown)

        self._state.background.run("swipe", read, show, self._state.said.emit)

    def swipe_toggled(self) -> None:
        """Swipe between what is shown and what was shown before it."""
        view = self._state.current
        if view is None:
            return
        if view.beside is None and self._before is None:
            self._state.said.emit("Colour by a second value first; then swipe between the two.")
            return
        self._swipe(view, None if view.beside is not None else self._before)

    def _swipe(self, view: SectionView, beside: Shown | None) -> None:
        low, high = visible_box(self._state.viewer)
        view.swipe(beside, float(low[1] + high[1]) / 2)
        self._state.place_swipe()
        self._state.shown_changed.emit()

    def divider_moved(self, world_x: float) -> None:
        view = self._state.current
        if view is not None and view.beside is not None:
            view.swipe(view.beside, world_x)

    # selection

    def rule_requested(self, text: str) -> None:
        """Select what fulfils a rule; an empty one selects nothing."""
        view = self._with_observations()
        if view is None:
            return
        if not text.strip():
            self._state.select(None)
            return
        try:
            rule = parse(text)
        except StmlError as error:
            self._state.said.emit(str(error))
            return

        def read() -> Selection:
            values = {name: view.section.values(name) for name in rule.names}
            observed = view.section.observations
            if observed is None:
                raise StmlError("This section has no observations")
            return selected(rule.mask(values), observed, rule.text)

        def show(selection: Selection) -> None:
            if view is self._state.current:
                self._state.select(selection)
                self._state.said.emit(selection.title)

        self._state.background.run("rule", read, show, self._state.said.emit)

    def category_selected(self, category: int) -> None:
        """Select the observations of one drawn category."""
        view = self._with_observations()
        if view is None or view.shown is None or view.shown.drawn is None:
            return
        mask = view.shown.drawn.codes == category
        title = f"{view.shown.name} = {view.shown.categories[category]}"
        if view.section.observations is not None:
            self._state.select(selected(mask, view.section.observations, title))

    def observation_toggled(self, name: str) -> None:
        view = self._with_observations()
        if view is not None and view.section.observations is not None:
            before = self._state.selection or Selection((), "")
            after = before.toggled(name, view.section.observations)
            self._state.select(after if len(after) else None)

    # view

    def zoom_requested(self, where: str) -> None:
        """Go to "selection" (else everything), "tissue", the next "region", or "everything"."""
        view, viewer = self._state.current, self._state.viewer
        selection, box = self._state.selection, None
        if view is not None and where == "region":
            self._to_region(view)
            return
        if view is not None and where == "tissue":
            box = tissue_box(view)
        elif view is not None and where == "selection" and selection is not None:
            observed = view.section.observations
            box = view.world_box(selection.mask(observed)) if observed is not None else None
        if box is None:
            show_everything(viewer)
        else:
            zoom_to(viewer, *box)

    def _to_region(self, view: SectionView) -> None:
        """The shapes selected on the canvas, else one drawn region after the other."""
        chosen = chosen_shapes_box(self._state.viewer)
        if chosen is not None:
            zoom_to(self._state.viewer, *chosen)
            return

        def show(boxes: list[Box]) -> None:
            if view is not self._state.current:
                return
            if not boxes:
                self._state.said.emit("No region is drawn in this section.")
                return
            self._region = (self._region + 1) % len(boxes)
            zoom_to(self._state.viewer, *boxes[self._region])
            self._state.said.emit(f"Region {self._region + 1} of {len(boxes)}")

        self._state.background.run(
            "regions", partial(region_boxes, view), show, self._state.said.emit
        )

    def overview_toggled(self) -> None:
        """The map in the corner on or off."""
        if self._state.overview is not None:
            self._state.overview.toggle()
            self._state.draw_overview()

    # further elements

    def element_requested(self, name: str, genes: str = "") -> None:
        """Show a further element, or a label mask, of the section."""
        view = self._state.current
        if view is None:
            return
        self._state.said.emit(f"Reading {name} ...")
        done = partial(self._element_read, view, name)
        element = next((e for e in view.section.elements if e.name == name), None)
        if element is not None:
            wanted = tuple(g.strip() for g in genes.split(",") if g.strip())
            points = element.kind == "points"
            read = partial(read_points, element, wanted) if points else element.load
        elif name in view.section.images:
            read = partial(coarsest, view.section.images[name].slide)
        else:
            return
        self._state.background.run(f"element {name}", read, done, self._state.said.emit)

    def _element_read(self, view: SectionView, name: str, data: object) -> None:
        if view is not self._state.current:
            return
        element = next((e for e in view.section.elements if e.name == name), None)
        if element is not None:
            view.show_element(element, data)
        else:
            view.show_mask(name, data)  # type: ignore[arg-type]
        self._state.said.emit(f"{name} shown")
