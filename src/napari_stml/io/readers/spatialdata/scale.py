"""Um per pixel of a SpatialData section, and weaker values to offer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.geometry import Affine, ScaleSource, UmPerPx
from napari_stml.io.readers.pitch import (
    VISIUM_PITCH_UM,
    looks_hexagonal,
    scale_disagreement,
    visium_scale,
)
from napari_stml.io.readers.spatialdata.sections import UM_SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_stml.io.contents import Observations
    from napari_stml.io.readers.spatialdata.sections import StoredElement
    from napari_stml.io.slides.base import Slide

_BINS = re.compile(r"square_0*(\d+)um")


def um_per_px(
    elements: Sequence[StoredElement],
    system: str,
    reference: Affine,
    slide: Slide | None,
    observations: Observations | None,
) -> tuple[UmPerPx | None, UmPerPx | None, tuple[str, ...]]:
    """Find um per reference pixel, a guess where it is unknown, and notes.

    Parameters
    ----------
    reference
        Maps reference pixels to the coordinate system ``system``.
    """
    values = [
        value
        for value in (
            _stored(elements, system, reference),
            visium_scale(observations.lattice)[0] if observations else None,
            _of_bins(observations) if observations else None,
            slide.um_per_px if slide else None,
        )
        if value is not None
    ]
    if values:
        notes = [note for other in values[1:] for note in scale_disagreement(values[0], other)]
        return values[0], None, tuple(notes)
    guess = slide.um_per_px_guess if slide else None
    if guess is None and observations is not None and observations.kind == "spots":
        guess = _by_geometry(observations)
    return None, guess, ()


def _stored(elements: Sequence[StoredElement], system: str, reference: Affine) -> UmPerPx | None:
    """Compose reference pixels -> system -> element -> um for an element that knows both."""
    for element in elements:
        for name in UM_SYSTEMS:
            if name in element.systems and system in element.systems and name != system:
                to_um = element.systems[name] @ element.systems[system].inverse() @ reference
                return _lengths(to_um)
    return _lengths(reference) if system in UM_SYSTEMS else None


def _lengths(to_um: Affine) -> UmPerPx:
    a, b, _, d, e, _ = to_um.values
    return UmPerPx(float(np.hypot(a, d)), float(np.hypot(b, e)), ScaleSource.STORED)


def _of_bins(observations: Observations) -> UmPerPx | None:
    named = _BINS.search(observations.element or "")
    if named is None or not observations.radius_px:
        return None
    return UmPerPx.square(float(named[1]) / (2 * observations.radius_px), ScaleSource.READER)


def _by_geometry(observations: Observations) -> UmPerPx | None:
    """Guess from a hexagonal pattern without array coordinates that it is Visium's."""
    from napari_stml.io.readers.pitch import pitch_px

    pitch = pitch_px(observations.xy)
    if pitch is None or not looks_hexagonal(observations.xy):
        return None
    return UmPerPx.square(VISIUM_PITCH_UM / pitch, ScaleSource.PITCH)
