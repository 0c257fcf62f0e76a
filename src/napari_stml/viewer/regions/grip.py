"""Select, move, and edit corners with the mouse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from napari_stml.core.errors import StmlError
from napari_stml.regions import shaping

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from napari_stml.regions.region import Drawn
    from napari_stml.viewer.regions.desk import RegionDesk
    from napari_stml.viewer.regions.tools import Mouse

REACH = 7.0
"""Screen pixels within which a corner or an edge is taken."""


@dataclass
class _Held:
    """What the mouse holds: a corner of a region, or the whole of it."""

    region: Drawn
    corner: int | None
    start: NDArray[np.float64]
    outline: BaseGeometry | None = None


class Grip:
    """The tool "select". While dragging only the sketch changes; the release is one edit."""

    def __init__(self, desk: RegionDesk) -> None:
        self._desk = desk
        self._held: _Held | None = None
        self._corner: tuple[str, int] | None = None

    def press(self, mouse: Mouse, modifiers: tuple[str, ...]) -> None:
        desk = self._desk
        one = desk.chosen_regions[0] if len(desk.chosen_regions) == 1 else None
        if one is not None and "Shift" not in modifiers:
            corner = self._corner_at(one, mouse)
            if corner is not None:
                self._corner = (one.id, corner)
                self._held = _Held(one, corner, mouse.xy)
                return
        self._corner = None
        hit = desk.region_at(mouse.xy, REACH * mouse.px / 2)
        if hit is None:
            if "Shift" not in modifiers:
                desk.choose(())
            return
        if "Shift" in modifiers:
            some = set(desk.chosen) ^ {hit.id}
            desk.choose([i for i in (*desk.chosen, hit.id) if i in some])
            return
        if hit.id in desk.chosen and one is not None:
            self._held = _Held(hit, None, mouse.xy)
        else:
            desk.choose([hit.id])

    def move(self, mouse: Mouse) -> None:
        held, desk = self._held, self._desk
        if held is None or desk.drawing is None or desk.sketch is None:
            return
        if desk.drawing.is_locked(held.region):
            self._held = None
            desk.state.said.emit(f"'{held.region.title}' is locked; unlock it to change it.")
            return
        if held.outline is None:
            if np.hypot(*(mouse.xy - held.start)) < 3 * mouse.px:
                return
            desk.sketch.hide_corners()
        whole = held.region.outline
        if held.corner is not None:
            held.outline = shaping.moved_corner(whole, held.corner, mouse.xy)
        else:
            by = mouse.xy - held.start
            held.outline = shapely.transform(whole, lambda xy: xy + by)
        desk.sketch.show(held.outline)
        desk.tell_size(held.outline)

    def release(self, mouse: Mouse) -> None:
        held, self._held = self._held, None
        if held is None or held.outline is None:
            return
        what = "move a corner of" if held.corner is not None else "move"
        kept = held.corner is None
        new = held.region.with_(outline=held.outline,
                                form=held.region.form if kept else _freed(held.region))  # fmt: skip
        if not self._desk.do(lambda d: d.put(f"{what} {new.title}", [new])):
            self._desk.show_chosen()

    def add_corner(self, mouse: Mouse) -> None:
        """A double click on an edge of the selected region."""
        one = self._one()
        if one is None or "Point" in one.outline.geom_type:
            return
        edge = one.outline.boundary if one.is_area else one.outline
        if edge.distance(shapely.Point(*mouse.xy)) > REACH * mouse.px:
            return
        new = one.with_(outline=shaping.with_corner(one.outline, mouse.xy), form=_freed(one))
        self._desk.do(lambda d: d.put(f"add a corner to {one.title}", [new]))

    def delete_corner(self) -> bool:
        """Take the corner away that was touched last; False when none was."""
        one = self._one()
        if one is None or self._corner is None or self._corner[0] != one.id:
            return False
        corner = self._corner[1]
        self._corner = None
        try:
            outline = shaping.without_corner(one.outline, corner)
        except StmlError as error:
            self._desk.state.said.emit(str(error))
            return True
        new = one.with_(outline=outline, form=_freed(one))
        return self._desk.do(lambda d: d.put(f"take a corner from {one.title}", [new]))

    def _one(self) -> Drawn | None:
        some = self._desk.chosen_regions
        return some[0] if len(some) == 1 else None

    def _corner_at(self, region: Drawn, mouse: Mouse) -> int | None:
        places = shapely.get_coordinates(region.outline)
        if not len(places):
            return None
        away = np.hypot(*(places - mouse.xy).T)
        nearest = int(np.argmin(away))
        return nearest if away[nearest] <= REACH * mouse.px else None


def _freed(region: Drawn) -> str:
    """An ellipse or rectangle with a corner moved is a polygon."""
    return region.form if region.form in {"line", "points"} else "polygon"
