"""Drawing tools: what the mouse does becomes an outline in reference pixels.

A tool is a generator that is sent `Mouse` events from a press on and ends with an outline, or None.
What it yields on the way is sketched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from napari_stml.regions import shaping

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

Kind = Literal["press", "move", "release", "hover", "double", "enter", "back"]
"""``hover`` moves without a button; ``enter`` and ``back`` are the keys."""


@dataclass(frozen=True)
class Mouse:
    """One event: where, in reference pixels; ``px`` is a pixel of the screen there."""

    kind: Kind
    xy: NDArray[np.float64]
    px: float
    shift: bool = False


Tool = "Generator[BaseGeometry | None, Mouse, BaseGeometry | None]"
NEAR = 8.0
"""Screen pixels within which the first corner closes a polygon."""


def polygon(first: Mouse) -> Generator[BaseGeometry | None, Mouse, BaseGeometry | None]:
    """Click by click; a double click, Enter or the first corner closes it.

    Pressing and dragging draws freely, as a pen does; both may be mixed.
    """
    corners = [first.xy]
    mouse = yield _line(corners)
    while mouse.kind not in {"double", "enter"}:
        if mouse.kind == "move" and _away(mouse, corners[-1]) > 3:
            corners.append(mouse.xy)
        elif mouse.kind == "press":
            if len(corners) > 2 and _away(mouse, corners[0]) < NEAR:
                break
            if _away(mouse, corners[-1]) > 1:
                corners.append(mouse.xy)
        elif mouse.kind == "release" and len(corners) > 12 and _is_pen(corners, mouse):
            break
        elif mouse.kind == "back" and len(corners) > 1:
            corners.pop()
        mouse = yield _line([*corners, mouse.xy], closed=True)
    return _area(corners, mouse.px)


def line(first: Mouse) -> Generator[BaseGeometry | None, Mouse, BaseGeometry | None]:
    """A line of several corners, ended by a double click or Enter."""
    corners = [first.xy]
    mouse = yield _line(corners)
    while mouse.kind not in {"double", "enter"}:
        if mouse.kind == "press" or (mouse.kind == "move" and _away(mouse, corners[-1]) > 3):
            if _away(mouse, corners[-1]) > 1:
                corners.append(mouse.xy)
        elif mouse.kind == "back" and len(corners) > 1:
            corners.pop()
        mouse = yield _line([*corners, mouse.xy])
    return shapely.LineString(corners) if len(corners) > 1 else None


def rectangle(first: Mouse) -> Generator[BaseGeometry | None, Mouse, BaseGeometry | None]:
    """From corner to corner; Shift keeps it square."""
    return (yield from _dragged(first, shaping.rectangle))


def ellipse(first: Mouse) -> Generator[BaseGeometry | None, Mouse, BaseGeometry | None]:
    """Within a rectangle from corner to corner; Shift makes a circle."""
    return (yield from _dragged(first, shaping.ellipse))


def brush(
    first: Mouse, radius_px: float = 20.0
) -> Generator[BaseGeometry | None, Mouse, BaseGeometry | None]:
    """Paint with a round brush, as wide on the screen at every zoom."""
    radius = radius_px * first.px
    path = [first.xy]
    covered = shaping.dabbed(np.array(path), radius)
    mouse = yield covered
    while mouse.kind != "release":
        if mouse.kind == "move" and np.hypot(*(mouse.xy - path[-1])) > radius / 8:
            covered = shaping.merged(
                [covered, shaping.dabbed(np.array([path[-1], mouse.xy]), radius)]
            )
            path.append(mouse.xy)
        mouse = yield covered
    return shaping.simplified(covered, radius / 60)


def ruler(first: Mouse) -> Generator[BaseGeometry | None, Mouse, BaseGeometry | None]:
    """From press to release; what it measures is said and nothing is kept."""
    mouse = yield None
    while mouse.kind != "release":
        mouse = yield _line([first.xy, mouse.xy])
    return _line([first.xy, mouse.xy])


TOOLS: dict[str, Callable[[Mouse], Generator[BaseGeometry | None, Mouse, BaseGeometry | None]]] = {
    "polygon": polygon, "rectangle": rectangle, "ellipse": ellipse, "brush": brush, "line": line,
    "cut": line, "ruler": ruler,
}  # fmt: skip


def _dragged(
    first: Mouse, shape: Callable[[NDArray[np.float64]], BaseGeometry]
) -> Generator[BaseGeometry | None, Mouse, BaseGeometry | None]:
    mouse, drawn = first, None
    while True:
        mouse = yield drawn
        if mouse.kind in {"move", "release"}:
            far = mouse.xy - first.xy
            if mouse.shift:
                side = float(np.abs(far).max())
                far = np.where(far < 0, -side, side)
            x, y = first.xy
            big = np.abs(far).min() > 2 * mouse.px
            corners = np.array([[x, y], [x + far[0], y], [x + far[0], y + far[1]], [x, y + far[1]]])
            drawn = shape(corners) if big else None
        if mouse.kind == "release":
            return drawn


def _line(corners: list[NDArray[np.float64]], closed: bool = False) -> BaseGeometry:
    if len(corners) < 2:
        return shapely.Point(corners[0])
    if closed and len(corners) > 2:
        return shapely.Polygon(corners)
    return shapely.LineString(corners)


def _area(corners: list[NDArray[np.float64]], px: float) -> BaseGeometry | None:
    kept = [c for i, c in enumerate(corners) if i == 0 or np.hypot(*(c - corners[i - 1])) > 0]
    if len(kept) < 3:
        return None
    area = shapely.Polygon(kept)
    if len(kept) > 40:  # a pen's path
        area = shapely.simplify(area, 0.5 * px)
    return area if area.area > 0 else None


def _is_pen(corners: list[NDArray[np.float64]], mouse: Mouse) -> bool:
    """Whether it was drawn in one drag: many corners, close together."""
    steps = np.hypot(*np.diff(np.array(corners), axis=0).T)
    return bool(np.median(steps) < 40 * mouse.px)


def _away(mouse: Mouse, place: NDArray[np.float64]) -> float:
    """In pixels of the screen."""
    return float(np.hypot(*(mouse.xy - place))) / mouse.px
