"""A section as plain layers, for napari's sample menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.viewer.colours import palette
from napari_stml.viewer.frame import Frame
from napari_stml.viewer.slide_layer import slide_layers
from napari_stml.viewer.spots import drawn_radius

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_stml.io.section import Section

COLUMN = "truth_domain"


def sample_layers(section: Section) -> list[Layer]:
    """The slide, and the spots coloured by their planted domain."""
    from napari.layers import Points

    frame = Frame(section.um_per_px)
    name, placed = next(iter(section.images.items()))
    layers: list[Layer] = list(slide_layers(name, placed, frame))
    observed = section.observations
    if observed is None:
        return layers
    domains = section.column(COLUMN).cat
    colours = palette([str(c) for c in domains.categories])
    spots = Points(
        observed.xy[:, ::-1],
        size=2 * drawn_radius(observed),
        face_color=colours[np.asarray(domains.codes)],
        border_width=0,
        name=f"spots by {COLUMN}",
        **frame.vector(),
    )
    return [*layers, spots]
