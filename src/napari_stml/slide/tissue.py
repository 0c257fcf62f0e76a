"""Where tissue lies on a slide: Otsu's threshold of the saturation, and rules of colour.

Otsu 1979. A threshold always splits, also a picture that shows only tissue; so the two sides are
compared first, and a slide without glass is taken whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.slide.padding import without_padding

if TYPE_CHECKING:
    from numpy.typing import NDArray

BACKGROUND, TISSUE, PEN = 0, 1, 2
CLASSES = {TISSUE: "tissue", PEN: "pen"}

GLASS_SATURATION, GLASS_BRIGHTNESS = 0.16, 0.70
STAINED = 0.05
"""The least mean saturation of anything stained."""

CELL_UM = 75.0
"""Half the widest gap that a net of pale tissue may enclose: fat cells reach 150 um."""

SEPARATION = 1.6
"""Between the means of glass and tissue, in their pooled standard deviations."""


@dataclass(frozen=True)
class TissueRules:
    """Sizes are areas in mm2; ``threshold`` 0 lets Otsu choose.

    ``pale`` adds fat and other pale tissue: thin stained lines that enclose at most 150 um.
    """

    threshold: float = 0.0
    smooth_um: float = 12.0
    smallest_mm2: float = 0.03
    hole_mm2: float = 0.05
    pen: bool = True
    pale: bool = True


@dataclass(frozen=True)
class TissueMask:
    """Classes per pixel (0 background, 1 tissue, 2 pen), and how they were found."""

    classes: NDArray[np.uint8]
    threshold: float
    everything: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def tissue(self) -> NDArray[np.bool_]:
        return np.asarray(self.classes == TISSUE)


def find_tissue(
    rgb: NDArray[np.uint8], um_per_px: float, rules: TissueRules | None = None
) -> TissueMask:
    """Find tissue on a bright-field picture (y, x, 3) at ``um_per_px``."""
    rules = rules or TissueRules()
    notes: list[str] = []
    rgb, padding = without_padding(rgb, um_per_px)
    if padding.any():
        notes.append(f"{padding.mean():.0%} of the picture is black padding, taken as glass")
    sigma = rules.smooth_um / um_per_px / 2
    smooth = [_blurred(rgb[:, :, c], sigma) for c in range(3)]
    saturation, brightness = _saturation(smooth)
    known = ~padding
    if not known.any():
        return TissueMask(np.zeros(padding.shape, np.uint8), 0.0, notes=("the picture is black",))
    threshold = rules.threshold or otsu(saturation[known])
    split = _judge(saturation[known], brightness[known], threshold)
    if rules.threshold == 0 and split == "blank":
        notes.append("nothing stained was found on this slide")
        return TissueMask(np.zeros(padding.shape, np.uint8), threshold, notes=tuple(notes))
    if rules.threshold == 0 and split == "full":
        everything = "all outside the padding" if padding.any() else "everything"
        notes.append(f"no glass was found: {everything} is taken as tissue; correct it with the "
                     "brush")  # fmt: skip
        classes = np.where(padding, BACKGROUND, TISSUE).astype(np.uint8)
        return TissueMask(classes, threshold, everything=True, notes=tuple(notes))
    # Black ink, folds and pigment have little saturation, but no glass is dark.
    found = ((saturation > threshold) | (brightness < 0.45)) & known
    pen = np.zeros(padding.shape, dtype=bool)
    if rules.pen:
        pen = pen_marks(smooth, saturation, brightness, um_per_px) & known
        found &= ~pen
    per_mm2 = 1e6 / um_per_px**2
    if rules.pale:
        found |= _pale(rgb, found, known & ~pen, um_per_px)
    found = closed(found, rules.smooth_um / um_per_px / 2) & known & ~pen
    found = without_small(found, rules.smallest_mm2 * per_mm2)
    found = ~without_small(~found, rules.hole_mm2 * per_mm2) & known & ~pen
    if pen.any():
        notes.append(f"pen marks on {pen.mean():.1%} of the slide were left out")
    if not found.any():
        notes.append("no piece is as large as the smallest that is kept")
    classes = np.where(found, TISSUE, np.where(pen, PEN, BACKGROUND)).astype(np.uint8)
    return TissueMask(classes, float(threshold), notes=tuple(notes))


def otsu(values: NDArray[Any]) -> float:
    """Otsu's threshold of values between 0 and 1 (256 steps)."""
    counts, edges = np.histogram(values, bins=256, range=(0.0, 1.0))
    middle = (edges[1:] + edges[:-1]) / 2
    weight = np.cumsum(counts)
    total, mass = weight[-1], np.cumsum(counts * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[-1] * weight / total - mass) ** 2 / (weight * (total - weight))
    between[~np.isfinite(between)] = -1
    best = np.flatnonzero(between == between.max())
    return float(edges[1:][best].mean())


def pen_marks(
    smooth: list[NDArray[np.float32]], saturation: NDArray[np.float32],
    brightness: NDArray[np.float32], um_per_px: float,
) -> NDArray[np.bool_]:  # fmt: skip
    """Find strokes of green, blue, black or signal-red ink, at least 150 um wide."""
    from scipy import ndimage

    red, green, blue = smooth
    ink = (green > red + 0.06) & (green > blue - 0.06) & (saturation > 0.2)
    ink |= (blue > red + 0.25) & (green > red + 0.02) & (saturation > 0.5)
    ink |= (red > green + 0.45) & (red > blue + 0.35) & (saturation > 0.75)
    ink |= (brightness < 0.25) & (saturation < 0.35)
    width = max(1, round(75 / um_per_px))
    core = ndimage.binary_erosion(ink, iterations=min(width, 12))
    if not core.any():
        return np.zeros(ink.shape, dtype=bool)
    pieces, count = ndimage.label(ndimage.binary_dilation(ink, iterations=2))
    marked = np.zeros(count + 1, dtype=bool)
    marked[np.unique(pieces[core])] = True
    marked[0] = False
    return np.asarray(marked[pieces], dtype=np.bool_)


def fold_shares(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How folded each pixel looks, 0 or 1: much dye (saturated) and little light at once.

    Bautista and Yagi 2009 take saturation minus brightness; 0.15 was set on H&E sections.
    """
    channels = [_blurred(rgb[:, :, c], 1.0) for c in range(3)]
    saturation, brightness = _saturation(channels)
    return np.asarray(saturation - brightness > 0.15, dtype=np.float32)


def without_small(mask: NDArray[np.bool_], smallest_px: float) -> NDArray[np.bool_]:
    """Drop connected pieces smaller than so many pixels."""
    from scipy import ndimage

    if smallest_px <= 1:
        return mask
    pieces, count = ndimage.label(mask)
    kept = np.bincount(pieces.ravel(), minlength=count + 1) >= smallest_px
    kept[0] = False
    return np.asarray(kept[pieces], dtype=np.bool_)


def closed(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Close gaps up to twice the radius (pixels) by a disc; the border of the picture is no wall.

    By distances, so that its cost does not grow with the radius.
    """
    from scipy import ndimage

    if not mask.any() or radius < 0.5:
        return mask
    margin = int(np.ceil(radius)) + 1
    wide = np.pad(mask, margin)
    grown = ndimage.distance_transform_edt(~wide) <= radius
    kept = ndimage.distance_transform_edt(grown) > radius
    inner = kept[margin:-margin, margin:-margin]
    return np.asarray(inner | mask, dtype=np.bool_)


def _pale(
    rgb: NDArray[np.uint8], found: NDArray[np.bool_], known: NDArray[np.bool_], um_per_px: float
) -> NDArray[np.bool_]:
    """Find nets of thin stained lines, as the membranes of fat cells are."""
    from scipy import ndimage

    fine, _ = _saturation([_blurred(rgb[:, :, c], 4 / um_per_px) for c in range(3)])
    # Against its surroundings: a smear of eosin on the glass is pink but has no lines.
    sharp = fine - ndimage.gaussian_filter(fine, 30 / um_per_px, truncate=2.5)
    glass = sharp[known & ~found]
    if glass.size == 0:
        return found
    spread = 1.4826 * float(np.median(np.abs(glass - np.median(glass))))
    lines = (sharp > max(5 * spread, 0.007)) & known
    lines = without_small(lines, (20 / um_per_px) ** 2)  # dust
    filled = closed(lines | found, CELL_UM / um_per_px)
    # Between two solid edges without a line of its own lies a crack, not a fat cell.
    solid = ndimage.binary_opening(found, iterations=max(1, round(16 / um_per_px)))
    away = ndimage.distance_transform_edt(~solid) > 16 / um_per_px if solid.any() else ~solid
    net = without_small((lines | found) & away, (30 / um_per_px) ** 2)
    if not net.any():
        return found
    filled &= ndimage.distance_transform_edt(~net) <= CELL_UM / um_per_px
    # A lone line (a hair) encloses nothing and stays thin.
    filled = ndimage.binary_opening(filled | found, iterations=max(1, round(16 / um_per_px)))
    return np.asarray(filled, dtype=np.bool_)


def _judge(saturation: Any, brightness: Any, threshold: float) -> str:
    """Say "split" where one side looks like glass and the other not, else "full" or "blank"."""
    high = saturation > threshold
    low = ~high
    glass = (saturation < GLASS_SATURATION) & (brightness > GLASS_BRIGHTNESS)
    if not high.any() or saturation[high].mean() < STAINED:
        return "blank" if glass.mean() > 0.5 else "full"
    if not low.any() or low.mean() < 0.002:
        return "full"
    apart = saturation[high].mean() - saturation[low].mean()
    spread = np.sqrt((saturation[high].var() + saturation[low].var()) / 2) + 1e-6
    clear = np.median(saturation[low]) < GLASS_SATURATION
    bright = np.median(brightness[low]) > GLASS_BRIGHTNESS
    return "split" if clear and bright and apart / spread > SEPARATION else "full"


def _saturation(channels: list[NDArray[np.float32]]) -> tuple[Any, Any]:
    high = np.maximum(np.maximum(channels[0], channels[1]), channels[2])
    low = np.minimum(np.minimum(channels[0], channels[1]), channels[2])
    return (high - low) / np.maximum(high, 1e-3), high


def _blurred(channel: NDArray[np.uint8], sigma: float) -> NDArray[np.float32]:
    from scipy import ndimage

    values = channel.astype(np.float32) / 255
    if sigma < 0.3:
        return np.asarray(values, dtype=np.float32)
    return np.asarray(ndimage.gaussian_filter(values, sigma, truncate=2.5), dtype=np.float32)
