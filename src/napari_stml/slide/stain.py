"""Stains of a slide, fitted once on pixels pooled from its tissue and then used for every tile.

Macenko et al. 2009 (ISBI); Reinhard et al. 2001. What they do to pixels stands in `core.stain`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_stml.core.stain import (
    LAB_TARGET,
    LIGHT,
    PALE,
    REFERENCE,
    REFERENCE_MOST,
    RUIFROK,
    ColourStatistics,
    Dyes,
    Stain,
    density,
    stained,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LAB_TARGET", "LIGHT", "REFERENCE", "REFERENCE_MOST", "RUIFROK", "ColourStatistics", "Dyes",
    "Stain", "fit", "stained",
]  # fmt: skip

FEWEST = 500

Method = Literal["none", "macenko", "reinhard"]


def fit(pixels: NDArray[np.uint8], method: Method) -> Stain | None:
    """Fit pooled tissue pixels (..., 3); None where they do not carry two dyes."""
    if method == "macenko":
        return fit_macenko(pixels)
    return fit_reinhard(pixels) if method == "reinhard" else None


def fit_macenko(pixels: NDArray[np.uint8]) -> Dyes | None:
    """The two dyes: extreme directions (1st and 99th percentile) in the plane of the densities."""
    found = density(pixels.reshape(-1, 3)).astype(np.float64)
    found = found[(found >= PALE).all(axis=1)]
    if len(found) < FEWEST:
        return None
    _, vectors = np.linalg.eigh(np.cov(found, rowvar=False))
    plane = vectors[:, [2, 1]]
    plane = plane * np.where(plane.sum(axis=0) < 0, -1.0, 1.0)
    if not np.isfinite(plane).all():
        return None
    flat = found @ plane
    angle = np.arctan2(flat[:, 1], flat[:, 0])
    ends = np.percentile(angle, [1, 99])
    if ends[1] - ends[0] < 0.02:  # one dye only: the second direction would be noise
        return None
    dyes = (plane @ np.array([np.cos(ends), np.sin(ends)])).T
    dyes = dyes[np.argsort(-dyes[:, 0], kind="stable")]
    if (dyes < -0.15).any() or not np.isfinite(dyes).all():
        return None
    amounts = np.maximum(found @ np.linalg.pinv(dyes), 0)
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
