"""What can be said of a region in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from napari_stml.regions.region import AREAS, sound

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from napari_stml.core.geometry import UmPerPx


@dataclass(frozen=True)
class Extent:
    """Size of a region in um (pixels where the scale is unknown)."""

    area: float
    perimeter: float
    length: float


def extent(outline: BaseGeometry, scale: UmPerPx | None) -> Extent:
    """Area and outline of an area, length of a line."""
    per = np.array([scale.x, scale.y]) if scale else np.ones(2)
    place = shapely.transform(sound(outline), lambda xy: xy * per)
    is_area = place.geom_type in AREAS
    length = 0.0 if is_area or "Point" in place.geom_type else float(place.length)
    return Extent(float(place.area), float(place.length) if is_area else 0.0, length)


def shares(codes: NDArray[np.integer[Any]], classes: int) -> NDArray[np.float64]:
    """How many of the observations are of each class; those without class are left out."""
    known = codes[codes >= 0]
    return np.bincount(known, minlength=classes).astype(np.float64)
