"""Stains of a slide: Macenko's two dyes, Reinhard's colour statistics, and their removal.

Macenko et al. 2009 (ISBI), in optical density -ln((I + 1) / 240); Reinhard et al. 2001. A
stain is fitted once per slide on pixels pooled from its tissue, then used for every tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIGHT = 240.0
PALE = 0.15
"""Pixels with an optical density below this in any colour carry no dye."""

FEWEST = 500
POOLED = 300_000

REFERENCE = np.array([[0.5626, 0.7201, 0.4062], [0.2159, 0.8012, 0.5581]])
REFERENCE_MOST = np.array([1.9705, 1.0308])
"""Dyes and their 99th percentiles in Macenko's usual reference picture."""

RUIFROK = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105]])
"""Hematoxylin and eosin of Ruifrok and Johnston 2001, for slides where no fit succeeds."""

LAB_TARGET = np.array([[0.652, 0.112, -0.106], [0.128, 0.055, 0.045]])
"""Mean and standard deviation (lightness, a, b; over 100) that Reinhard moves a slide to."""

Method = Literal["none", "macenko", "reinhard"]


@dataclass(frozen=True)
class Dyes:
    """Unit vectors of hematoxylin and eosin (2, 3) and the 99th percentile of their amounts."""

    vectors: NDArray[np.float64]
    most: NDArray[np.float64]

    def amounts(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Hematoxylin and eosin per pixel, (..., 2), by least squares; never negative."""
        inverse = np.linalg.pinv(self.vectors).astype(np.float32)
        return np.asarray(np.maximum(_density(rgb) @ inverse, 0), dtype=np.float32)

    def normalised(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Paint with the reference's dyes; unchanged where the result is not finite."""
        amounts = self.amounts(rgb) * (REFERENCE_MOST / self.most).astype(np.float32)
        light = LIGHT * np.exp(-(amounts @ REFERENCE.astype(np.float32))) - 1
        return np.clip(np.floor(light + 0.5), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class ColourStatistics:
    """Mean and standard deviation of L, a, b (each over 100) on a slide's tissue."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def normalised(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Move the colours of stained pixels to the target; glass stays as it is."""
        from skimage.color import lab2rgb, rgb2lab

        lab = rgb2lab(rgb) / 100
        moved = (lab - self.mean) / self.deviation * LAB_TARGET[1] + LAB_TARGET[0]
        colours = np.clip(lab2rgb(moved * 100) * 255 + 0.5, 0, 255).astype(np.uint8)
        return np.where(stained(rgb)[..., None], colours, rgb)


Stain = Dyes | ColourStatistics


def stained(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels carry dye in all three colours."""
    return np.asarray((_density(rgb) >= PALE).all(axis=-1))


def fit(pixels: NDArray[np.uint8], method: Method) -> Stain | None:
    """Fit pooled tissue pixels (..., 3); None where they do not carry two dyes."""
    if method == "macenko":
        return fit_macenko(pixels)
    return fit_reinhard(pixels) if method == "reinhard" else None


def fit_macenko(pixels: NDArray[np.uint8]) -> Dyes | None:
    """The two dyes: extreme directions (1st and 99th percentile) in the plane of the densities."""
    density = _density(pixels.reshape(-1, 3)).astype(np.float64)
    density = density[(density >= PALE).all(axis=1)]
    if len(density) < FEWEST:
        return None
    _, vectors = np.linalg.eigh(np.cov(density, rowvar=False))
    plane = vectors[:, [2, 1]]
    plane = plane * np.where(plane.sum(axis=0) < 0, -1.0, 1.0)
    if not np.isfinite(plane).all():
        return None
    flat = density @ plane
    angle = np.arctan2(flat[:, 1], flat[:, 0])
    ends = np.percentile(angle, [1, 99])
    if ends[1] - ends[0] < 0.02:  # one dye only: the second direction would be noise
        return None
    dyes = (plane @ np.array([np.cos(ends), np.sin(ends)])).T
    dyes = dyes[np.argsort(-dyes[:, 0], kind="stable")]
    if (dyes < -0.15).any() or not np.isfinite(dyes).all():
        return None
    amounts = np.maximum(density @ np.linalg.pinv(dyes), 0)
    most = np.percentile(amounts, 99, axis=0)
    return Dyes(dyes, most) if (most > 1e-3).all() else None


def fit_reinhard(pixels: NDArray[np.uint8]) -> ColourStatistics | None:
    from skimage.color import rgb2lab

    flat = pixels.reshape(-1, 3)
    flat = flat[stained(flat)]
    if len(flat) < FEWEST:
        return None
    lab = rgb2lab(flat[None])[0] / 100
    deviation = lab.std(axis=0)
    if not np.isfinite(lab).all() or (deviation < 1e-4).any():
        return None
    return ColourStatistics(lab.mean(axis=0), deviation)


def _density(rgb: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(_DENSITY[rgb], dtype=np.float32)


_DENSITY = -np.log((np.arange(256, dtype=np.float64) + 1) / LIGHT).astype(np.float32)
