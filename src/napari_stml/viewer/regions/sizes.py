"""Sizes in words: areas, lengths, numbers of points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from napari_stml.regions.measuring import Extent


def size_words(size: Extent, unit: str, outline: BaseGeometry) -> str:
    if "Point" in outline.geom_type:
        count = len(shapely.get_parts(outline))
        return f"{count} point{'s' * (count != 1)}"
    if not size.area:
        return f"{_short(size.length)} {unit}"
    if unit == "µm" and size.area >= 1e5:
        return f"{size.area / 1e6:.3g} mm²"
    return f"{_short(size.area)} {unit}²"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
