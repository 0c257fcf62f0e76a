"""Um per pixel of an AnnData table, and values too weak to be used unasked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.readers.anndata_images import uns_keys
from napari_stml.io.readers.pitch import (
    DIAMETER_OF_SCALEFACTORS_UM,
    VISIUM_PITCH_UM,
    looks_hexagonal,
    pitch_px,
    scale_disagreement,
    visium_scale,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_stml.io.contents import Lattice
    from napari_stml.io.readers.anndata_images import Library
    from napari_stml.io.slides.base import Slide
    from napari_stml.io.tables.disk import DiskTable

_SPEAKING = re.compile(r"um_per_px|um_per_pixel|microns_per_pixel|pixel_size_um|(^|_)mpp(_|$)")

Found = tuple[UmPerPx | None, UmPerPx | None, tuple[str, ...]]


def scale_and_guess(
    table: DiskTable,
    library: Library | None,
    lattice: Lattice | None,
    xy: NDArray[np.float64],
    slide: Slide | None,
    image_scale: float,
) -> Found:
    """Find um per reference pixel, a guess where it is unknown, and notes.

    A spot diameter alone is only a guess: files made by hand carry other diameters than Space
    Ranger's theoretical 65 um.
    """
    stated = library.um_per_px if library else None
    values = [
        value
        for value in (
            UmPerPx.square(stated / image_scale, ScaleSource.STORED) if stated else None,
            visium_scale(lattice)[0],
            slide.um_per_px if slide else None,
        )
        if value is not None
    ]
    if values:
        notes = [note for other in values[1:] for note in scale_disagreement(values[0], other)]
        return values[0], None, tuple(notes)
    diameter = library.spot_diameter if library else None
    guesses = (
        _spoken(table, image_scale, with_image=slide is not None),
        _by_geometry(lattice, xy),
        _square(DIAMETER_OF_SCALEFACTORS_UM / (diameter * image_scale), ScaleSource.SPOT_DIAMETER)
        if diameter
        else None,
        slide.um_per_px_guess if slide else None,
    )
    return None, next((g for g in guesses if g is not None), None), ()


def _square(value: float, source: ScaleSource) -> UmPerPx | None:
    if not (np.isfinite(value) and value > 0):
        return None
    guess = UmPerPx.square(value, source)
    return guess if guess.plausible else None


def _by_geometry(lattice: Lattice | None, xy: NDArray[np.float64]) -> UmPerPx | None:
    """Guess that a hexagonal pattern without array coordinates is Visium's."""
    pitch = pitch_px(xy) if lattice is None and looks_hexagonal(xy) else None
    return _square(VISIUM_PITCH_UM / pitch, ScaleSource.PITCH) if pitch else None


def _spoken(table: DiskTable, image_scale: float, *, with_image: bool) -> UmPerPx | None:
    """Guess from an entry of uns with a speaking name, one about the image first."""
    preferred = "image" if with_image else "full"
    named = [key for key in _uns_paths(table) if _SPEAKING.search(key.rsplit("/", 1)[-1].lower())]
    for key in sorted(named, key=lambda k: (preferred not in k.rsplit("/", 1)[-1], k)):
        value = np.asarray(table.uns(key))
        if value.size == 1 and value.dtype.kind in "iuf":
            guess = _square(float(value.item()) / image_scale, ScaleSource.STORED)
            if guess is not None:
                return guess
    return None


def _uns_paths(table: DiskTable) -> Iterator[str]:
    for key in uns_keys(table):
        yield key
        if key != "spatial":
            yield from (f"{key}/{inner}" for inner in uns_keys(table, key))
