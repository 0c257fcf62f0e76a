"""Xenium's morphology images, and slides aligned to them afterwards."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine
from napari_stml.io.contents import PlacedSlide
from napari_stml.io.readers.instrument_files import first_file, matching
from napari_stml.io.readers.placing import placed

if TYPE_CHECKING:
    from pathlib import Path

STAINS = ("DAPI", "ATP1A1-CD45-E-Cadherin", "18S", "AlphaSMA-Vimentin")
"""Of morphology_focus_0000 to 0003, which do not name them."""

_NUMBERED = re.compile(r"^morphology_focus_(\d{4})\.ome\.tiff?$")
_NAMED = re.compile(r"^ch\d{4}_(.+)\.ome\.tiff?$")


def morphology(folder: Path) -> dict[str, PlacedSlide]:
    """One image with all channels, or one image per stain; DAPI first."""
    from napari_stml.io.slides import open_slide

    files = matching(folder / "morphology_focus", "*.ome.tif", "*.ome.tiff")
    if not files:
        single = first_file(folder, ("morphology_focus.ome.tif", "morphology_mip.ome.tif"))
        if single is None:
            return {}
        return {single.name.split(".")[0]: PlacedSlide(open_slide(single), role="channels")}
    first = open_slide(files[0])
    if len(files) == 1:
        return {"morphology_focus": PlacedSlide(first, role="channels")}
    if len(first.channels) >= len(files):  # a multi-file OME-TIFF, read as a whole
        return {"morphology_focus": PlacedSlide(first, role="channels")}
    slides = [first, *(open_slide(path) for path in files[1:])]
    return {
        _stain(path): PlacedSlide(slide, role="channels")
        for path, slide in zip(files, slides, strict=True)
    }


def _stain(path: Path) -> str:
    if numbered := _NUMBERED.match(path.name):
        index = int(numbered[1])
        return STAINS[index] if index < len(STAINS) else f"channel {index}"
    named = _NAMED.match(path.name)
    return named[1].upper() if named and named[1] == "dapi" else path.name.split(".")[0]


def aligned_images(folder: Path) -> tuple[dict[str, PlacedSlide], tuple[str, ...]]:
    """``*_he_image.ome.tif`` and ``*_if_image.ome.tif`` with their alignment matrices."""
    from napari_stml.io.slides import open_slide

    images: dict[str, PlacedSlide] = {}
    notes: list[str] = []
    for path in matching(folder, "*he_image.ome.tif*", "*if_image.ome.tif*"):
        stem = path.name.split(".ome.")[0]
        matrix = first_file(folder, (f"{stem}alignment.csv", f"{stem}_alignment.csv"))
        if matrix is None:
            notes.append(f"{path.name} is left out: {stem}alignment.csv is missing")
            continue
        slide = open_slide(path)
        images[stem] = placed(slide, read_alignment(matrix))
    return images, tuple(notes)


def read_alignment(path: Path) -> Affine:
    """A 3 x 3 matrix without header: pixels of the slide to pixels of the morphology image."""
    try:
        matrix = np.loadtxt(path, delimiter=",", encoding="utf-8-sig")
        affine = Affine.of(matrix)
        affine.inverse()
    except (OSError, ValueError) as error:
        raise CannotOpenError(
            f"Not a 3 x 3 alignment matrix: {error}",
            where=path,
            do="export the alignment again from Xenium Explorer",
        ) from error
    return affine
