"""Pixels of any slide as bright-field colour at a stated um per pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import MissingScaleError, StmlError
from napari_stml.core.geometry import Affine, UmPerPx
from napari_stml.slide.resample import to_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.io.contents import PlacedSlide
    from napari_stml.io.slides.base import Slide

RGB = tuple[int, int, int]
COMPOSITE: tuple[RGB, ...] = ((0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 0), (255, 0, 255))
MOST_PIXELS = 150_000_000


@dataclass(frozen=True)
class Look:
    """How a slide's pixels become three colours: as they are, or channels laid over each other.

    ``limits`` are the intensities shown as dark and bright, one pair per channel.
    """

    channels: tuple[int, ...] = ()
    limits: tuple[tuple[float, float], ...] = ()

    @property
    def is_colour(self) -> bool:
        return not self.channels

    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """Colour of (y, x, c) pixels, uint8."""
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            bad = int((~np.isfinite(pixels)).any(axis=2).sum())
            raise StmlError(
                f"{bad:,} pixels here are not numbers (NaN)", where="image",
                do="fill them in the image, or choose a scope or an image without them",
            )  # fmt: skip
        if self.is_colour:
            return np.asarray(pixels, dtype=np.uint8)
        total = np.zeros((*pixels.shape[:2], 3), dtype=np.float32)
        for i, (channel, (low, high)) in enumerate(zip(self.channels, self.limits, strict=True)):
            value = (pixels[:, :, channel].astype(np.float32) - low) / max(high - low, 1e-9)
            colour = (255, 255, 255) if len(self.channels) == 1 else COMPOSITE[i % len(COMPOSITE)]
            total += np.clip(value, 0, 1)[:, :, None] * np.asarray(colour, dtype=np.float32)
        return np.clip(total, 0, 255).astype(np.uint8)


def look_of(slide: Slide, channels: tuple[str, ...] = ()) -> tuple[Look, tuple[str, ...]]:
    """How this slide is shown as colour, and what a user should know about it.

    Limits of channels are the 1st and 99.8th percentile of the coarsest level.
    """
    if slide.rgb and not channels:
        return Look(), ()
    names = list(slide.channels)
    missing = [c for c in channels if c not in names]
    if missing:
        raise StmlError(
            f"This image has no channel '{missing[0]}'", where=slide.uri,
            do=f"choose from {', '.join(names)}",
        )  # fmt: skip
    chosen = tuple(names.index(c) for c in channels) or tuple(range(min(3, len(names))))
    level = len(slide.levels) - 1
    lv = slide.levels[level]
    small = slide.read(0, 0, level, lv.width, lv.height)
    limits = []
    for c in chosen:
        known = small[:, :, c][np.isfinite(small[:, :, c])]
        if not known.size:
            raise StmlError(
                f"The channel '{names[c]}' holds no numbers", where=slide.uri,
                do=f"choose from {', '.join(names)}",
            )  # fmt: skip
        low, high = np.percentile(known, [1, 99.8])
        limits.append((float(low), float(high)))
    note = (
        f"no H&E image: the channels {', '.join(names[c] for c in chosen)} were laid over each "
        "other as colours; encoders and stain values made for H&E mean little here"
    )
    return Look(chosen, tuple(limits)), (note,)


def scale_of(placed: PlacedSlide, reference: UmPerPx | None, section: str) -> UmPerPx:
    """Um per level-0 pixel of a slide: from the section's scale, else the slide's own."""
    if reference is None:
        if placed.slide.um_per_px is None:
            raise MissingScaleError(section)
        return placed.slide.um_per_px
    factor = placed.affine.length_factor
    return UmPerPx(reference.x * factor, reference.y * factor, reference.source)


@dataclass(frozen=True)
class Overview:
    """A whole slide at one coarse resolution; ``affine`` maps its pixels to level-0 pixels."""

    pixels: NDArray[np.uint8]
    um_per_px: float
    affine: Affine


def overview(slide: Slide, scale: UmPerPx, um_per_px: float, look: Look | None = None) -> Overview:
    """Read the whole slide, averaged to ``um_per_px`` (never finer than the slide itself)."""
    look = look or look_of(slide)[0]
    wanted = max(um_per_px, scale.mean)
    width = max(1, round(slide.width * scale.x / wanted))
    height = max(1, round(slide.height * scale.y / wanted))
    if width * height > MOST_PIXELS:
        raise StmlError(
            f"At {um_per_px:g} um per pixel this slide has {width} x {height} pixels",
            where=slide.uri, do="choose a coarser resolution",
        )  # fmt: skip
    level = slide.level_for(wanted / scale.mean)
    lv = slide.levels[level]
    pixels = look(slide.read(0, 0, level, lv.width, lv.height))
    pixels = to_size(pixels, min(width, lv.width), min(height, lv.height))
    h, w = pixels.shape[:2]
    return Overview(pixels, wanted, Affine.scaling(slide.width / w, slide.height / h))
