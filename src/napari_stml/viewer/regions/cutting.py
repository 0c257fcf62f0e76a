"""Divide regions along a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.regions import shaping
from napari_stml.regions.region import Drawn

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from napari_stml.viewer.regions.desk import RegionDesk


def cut(desk: RegionDesk, line: BaseGeometry) -> None:
    """Divide along a line what it crosses: the selected regions, or all that are seen."""
    drawing = desk.drawing
    if drawing is None:
        return
    some = desk.chosen_regions or [r for r in drawing.regions if not drawing.is_hidden(r)]
    new, gone = [], []
    for region in some:
        pieces = shaping.cut(region.outline, line) if region.is_area else ()
        if len(pieces) > 1:
            gone.append(region.id)
            new += [_piece_of(region, piece) for piece in pieces]
    if not new:
        desk.state.said.emit("The line crosses no region from edge to edge.")
        desk.show_chosen()
    elif desk.do(lambda d: d.put(f"cut {len(gone)} region{'s' * (len(gone) > 1)}", new, gone)):
        desk.choose([r.id for r in new])


def _piece_of(region: Drawn, outline: BaseGeometry) -> Drawn:
    """A new region that takes over what the old one said."""
    return Drawn.new(outline, kind=region.kind, name=region.name, notes=region.notes,
                     author=region.author, parent=region.parent, colour=region.colour)  # fmt: skip
