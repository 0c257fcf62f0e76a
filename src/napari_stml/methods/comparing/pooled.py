"""Pseudo-bulk: counts pooled per section and group, compared by moderated t tests on log CPM.

Spots of one section are no replicates; sections are. Sections are blocks where both groups occur
in them. Residual variances are squeezed towards their common value (Smyth 2004, Statistical
Applications in Genetics and Molecular Biology 3, article 3) without a trend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR = 2.0
"""Added to every pooled count, scaled by depth, before the logarithm."""


@dataclass(frozen=True)
class Compared:
    """Per gene: log2 fold of the first group over the second, moderated t, p."""

    log_fold: NDArray[np.float64]
    t: NDArray[np.float64]
    p: NDArray[np.float64]
    mean: NDArray[np.float64]
    degrees: float
    prior_degrees: float
    paired: bool


def log_cpm(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """log2 counts per million of pooled samples (rows), with a prior that follows depth."""
    depth = counts.sum(axis=1, keepdims=True)
    prior = PRIOR * depth / max(float(depth.mean()), 1e-12)
    scaled: NDArray[np.float64] = np.log2((counts + prior) / (depth + 2 * prior) * 1e6)
    return scaled


def compared(
    counts: NDArray[np.float64], first: NDArray[np.bool_], block: NDArray[np.intp]
) -> Compared:
    """Compare pooled samples of two groups; ``block`` is each sample's section."""
    from scipy.stats import t as student

    values = log_cpm(counts)
    both = [b for b in np.unique(block) if first[block == b].any() and (~first[block == b]).any()]
    paired = len(both) >= 2
    if paired:
        keep = np.isin(block, both)
        values, first, block = values[keep], first[keep], block[keep]
        design = np.column_stack([first, *(block == b for b in both)]).astype(np.float64)
    else:
        design = np.column_stack([first, np.ones(len(first))]).astype(np.float64)
    degrees = len(values) - np.linalg.matrix_rank(design)
    if degrees < 1:
        raise ValueError("too few samples for a variance")
    solved, *_ = np.linalg.lstsq(design, values, rcond=None)
    residual = values - design @ solved
    variance = (residual**2).sum(axis=0) / degrees
    unscaled = float(np.linalg.pinv(design.T @ design)[0, 0])
    prior_variance, prior_degrees = squeezed(variance, float(degrees))
    if np.isinf(prior_degrees):
        moderated, total = np.full_like(variance, prior_variance), np.inf
    else:
        total = degrees + prior_degrees
        moderated = (prior_degrees * prior_variance + degrees * variance) / total
    t = solved[0] / np.sqrt(np.maximum(moderated * unscaled, 1e-300))
    total = min(total, float(degrees) * values.shape[1])
    p = 2 * student.sf(np.abs(t), total)
    return Compared(solved[0], t, p, values.mean(axis=0), float(degrees), prior_degrees, paired)


def squeezed(variance: NDArray[np.float64], degrees: float) -> tuple[float, float]:
    """Prior variance and its degrees of freedom, by moments of the log variances."""
    from scipy.special import digamma, polygamma

    known = np.log(variance[variance > 1e-15])
    if len(known) < 2:
        return float(np.median(variance)), 0.0
    e = known - digamma(degrees / 2) + np.log(degrees / 2)
    spread = float(e.var(ddof=1) - polygamma(1, degrees / 2))
    if spread <= 0:
        return float(np.exp(e.mean())), np.inf
    half = _inverse_trigamma(spread)
    return float(np.exp(e.mean() + digamma(half) - np.log(half))), 2 * half


def _inverse_trigamma(value: float) -> float:
    """Newton's method on 1 / trigamma, which is nearly straight."""
    from scipy.special import polygamma

    y = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, y))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, y))
        y += step
        if -step / y < 1e-8:
            break
    return y
