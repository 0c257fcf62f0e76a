"""What the user drew, in the colours of its classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from napari_stml.core.colours import MISSING, rgba
from napari_stml.core.errors import StmlError
from napari_stml.core.results import Regions
from napari_stml.figures.overlays import shown_overlay

if TYPE_CHECKING:
    from napari_stml.figures.values import Shown
    from napari_stml.io.section import Section

REGIONS = "regions"
NO_CLASS = "no class"


def drawn_regions(section: Section) -> tuple[Shown, Regions]:
    """All visible areas; the class list of the section gives names and colours."""
    from napari_stml.io.regions import RegionKeeper

    drawing = RegionKeeper(section).load()
    areas = [r for r in drawing.regions if r.is_area and not drawing.is_hidden(r)]
    if not areas:
        raise StmlError("No region is drawn", where=section.name, do="draw one in the window first")
    part = Regions(
        REGIONS, tuple(bytes(shapely.to_wkb(r.outline)) for r in areas),
        tuple(r.kind or NO_CLASS for r in areas), tuple(r.name for r in areas),
    )  # fmt: skip
    shown = shown_overlay(REGIONS, part)
    inks = [rgba(drawing.classes.colour_of(name)) for name in shown.names]
    return replace(shown, colours=np.vstack([*inks, MISSING]).astype(np.float32)), part
