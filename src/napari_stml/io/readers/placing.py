"""Slides with their place; what they show is seen in their pixels' kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.core.geometry import Affine
from napari_stml.io.contents import PlacedSlide

if TYPE_CHECKING:
    from napari_stml.io.slides.base import Slide

HERE = Affine()


def placed(slide: Slide, affine: Affine = HERE) -> PlacedSlide:
    """Colour as brightfield, everything else as channels."""
    return PlacedSlide(slide, affine, "brightfield" if slide.rgb else "channels")
