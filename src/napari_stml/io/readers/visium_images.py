"""The image that Visium positions are shown on, and its scale to full resolution.

"Full resolution" is the image that Space Ranger was given; the slide at hand may be k times
larger. Its size is known from the bundled images: hires width / tissue_hires_scalef.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.instrument_files import first_file, matching, positive_number
from napari_stml.io.readers.placing import placed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_stml.io.contents import PlacedSlide
    from napari_stml.io.slides.base import Slide

BUNDLED = {
    "hires": ("tissue_hires_image.png", "tissue_hires_image.jpg"),
    "lowres": ("tissue_lowres_image.png", "tissue_lowres_image.jpg"),
    "detected_tissue": ("detected_tissue_image.jpg",),
}
"""Best first; ``detected_tissue`` comes last because fiducial marks are drawn into it."""

NOT_FULL_RESOLUTION = {
    "cytassist_image.tiff",
    "aligned_fiducials.jpg",
    "aligned_tissue_image.jpg",
    *(name for names in BUNDLED.values() for name in names),
}

SLIDE_PATTERNS = (
    "*.svs", "*.ndpi", "*.mrxs", "*.scn", "*.bif", "*.btf", "*.tif", "*.tiff", "*.jpg", "*.jpeg",
)  # fmt: skip

NO_IMAGE = "none"


@dataclass(frozen=True)
class Reference:
    """The chosen image; ``scale`` is its level-0 pixels per full-resolution pixel."""

    name: str
    slide: Slide | None
    scale: float
    choices: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> dict[str, PlacedSlide]:
        if self.slide is None:
            return {}
        return {Path(self.name).stem: placed(self.slide)}


@dataclass(frozen=True)
class _FullSize:
    """Size in full-resolution pixels and how far rounding may have moved it (relative)."""

    width: float
    height: float
    tolerance: float


class ReferenceFinder:
    """Looks for images beside the positions.

    Parameters
    ----------
    spatial
        Folders with the bundled images, the first match wins.
    beside
        Folders where the full-resolution image may lie.
    scale_factors
        The content of ``scalefactors_json.json``, which lies at ``where``.
    """

    def __init__(
        self,
        spatial: Sequence[Path],
        beside: Sequence[Path],
        scale_factors: Mapping[str, Any],
        where: Path,
    ) -> None:
        self.scale_factors = dict(scale_factors)
        self.where = where
        self.notes: tuple[str, ...] = ()
        self.bundled: dict[str, Path] = {}
        for kind, names in BUNDLED.items():
            paths = (first_file(folder, names) for folder in spatial)
            if path := next((p for p in paths if p is not None), None):
                self.bundled[kind] = path
        found = [p for folder in beside for p in matching(folder, *SLIDE_PATTERNS)]
        self.large = {p.name: p for p in found if p.name not in NOT_FULL_RESOLUTION}
        self.full_size = self._full_size()

    @property
    def choices(self) -> tuple[str, ...]:
        return (*self.large, *self.bundled, NO_IMAGE)

    def choose(self, image: str | Path | None, xy: NDArray[np.float64]) -> Reference:
        """The asked image, else the best that fits; ``xy`` in full-resolution pixels."""
        if image is not None:
            return self._checked(self._asked(str(image)), xy)
        skipped: list[str] = []
        for name, path in self.large.items():
            try:
                return self._checked(self._large(path, whole_factor=True), xy)
            except CannotOpenError as error:
                skipped.append(f"{name} is not shown: {error.what}")
        kind = next(iter(self.bundled), NO_IMAGE)
        return self._checked(self._asked(kind), xy, tuple(skipped))

    def _asked(self, image: str) -> Reference:
        if image == NO_IMAGE:
            return Reference(image, None, 1.0, self.choices)
        if image in self.bundled:
            return self._bundled(image)
        path = self.large.get(image, Path(image).expanduser())
        if not path.is_file():
            raise CannotOpenError(
                f"There is no image '{image}'",
                where=self.where.parent,
                do=f"choose one of: {', '.join(self.choices)}, or give a path",
            )
        return self._large(path, whole_factor=False)

    def _bundled(self, kind: str) -> Reference:
        from napari_stml.io.slides import open_slide

        slide = open_slide(self.bundled[kind])
        if kind != "detected_tissue":
            scale = positive_number(self.scale_factors, f"tissue_{kind}_scalef", self.where)
            return Reference(kind, slide, scale, self.choices)
        if self.full_size is not None:
            return Reference(kind, slide, slide.width / self.full_size.width, self.choices)
        scale = positive_number(self.scale_factors, "tissue_hires_scalef", self.where)
        note = "detected_tissue_image.jpg is taken to have the size of the missing hires image"
        return Reference(kind, slide, scale, self.choices, (note,))

    def _large(self, path: Path, *, whole_factor: bool) -> Reference:
        from napari_stml.io.slides import open_slide

        slide = open_slide(path)
        if self.full_size is None:
            note = f"{path.name} is taken as full resolution; there is no image to check its size"
            return Reference(path.name, slide, 1.0, self.choices, (note,))
        factor = _factor((slide.width, slide.height), self.full_size, whole_factor=whole_factor)
        if factor is None:
            slide.close()
            raise CannotOpenError(
                f"its size {slide.width} x {slide.height} does not fit the full resolution "
                f"{self.full_size.width:.0f} x {self.full_size.height:.0f} of the scale factors",
                where=path,
                do="take the image that Space Ranger was given, or image=hires",
            )
        notes: tuple[str, ...] = ()
        if factor != 1.0:
            notes = (
                f"{path.name} is {factor:.6g} times the size that Space Ranger was given; "
                "positions are scaled by this factor",
            )
        return Reference(path.name, slide, factor, self.choices, notes)

    def _checked(
        self, reference: Reference, xy: NDArray[np.float64], notes: tuple[str, ...] = ()
    ) -> Reference:
        """Spots outside the image show that image and scale factors do not belong together."""
        notes = (*self.notes, *notes, *reference.notes)
        if reference.slide is not None:
            size = np.array([reference.slide.width, reference.slide.height])
            at = xy * reference.scale
            outside = int(((at < 0) | (at > size)).any(axis=1).sum())
            if 2 * outside > len(xy):
                reference.slide.close()
                raise CannotOpenError(
                    f"{outside} of {len(xy)} positions lie outside '{reference.name}'",
                    where=self.where,
                    do="check that image, positions and scale factors are of the same run, "
                    "or open with image=none",
                )
            if outside:
                notes += (f"{outside} positions lie outside the image",)
        return Reference(reference.name, reference.slide, reference.scale, reference.choices, notes)

    def _full_size(self) -> _FullSize | None:
        for kind in ("hires", "lowres"):
            path, key = self.bundled.get(kind), f"tissue_{kind}_scalef"
            if path is None or key not in self.scale_factors:
                continue
            scale = positive_number(self.scale_factors, key, self.where)
            try:
                width, height = _image_size(path)
            except CannotOpenError as error:
                self.notes += (f"{path.name} cannot be read: {error.what}",)
                continue
            rounding = 1.0 / max(min(width, height), 1)
            return _FullSize(width / scale, height / scale, rounding)
        return None


def _factor(size: tuple[int, int], full: _FullSize, *, whole_factor: bool) -> float | None:
    """How many times larger than full resolution; exact where it is whole, None if it is not."""
    by_width, by_height = size[0] / full.width, size[1] / full.height
    if abs(by_width / by_height - 1) > 2 * full.tolerance:
        return None
    factor = (by_width + by_height) / 2
    whole = round(factor)
    if whole >= 1 and abs(factor / whole - 1) <= 2 * full.tolerance:
        return float(whole)
    return None if whole_factor else factor


def _image_size(path: Path) -> tuple[int, int]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError, ValueError) as error:
        raise CannotOpenError(f"Not an image: {error}", where=path) from error
