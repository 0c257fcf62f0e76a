"""The scopes that can be chosen now: selection, drawn regions, visible field, what QC kept."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import shapely

from napari_stml.core.errors import StmlError
from napari_stml.core.scope import Scope
from napari_stml.runs.scopes import in_filter, in_polygons
from napari_stml.viewer.camera import visible_box
from napari_stml.viewer.regions.selections import kept_selections
from napari_stml.widgets.scope_picker import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from shapely import Polygon

    from napari_stml.core.run_record import RunRecord
    from napari_stml.io.section import Section
    from napari_stml.regions.region import Drawn
    from napari_stml.viewer.selection import Selection
    from napari_stml.viewer.state import ViewerState

    Offer = tuple[str, Callable[[], Scope]]

FILTERS = ("passes",)
"""Names of a Run's labels that are made to filter with; their first category is what is kept."""


def offers(state: ViewerState) -> list[Offer]:
    """Titles, and how each scope is made at the click on Run."""
    view = state.current
    if view is None:
        return []
    section = view.section
    found: list[Offer] = []
    selection = state.selection
    if selection is not None and len(selection):
        found.append((selection.title, partial(_selected, state)))
    shelf = section.shelf
    found += _drawn(state, section)
    for name, kept in kept_selections(section).items():
        found.append((f"kept: {name[:40]} ({len(kept):,})", partial(_kept, kept)))
    for run, record in (shelf.records if shelf is not None else {}).items():
        for entry in record.parts:
            if entry.name in FILTERS and entry.kind == "Labels":
                kept = entry.look["categories"][0]
                test = f"{run}/{entry.name}={kept}"
                found.append((f"{kept} by {run}", partial(in_filter, section, (test,))))
    found.append(("visible field", partial(_field, state)))
    return found


def visible_part(state: ViewerState, scope: Scope) -> Scope:
    """What of a scope is visible now, for a preview."""
    view: Any = state.current
    field = visible_box_of(state)
    areas = shapely.from_wkb(list(scope.polygons))
    area = shapely.intersection(shapely.union_all(areas), field) if len(areas) else field
    title = "preview: visible field"
    if scope.kind != "section":
        title += f" of {scope.title}"
    seen = None if area.is_empty else in_polygons(
        view.section, (bytes(shapely.to_wkb(area)),), title, "field")  # fmt: skip
    members = seen.members if seen is not None else ()
    if scope.members is not None and members is not None:
        inside = frozenset(members)
        members = tuple(name for name in scope.members if name in inside)
    if seen is None or members == ():
        raise StmlError(f"Nothing of '{scope.title}' is visible", do="zoom out, or move there")
    drawn = scope.members is None or bool(scope.polygons)
    return Scope("field", members, seen.polygons if drawn else (), title)


def again_title(record: RunRecord) -> str:
    """What the head calls the scope of a stored Run."""
    if record.scope.get("kind", "section") == "section":
        return WHOLE
    return f"as in {record.id}: {record.scope.get('title', '')}"


def _drawn(state: ViewerState, section: Section) -> list[Offer]:
    """Selected regions, all of them, and those of each class: as they are drawn at the click."""
    desk = state.regions
    if desk is None or desk.drawing is None:
        return []
    areas = [r for r in desk.drawing.regions if r.is_area]
    some = [r for r in desk.chosen_regions if r.is_area]
    found: list[Offer] = []

    def offer(title: str, regions: list[Drawn]) -> None:
        outlines = tuple(bytes(shapely.to_wkb(r.outline)) for r in regions)
        found.append((title, partial(in_polygons, section, outlines, title)))

    if some:
        named = f": {some[0].title[:40]}" if len(some) == 1 else ""
        offer(f"{len(some)} selected region{'s' * (len(some) > 1)}{named}", some)
    if areas:
        offer(f"all {len(areas)} regions" if len(areas) > 1 else "the region", areas)
    for kind in dict.fromkeys(r.kind for r in areas if r.kind):
        offer(f"regions: {kind}", [r for r in areas if r.kind == kind])
    return found


def drawn_classes(state: ViewerState) -> list[str] | None:
    """Classes of the regions on the canvas; None before they are read."""
    desk = state.regions
    if desk is None or desk.drawing is None:
        return None
    return list(dict.fromkeys(r.kind for r in desk.drawing.regions if r.kind))


def _kept(selection: Selection) -> Scope:
    return selection.scope


def _selected(state: ViewerState) -> Scope:
    selection: Any = state.selection
    scope: Scope = selection.scope
    return scope


def _field(state: ViewerState) -> Scope:
    view: Any = state.current
    outline = bytes(shapely.to_wkb(visible_box_of(state)))
    return in_polygons(view.section, (outline,), "visible field", "field")


def visible_box_of(state: ViewerState) -> Polygon:
    """What the canvas shows, in reference pixels."""
    view: Any = state.current
    low, high = visible_box(state.viewer)
    corners = view.frame.reference_xy([low, high])
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    box: Polygon = shapely.box(left, top, right, bottom)
    return box
