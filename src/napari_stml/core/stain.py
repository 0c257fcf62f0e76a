"""Colour as dyes: amounts of hematoxylin and eosin, and pictures painted with other dyes.

Macenko et al. 2009 (ISBI), in optical density -ln((I + 1) / 240); Reinhard et al. 2001; dyes of
Ruifrok and Johnston 2001. Pixel by pixel, so that any window of a slide can be seen through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIGHT = 240.0
PALE = 0.15
"""Pixels with an optical density below this in any colour carry no dye."""

REFERENCE = np.array([[0.5626, 0.7201, 0.4062], [0.2159, 0.8012, 0.5581]])
REFERENCE_MOST = np.array([1.9705, 1.0308])
"""Dyes and their 99th percentiles in Macenko's usual reference picture."""

RUIFROK = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105]])
"""Hematoxylin and eosin of Ruifrok and Johnston 2001, for slides where no fit succeeds."""

LAB_TARGET = np.array([[0.652, 0.112, -0.106], [0.128, 0.055, 0.045]])
"""Mean and standard deviation (lightness, a, b; over 100) that Reinhard moves a slide to."""


@dataclass(frozen=True)
class Dyes:
    """Unit vectors of hematoxylin and eosin (2, 3) and the 99th percentile of their amounts."""

    vectors: NDArray[np.float64]
    most: NDArray[np.float64]

    def amounts(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Hematoxylin and eosin per pixel, (..., 2), by least squares; never negative."""
        inverse = np.linalg.pinv(self.vectors).astype(np.float32)
        return np.asarray(np.maximum(density(rgb) @ inverse, 0), dtype=np.float32)

    def residual(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Length of the density that neither dye explains: ink, pigment, a third stain."""
        left = density(rgb) - self.amounts(rgb) @ self.vectors.astype(np.float32)
        return np.asarray(np.sqrt((left * left).sum(axis=-1)), dtype=np.float32)

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
    return np.asarray((density(rgb) >= PALE).all(axis=-1))


def density(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Optical density of uint8 colours."""
    return np.asarray(_DENSITY[rgb], dtype=np.float32)


_DENSITY = -np.log((np.arange(256, dtype=np.float64) + 1) / LIGHT).astype(np.float32)
