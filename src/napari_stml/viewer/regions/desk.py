"""What the page "Regions", the keys and the tools may wish for; done to the current section."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import shapely
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_stml.core.errors import StmlError
from napari_stml.regions.measuring import extent
from napari_stml.regions.region import AREAS, Drawn, sound
from napari_stml.viewer.regions.book import Book
from napari_stml.viewer.regions.picture import Picture
from napari_stml.viewer.regions.sizes import size_words
from napari_stml.viewer.regions.sketch import Sketch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from napari_stml.regions.drawing import Drawing, Step
    from napari_stml.regions.region import Form
    from napari_stml.viewer.section_view import SectionView
    from napari_stml.viewer.state import ViewerState

SAVE_AFTER_MS = 1200
WIDTH = 2.0
"""Of outlines on the screen when the section is opened."""


class RegionDesk:
    """The regions of all sections open in a viewer; one of them is looked at.

    ``changed`` follows every edit, ``chosen_changed`` the selection, ``measured`` what is being
    drawn (words for the page); ``offered`` tells of edits that an earlier session lost.
    """

    changed = Signal()
    chosen_changed = Signal()
    tool_changed = Signal(str)
    measured = Signal(str)
    offered = Signal(object)

    def __init__(self, state: ViewerState) -> None:
        self.state = state
        self.book: Book | None = None
        self.sketch: Sketch | None = None
        self.picture: Picture | None = None
        self.chosen: tuple[str, ...] = ()
        self.pen = self.author = ""
        self.painting, self.handles = False, True
        self._view: SectionView | None = None
        self._books: dict[str, Book] = {}
        self._after = QTimer()
        self._after.setSingleShot(True)
        self._after.setInterval(SAVE_AFTER_MS)
        self._after.timeout.connect(self.save)
        state.regions = self
        state.section_changed.connect(self._section_changed)
        state.closing.connect(self._closing)
        self._section_changed()

    # sections

    @property
    def drawing(self) -> Drawing | None:
        return self.book.drawing if self.book is not None else None

    @property
    def view(self) -> SectionView | None:
        return self._view

    def _section_changed(self) -> None:
        view = self.state.current
        if view is self._view and view is not None:
            if self.book is not None and self.book.section is not view.section:
                self._count(view, self.book, self._tell_all)
            return
        self._put_away()
        self._view = view
        if view is None:
            self._tell_all()
            return
        key = _key(view)
        known = self._books.get(key)
        if known is not None:
            self._count(view, known, partial(self._opened, view, known))
            return
        self.state.background.run(
            "regions", lambda: Book.read(view.section), lambda book: self._opened(view, book),
            self.state.said.emit,
        )  # fmt: skip
        self._tell_all()

    def _count(self, view: SectionView, book: Book, then: Callable[[], None]) -> None:
        self.state.background.run(
            "regions", lambda: book.count_in(view.section), lambda _: then(), self.state.said.emit
        )

    def _opened(self, view: SectionView, book: Book) -> None:
        if view is not self.state.current:
            return
        key = _key(view)
        if key not in self._books:
            self._keep_book(key, book)
        self.book = book
        book.drawing.author = self.author
        self.sketch = Sketch(self.state.viewer, f"{view.section.name} / regions", view.frame)
        self.picture = Picture(f"{view.section.name} / regions", view.frame,
                               self.sketch.screen(WIDTH))  # fmt: skip
        if len(book.drawing):
            self._paint_all()
        self._tell_all()
        if book.offer is not None:
            self.offered.emit(book.offer)

    def _keep_book(self, key: str, book: Book) -> None:
        self._books[key] = book
        book.failed = self.state.background.said.emit
        book.drawing.listeners.append(partial(self._edited, book))

    def _paint_all(self) -> None:
        if self.picture is None or self.book is None or self._view is None:
            return
        active = self.state.viewer.layers.selection.active
        layer = self.picture.show_all([(r, self._ink(r)) for r in self.book.drawing.regions])
        self.painting = True  # the tool stays in the hand although another layer is active
        try:
            self.state.viewer.add_layer(layer)
            self.state.pointer.explain(layer)
            if self.sketch is not None and self.sketch.stands:
                self.sketch.raise_()
            self.state.viewer.layers.selection.active = active
        finally:
            self.painting = False

    def _put_away(self) -> None:
        self.save()
        if self.sketch is not None:
            self.sketch.remove()
        layer = self.picture.layer if self.picture is not None else None
        if layer is not None and layer in self.state.viewer.layers:
            self.state.viewer.layers.remove(layer)
        self.book = self.sketch = self.picture = None
        self.chosen = ()

    def _closing(self, view: SectionView) -> None:
        """A section's files are about to be closed."""
        if view is self._view:
            self._put_away()
            self._view = None
        book = self._books.pop(_key(view), None)
        if book is not None:
            book.close()

    def close(self) -> None:
        """Save everything; the viewer goes away."""
        self._after.stop()
        for book in self._books.values():
            book.close()
        self._books.clear()

    def save(self) -> None:
        if self.book is not None:
            self.book.save()
            if self.book.unsaved and self.book.refused is None:
                self._after.start()

    def save_now(self) -> None:
        """Save and wait: an analysis is about to read the regions from the store."""
        if self.book is not None:
            self.book.save_now()

    def save_over(self) -> None:
        """Save although another program changed the regions; its state becomes a generation."""
        if self.book is not None:
            self.book.save(even_if_changed=True)

    # painting

    def _ink(self, region: Drawn) -> str:
        drawing = self.drawing
        if drawing is None or drawing.is_hidden(region):
            return ""
        return drawing.classes.colour_for(region)

    def _edited(self, book: Book, step: Step) -> None:
        """Follow an edit on the canvas, in place."""
        if self.book is not book or self.picture is None:
            return
        standing = self.picture.layer is not None and self.picture.layer in self.state.viewer.layers
        if not standing:
            self._paint_all()
        else:
            touched = dict(step.after)
            if step.classes_after is not None:
                before = step.classes_before or step.classes_after
                looks = {c.name for c in step.classes_after if before.get(c.name) != c}
                touched |= {r.id: r for r in self.book.drawing.regions if r.kind in looks}
            self.picture.drop([i for i, r in touched.items() if r is None])
            for region in touched.values():
                if region is not None:
                    self.picture.put(region, self._ink(region))
        self._after.start()
        kept = tuple(i for i in self.chosen if self.book.drawing.get(i) is not None)
        if kept != self.chosen or any(i in step.after for i in kept):
            self.choose(kept, again=True)
        self.changed.emit()

    def _tell_all(self) -> None:
        self.changed.emit()
        self.chosen_changed.emit()

    # what is chosen

    @property
    def chosen_regions(self) -> list[Drawn]:
        return self.drawing.some(self.chosen) if self.drawing is not None else []

    def choose(self, ids: Iterable[str], *, again: bool = False) -> None:
        """Select regions; the selection is drawn in yellow."""
        new = tuple(dict.fromkeys(ids))
        if new == self.chosen and not again:
            return
        self.chosen = new
        self.show_chosen()
        self.chosen_changed.emit()

    def show_chosen(self) -> None:
        if self.sketch is None:
            return
        some = [r.outline for r in self.chosen_regions if self._ink(r)]
        if some and not self.sketch.stands:
            self.sketch.add()
        if not self.sketch.stands:
            return
        areas = [sound(o) for o in some if o.geom_type in AREAS]
        whole = some[0] if len(some) == 1 else shapely.union_all(areas) if areas else None
        one = some[0] if len(some) == 1 and self.handles else None
        self.sketch.show_whole(whole, one)
        self.tell_size(some[0] if len(some) == 1 else None)

    def region_at(self, xy: NDArray[np.float64], reach: float) -> Drawn | None:
        """The smallest visible region at a place, within ``reach`` reference pixels."""
        drawing = self.drawing
        if drawing is None:
            return None
        shown = [r for r in drawing.regions if not drawing.is_hidden(r)]
        if not shown:
            return None
        outlines = np.array([r.outline for r in shown], dtype=object)
        bounds = shapely.bounds(outlines)
        near = np.flatnonzero(
            (bounds[:, 0] - reach <= xy[0]) & (bounds[:, 2] + reach >= xy[0])
            & (bounds[:, 1] - reach <= xy[1]) & (bounds[:, 3] + reach >= xy[1])
        )  # fmt: skip
        hit = near[shapely.dwithin(outlines[near], shapely.Point(*xy), reach)]
        if not len(hit):
            return None
        return shown[int(hit[np.argmin(shapely.area(outlines[hit]))])]

    # edits: every one is a step that can be undone

    def do(self, act: Callable[[Drawing], object]) -> bool:
        """Change the drawing; what is refused (a locked region) is said."""
        if self.drawing is None:
            self.state.said.emit("Open a section first.")
            return False
        try:
            act(self.drawing)
        except StmlError as error:
            self.state.said.emit(str(error))
            return False
        return True

    def finish(
        self, outline: BaseGeometry, form: Form = "polygon", modifiers: Sequence[str] = ()
    ) -> None:
        """A stroke has ended: a new region, or more (Shift) or less (Alt) of the selected one."""
        from napari_stml.regions import shaping

        drawing = self.drawing
        if drawing is None or outline.is_empty:
            return
        one = self.chosen_regions[0] if len(self.chosen_regions) == 1 else None
        area = outline.geom_type in {"Polygon", "MultiPolygon"}
        if one is not None and area and one.is_area and {"Alt", "Shift"} & set(modifiers):
            take = "Alt" in modifiers
            new = (shaping.subtracted(one.outline, [outline]) if take
                   else shaping.merged([one.outline, outline]))  # fmt: skip
            title = f"{'take from' if take else 'add to'} {one.title}"
            if new.is_empty:
                self.do(lambda d: d.delete(one.id))
            else:
                self.do(lambda d: d.put(title, [one.with_(outline=new, form="polygon")]))
            return
        region = Drawn.new(outline, kind=self.pen, form=form)
        before, self.chosen = self.chosen, (region.id,)
        if not self.do(lambda d: d.add(region)):
            self.choose(before, again=True)

    def class_requested(self, name: str) -> None:
        """Give the selected regions a class; what is drawn next has it, too."""
        self.pen = name
        if self.chosen:
            title = f"class {name}" if name else "no class"
            self.do(lambda d: d.change(self.chosen, title, kind=name))
        self.changed.emit()

    def key_pressed(self, key: str) -> None:
        """A digit: the class that has it."""
        own = self.drawing.classes.at_key(key) if self.drawing is not None else None
        if own is not None:
            self.class_requested(own.name)

    def delete_requested(self) -> None:
        self.do(lambda d: d.delete(*self.chosen))

    def undo_requested(self) -> None:
        if self.drawing is not None:
            title = self.drawing.undo()
            self.state.said.emit(f"Undone: {title}" if title else "Nothing to undo")

    def redo_requested(self) -> None:
        if self.drawing is not None:
            title = self.drawing.redo()
            self.state.said.emit(f"Done again: {title}" if title else "Nothing to do again")

    def bring_back(self) -> None:
        """Take what an earlier session could not save."""
        if self.book is not None and self.book.offer is not None:
            self.book.offer.bring_back(self.book.drawing)
            self.answered()

    def answered(self) -> None:
        """The offer is answered: taken, or declined."""
        if self.book is not None and self.book.offer is not None:
            self.book.offer = None
            try:
                self.book.keeper.answered()
            except StmlError as error:
                self.state.said.emit(str(error))

    def add_to(self, view: SectionView, regions: Sequence[Drawn], title: str) -> None:
        """Add regions to another open section."""
        key = _key(view)

        def add(book: Book) -> None:
            if key not in self._books:
                self._keep_book(key, book)
            own = self._books[key]
            own.drawing.author = self.author
            try:
                own.drawing.add(*regions, title=title)
            except StmlError as error:
                self.state.said.emit(str(error))
                return
            own.save()
            self.state.said.emit(f"{len(regions)} regions copied to {view.section.name}")

        known = self._books.get(key)
        if known is not None:
            add(known)
        else:
            self.state.background.run("copy regions", lambda: Book.read(view.section), add,
                                      self.state.said.emit)  # fmt: skip

    # words

    def tell_size(self, outline: BaseGeometry | None) -> None:
        """Say how large it is and how many observations it holds, while it is drawn."""
        self.measured.emit(self.size_words(outline) if outline is not None else "")

    def size_of(self, region: Drawn) -> str:
        """Area or length in words, for the list."""
        scale = self._view.section.um_per_px if self._view is not None else None
        size = extent(region.outline, scale)
        return size_words(size, "µm" if scale is not None else "px", region.outline)

    def size_words(self, outline: BaseGeometry) -> str:
        if self._view is None or self.book is None:
            return ""
        scale = self._view.section.um_per_px
        size = extent(outline, scale)
        words = size_words(size, "µm" if scale is not None else "px", outline)
        if size.area and self.book.place is not None:
            observed = self._view.section.observations
            kind = observed.kind if observed is not None else "spots"
            words = f"{self.book.place.count(outline):,} {kind}, {words}"
        return words


def _key(view: SectionView) -> str:
    return f"{view.section.path}\n{view.section.name}"
