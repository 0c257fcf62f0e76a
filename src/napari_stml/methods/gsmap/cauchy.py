"""The Cauchy combination of p-values: one p for an annotation or a region.

Liu and Xie 2020 (doi:10.1080/01621459.2018.1554485).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SMALL = 1e-15
"""Below it the tangent of p pi is p pi."""
LEAST = 1e-307
BELOW_ONE = 1 - 1e-15
"""A p of exactly 1 would outvote every other; it is taken as this."""


def combined(
    p: ArrayLike, weights: ArrayLike | None = None, *, as_reference: bool = False
) -> float:
    """Combine p-values, equally weighted where no ``weights`` are given; any p of 0 gives 0.

    ``as_reference`` computes as gsMap 1.73.8, which loses digits below 1e-6 or so (two
    differences of nearly equal numbers) and lets a single p of exactly 1 make the whole 1.
    """
    values = np.asarray(p, dtype=np.float64)
    if not len(values) or np.isnan(values).any() or (values < 0).any() or (values > 1).any():
        raise ValueError("p-values lie between 0 and 1, and there must be one")
    if (values == 0).any():
        return 0.0
    share = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    share = share / share.sum()
    if as_reference:
        return _as_reference(values, share)
    near = np.minimum(values, np.maximum(1 - values, 1 - BELOW_ONE))
    with np.errstate(over="ignore"):
        tangent = 1 / np.where(near < SMALL, np.pi * np.maximum(near, LEAST), np.tan(np.pi * near))
        total = float((share * np.where(values > 0.5, -tangent, tangent)).sum())
    return float(np.arctan2(1.0, total) / np.pi)


def _as_reference(p: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    if (p == 1).any():
        return 1.0
    small = p < SMALL
    tangent = np.where(small, 1 / (np.maximum(p, LEAST) * np.pi), np.tan((0.5 - p) * np.pi))
    total = float((share * tangent).sum())
    if total > 1 / SMALL:
        return 1 / (total * np.pi)
    return 1 - (0.5 + float(np.arctan(total)) / np.pi)


@dataclass(frozen=True)
class Combined:
    """What one annotation gives; ``removed`` spots were too extreme to be believed."""

    name: str
    p: float
    median: float
    spots: int
    removed: int


def without_outliers(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out a few extreme spots: beyond the median by 3 quartile ranges of -log10 p.

    Only when they are fewer than 1 % of the spots (or 20); more than that are a signal.
    """
    with np.errstate(divide="ignore"):
        size = -np.log10(p)
    q1, median, q3 = np.percentile(size, [25, 50, 75])
    extreme = size >= median + 3 * (q3 - q1)
    if 0 < extreme.sum() < max(len(p) * 0.01, 20):
        return np.asarray(p[~extreme])
    return p


def by_label(
    p: NDArray[np.float64], codes: NDArray[np.integer], names: tuple[str, ...]
) -> tuple[Combined, ...]:
    """Combine the p-values of each label, smallest first; NaN and code -1 belong to none."""
    found = []
    for code, name in enumerate(names):
        own = p[(codes == code) & np.isfinite(p)]
        if not len(own):
            continue
        kept = without_outliers(own)
        if not len(kept):
            kept = own
        found.append(
            Combined(name, combined(kept), float(np.median(own)), len(own), len(own) - len(kept))
        )
    return tuple(sorted(found, key=lambda c: (c.p, c.name)))
