"""What is done to selected regions by a button: merge, margins, copies, results, files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Box
from napari_stml.core.results import Heatmap, Mask, Regions
from napari_stml.regions import outlining, shaping
from napari_stml.regions.region import Drawn
from napari_stml.viewer.selection import selected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

    from napari_stml.core.results import Part
    from napari_stml.regions.geojson import Collection, Offset
    from napari_stml.viewer.regions.desk import RegionDesk

MOST_FROM_RESULTS = 5_000


class Operations:
    """Every method is one step that can be undone; what cannot be done is said."""

    def __init__(self, desk: RegionDesk) -> None:
        self._desk = desk

    # several regions

    def merge(self) -> None:
        """One region of all selected ones; it keeps the first one's class and name."""
        some = self._areas(2)
        if some:
            first = some[0].with_(outline=shaping.merged([r.outline for r in some]), form="polygon")
            gone = [r.id for r in some[1:]]
            if self._desk.do(lambda d: d.put(f"merge {len(some)} regions", [first], gone)):
                self._desk.choose([first.id])

    def subtract(self) -> None:
        """Take all later selected regions out of the first one; they stay."""
        some = self._areas(2)
        if some:
            rest = [r.outline for r in some[1:]]
            self._reshape(some[:1], "subtract from", lambda s: shaping.subtracted(s, rest))

    def intersect(self) -> None:
        """A new region of what lies in all selected ones."""
        some = self._areas(2)
        if some:
            self._add([self._like(some[0], shaping.common([r.outline for r in some]))], "common")

    def split(self) -> None:
        """A region of its own for each separate piece."""
        some = [r for r in self._areas(1) if len(shaping.split(r.outline)) > 1]
        new = [self._like(r, piece) for r in some for piece in shaping.split(r.outline)]
        if not new:
            self._say("No selected region has separate pieces.")
        elif self._desk.do(lambda d: d.put("split", new, [r.id for r in some])):
            self._desk.choose([r.id for r in new])

    # each region

    def fill(self) -> None:
        self._reshape(self._areas(1), "fill holes of", shaping.filled)

    def simplify(self, um: float) -> None:
        """Fewer corners, nowhere further off than so many um (pixels without a scale)."""
        scale = self._scale()
        px = um / scale.mean if scale is not None else um
        self._reshape(self._areas(1), "simplify", lambda s: shaping.simplified(s, px))

    def grow(self, um: float) -> None:
        """Expand by so many um, or shrink by a negative number."""
        scale = self._require_scale()
        if scale is not None:
            word = "grow" if um > 0 else "shrink"
            self._reshape(self._areas(1), word, lambda s: shaping.margin(s, um, scale))

    def ring(self, inner_um: float, outer_um: float) -> None:
        """New regions: the band between two distances from each outline."""
        scale = self._require_scale()
        if scale is None:
            return
        new = []
        for region in self._areas(1):
            try:
                band = shaping.ring(region.outline, inner_um, outer_um, scale)
            except StmlError as error:
                return self._say(str(error))
            low, high = sorted((inner_um, outer_um))
            name = f"{region.title} {low:g} to {high:g} µm"
            new.append(self._like(region, band, name=name, parent=region.id))
        self._add(new, "ring")

    def invert(self) -> None:
        """A new region: what of the section lies in no selected one."""
        some = self._areas(1)
        if some:
            outline = shaping.inverse([r.outline for r in some], self._field())
            self._add([Drawn.new(outline, kind=self._desk.pen, name="rest")], "inverse")

    def copy_to(self, place: int) -> None:
        """Copy the selected regions to another open section, at equal um (else pixels)."""
        views = self._desk.state.views
        target = views[place] if 0 <= place < len(views) else None
        some = self._desk.chosen_regions
        if target is None or target is self._desk.view or not some:
            return self._say("Select regions, and open the section that they are copied to.")
        mine, theirs = self._scale(), target.section.um_per_px
        by = np.ones(2)
        if mine is not None and theirs is not None:
            by = np.array([mine.x / theirs.x, mine.y / theirs.y])
        import shapely

        copies = [self._like(r, shapely.transform(r.outline, lambda xy: xy * by), form=r.form)
                  for r in some]  # fmt: skip
        self._desk.add_to(target, copies, f"copy {len(copies)} regions")

    # from results

    def from_shown(self, categories: Sequence[str] = ()) -> None:
        """Regions around the observations of the shown categories, or of what passes the limits.

        Numbers become regions through the threshold set on the page Look.
        """
        view = self._desk.view
        observed = view.section.observations if view is not None else None
        if view is None or view.shown is None or observed is None:
            return self._say("Colour by a column, cluster or niche first.")
        shown = view.shown
        if shown.drawn is not None:
            names = list(shown.categories)
            codes = np.asarray(shown.drawn.codes)
            wanted = categories or [n for i, n in enumerate(names) if i not in shown.off]
            codes = np.where(np.isin(codes, [names.index(n) for n in wanted]), codes, -1)
        else:
            low, high = shown.threshold.low, shown.threshold.high
            if shown.numbers is None or (low is None and high is None):
                return self._say("Set a threshold on the page Look first.")
            values = np.nan_to_num(shown.numbers, nan=-np.inf)
            inside = values >= (-1e300 if low is None else low)
            inside &= values <= (np.inf if high is None else high)
            least = "" if low is None else f"≥ {low:.4g} "
            most = "" if high is None else f"≤ {high:.4g}"
            words = f"{least}{most}".strip()
            names, codes = [f"{shown.name} {words}"], np.where(inside, 0, -1)
        xy = observed.xy

        def outline() -> list[tuple[str, BaseGeometry]]:
            return outlining.of_observations(xy, codes, names)

        self._aside(outline, f"regions of {shown.name}")

    def from_part(self, part: Part, threshold: float | None = None) -> None:
        """Regions of a Run's mask, outlines, or heat map above a threshold."""

        def outline() -> list[tuple[str, BaseGeometry]]:
            if isinstance(part, Mask):
                return outlining.of_mask(part.pixels, part.affine, part.classes)
            if isinstance(part, Heatmap) and threshold is not None:
                mask = (np.nan_to_num(part.pixels, nan=-np.inf) >= threshold).astype(np.uint8)
                return outlining.of_mask(mask, part.affine, {1: f"{part.name} ≥ {threshold:g}"})
            if isinstance(part, Regions):
                import shapely

                shapes = shapely.from_wkb(list(part.outlines))
                return list(zip(part.classes, shapes, strict=True))
            raise StmlError("This value is no map", where=part.name)

        self._aside(outline, f"regions of {part.name}")

    def _aside(self, job: Callable[[], list[tuple[str, BaseGeometry]]], title: str) -> None:
        """Outline in a thread, then add."""
        desk, view = self._desk, self._desk.view

        def add(found: list[tuple[str, BaseGeometry]]) -> None:
            if desk.view is not view:
                return
            if len(found) > MOST_FROM_RESULTS:
                return self._say(f"{len(found):,} pieces are too many to be regions; smooth first.")
            self._add([Drawn.new(outline, kind=kind) for kind, outline in found], title)

        desk.state.background.run("outline", job, add, desk.state.said.emit)

    # files

    def read_file(self, path: Path | str, *, from_bounds: bool = False) -> None:
        """Add the regions of a GeoJSON file."""
        from napari_stml.io.regions.exchange import bounds_offset, read_geojson

        desk, view = self._desk, self._desk.view
        if view is None:
            return self._say("Open a section first.")

        def read() -> Collection:
            offset: Offset = bounds_offset(view.section) if from_bounds else (0.0, 0.0)
            return read_geojson(path, offset)

        def add(found: Collection) -> None:
            drawing = desk.drawing
            if desk.view is not view or drawing is None:
                return
            known = [r for r in found.regions if drawing.get(r.id) is not None]
            name = str(path).replace("\\", "/").rpartition("/")[2]
            if desk.do(lambda d: d.read(found, f"read {name}")):
                words = f"{len(found.regions)} regions read from {name}"
                words += f", {len(known)} of them changed here" if known else ""
                words += f"; {len(found.problems)} objects not understood" if found.problems else ""
                self._say(words)

        desk.state.background.run("geojson", read, add, desk.state.said.emit)

    def write_file(self, path: Path | str, *, from_bounds: bool = False) -> None:
        """Write all regions as GeoJSON, or spot memberships where the name ends in .csv."""
        from napari_stml.io.regions import exchange

        desk, view, drawing = self._desk, self._desk.view, self._desk.drawing
        if view is None or drawing is None:
            return self._say("Open a section first.")
        regions, classes, section = drawing.regions, drawing.classes, view.section

        def write() -> Any:
            if str(path).lower().endswith(".csv"):
                return exchange.write_memberships(path, section, regions, overwrite=True)
            offset = exchange.bounds_offset(section) if from_bounds else (0.0, 0.0)
            return exchange.write_geojson(path, regions, classes, offset, overwrite=True)

        desk.state.background.run(
            "geojson", write, lambda _: self._say(f"Written: {path}"), desk.state.said.emit
        )

    # spots and earlier states

    def select_inside(self) -> None:
        """Select the observations in the selected regions, or in all."""
        book, view = self._desk.book, self._desk.view
        if book is None or book.place is None or view is None:
            return
        observed = view.section.observations
        some = self._desk.chosen_regions or list(book.drawing.regions)
        if observed is None or not some:
            return
        mask = np.zeros(len(observed), dtype=bool)
        for region in some:
            mask[book.place.inside(region.outline)] = True
        title = some[0].title if len(some) == 1 else f"{len(some)} regions"
        self._desk.state.select(selected(mask, observed, title) if mask.any() else None)

    def earlier_states(self) -> list[tuple[int, int]]:
        """Number of each kept earlier state, and how many areas it has, newest first."""
        book = self._desk.book
        if book is None:
            return []
        keeper = book.keeper
        try:
            return [(g, len(keeper.earlier(g))) for g in reversed(keeper.generations())]
        except StmlError as error:
            self._desk.state.said.emit(str(error))
            return []

    def restore(self, generation: int) -> None:
        """Bring the areas of an earlier state back, as one edit."""
        book = self._desk.book
        if book is None:
            return
        found = book.keeper.earlier(generation)
        ids = {r.id for r in found}
        gone = [r.id for r in book.drawing.regions if r.is_area and r.id not in ids]
        self._desk.do(lambda d: d.put(f"bring state {generation} back", found, gone))

    # helpers

    def _areas(self, least: int) -> list[Drawn]:
        some = [r for r in self._desk.chosen_regions if r.is_area]
        if len(some) < least:
            words = "a region" if least == 1 else f"{least} regions (Shift and click)"
            self._say(f"Select {words} first.")
            return []
        return some

    def _reshape(
        self, some: Sequence[Drawn], word: str, change: Callable[[BaseGeometry], BaseGeometry]
    ) -> None:
        new = [r.with_(outline=change(r.outline), form="polygon") for r in some]
        empty = [r.title for r in new if r.outline.is_empty]
        if empty:
            return self._say(f"Nothing would be left of {empty[0]}.")
        if new:
            what = new[0].title if len(new) == 1 else f"{len(new)} regions"
            self._desk.do(lambda d: d.put(f"{word} {what}", new))

    def _add(self, new: Sequence[Drawn], title: str) -> None:
        kept = [r for r in new if not r.outline.is_empty]
        if not kept:
            return self._say("Nothing is left of it.")
        if self._desk.do(lambda d: d.add(*kept, title=title)):
            self._desk.choose([r.id for r in kept] if len(kept) < 50 else [])

    @staticmethod
    def _like(region: Drawn, outline: BaseGeometry, **changes: Any) -> Drawn:
        kept: dict[str, Any] = {"kind": region.kind, "name": region.name, "notes": region.notes,
                                "colour": region.colour}  # fmt: skip
        return Drawn.new(outline, **{**kept, **changes})

    def _scale(self) -> Any:
        view = self._desk.view
        return view.section.um_per_px if view is not None else None

    def _require_scale(self) -> Any:
        scale = self._scale()
        if scale is None:
            self._say("Micrometres per pixel are unknown: give them in the dock's head.")
        return scale

    def _field(self) -> Box:
        """The whole slide, or the box around the observations where there is none."""
        view = self._desk.view
        assert view is not None
        for placed in view.section.images.values():
            own = placed.slide.bounds or Box(0, 0, placed.slide.width, placed.slide.height)
            ends = np.array([[own.x, own.y], [own.x + own.width, own.y + own.height]])
            corners = placed.affine(ends)
            low, high = corners.min(axis=0), corners.max(axis=0)
            return Box(float(low[0]), float(low[1]), *(float(v) for v in high - low))
        observed = view.section.observations
        xy = observed.xy if observed is not None else np.zeros((1, 2))
        low, high = np.nanmin(xy, axis=0) - 50, np.nanmax(xy, axis=0) + 50
        return Box(float(low[0]), float(low[1]), *(float(v) for v in high - low))

    def _say(self, words: str) -> None:
        self._desk.state.said.emit(words)
