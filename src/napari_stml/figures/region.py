"""Which part of a section a figure shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.io.section import Section

OBSERVED = "observations"
MARGIN = 0.04


@dataclass(frozen=True)
class Part:
    """A box in reference pixels and the outlines that are drawn in it, with their classes."""

    box: Box
    title: str
    outlines: tuple[tuple[str, Any], ...] = ()


def part_of(section: Section, region: Box | str | None) -> Part:
    """The whole section, a box ``X,Y,WIDTH,HEIGHT``, "observations", or drawn regions of a class.

    A class takes the box around all its regions; their outlines are drawn.
    """
    if region is None or region == "":
        return Part(_whole(section), "whole section")
    if isinstance(region, Box):
        return Part(_checked(region), _in_words(region))
    numbers = _four_numbers(region)
    if numbers is not None:
        return Part(_checked(numbers), _in_words(numbers))
    if region == OBSERVED:
        return Part(_around(_positions(section), _radius(section)), "around the observations")
    return _of_class(section, region)


def _whole(section: Section) -> Box:
    for placed in section.images.values():
        slide = placed.slide
        own = slide.bounds or Box(0, 0, slide.width, slide.height)
        corners = placed.affine(
            np.array([[own.x, own.y], [own.x + own.width, own.y],
                      [own.x, own.y + own.height], [own.x + own.width, own.y + own.height]])
        )  # fmt: skip
        low, high = corners.min(axis=0), corners.max(axis=0)
        return Box(float(low[0]), float(low[1]), *(float(v) for v in high - low))
    return _around(_positions(section), _radius(section))


def _of_class(section: Section, name: str) -> Part:
    import shapely

    regions = section.shelf.regions() if section.shelf is not None else ()
    found = [(r.kind, shapely.from_wkb(r.outline)) for r in regions if name in (r.kind, r.name)]
    if not found:
        known = ", ".join(sorted({r.kind for r in regions})) or "none is drawn"
        raise StmlError(
            f"There is no region '{name}'", where=section.name,
            do=f"give X,Y,WIDTH,HEIGHT in pixels, '{OBSERVED}', or a class of regions ({known})",
        )  # fmt: skip
    bounds = np.array([shape.bounds for _, shape in found])
    corners = np.vstack([bounds[:, :2], bounds[:, 2:]])
    return Part(_around(corners, 0.0), name, tuple(found))


def _around(xy: NDArray[Any], radius: float) -> Box:
    low, high = xy.min(axis=0) - radius, xy.max(axis=0) + radius
    room = MARGIN * max(float((high - low).max()), 1.0)
    size = high - low + 2 * room
    return Box(float(low[0] - room), float(low[1] - room), float(size[0]), float(size[1]))


def _positions(section: Section) -> NDArray[np.float64]:
    observed = section.observations
    if observed is None or not np.isfinite(observed.xy).all(axis=1).any():
        raise StmlError("There is nothing to draw in this section", where=section.name)
    return observed.xy[np.isfinite(observed.xy).all(axis=1)]


def _radius(section: Section) -> float:
    observed = section.observations
    return float(observed.radius_px or 0.0) if observed is not None else 0.0


def _four_numbers(text: str) -> Box | None:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    return Box(*numbers) if len(numbers) == 4 else None


def _checked(box: Box) -> Box:
    numbers = (box.x, box.y, box.width, box.height)
    if not np.isfinite(numbers).all() or box.width < 1 or box.height < 1:
        raise StmlError(
            "A region needs a width and a height of at least one pixel", where=_in_words(box)
        )
    return box


def _in_words(box: Box) -> str:
    return f"{box.x:g},{box.y:g},{box.width:g},{box.height:g} px"
