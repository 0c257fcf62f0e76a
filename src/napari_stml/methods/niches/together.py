"""Which types are found together: over neighbourhoods, and over distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

FLOOR = 1e-4
"""Shares below this count as this much where logarithms are taken."""


def correlation(shares: NDArray[Any]) -> NDArray[np.float64]:
    """Pearson correlation of the columns over the rows that are known (hoodscanR).

    Shares sum to one, which alone pulls correlations below zero.
    """
    known = shares[np.isfinite(shares).all(axis=1)].astype(np.float64)
    if len(known) < 2:
        return np.full((shares.shape[1],) * 2, np.nan)
    centred = known - known.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((centred.T @ centred) / size[:, None] / size[None])


def log_ratio(shares: NDArray[Any]) -> NDArray[np.float64]:
    """Proportionality of the columns, 1 - var(log a/b) / (var clr a + var clr b).

    Free of the closure of shares: 1 moves together, 0 is unrelated, below 0 is opposed (rho_p of
    Quinn et al. 2017, doi:10.1038/s41598-017-16520-0).
    """
    known = shares[np.isfinite(shares).all(axis=1)].astype(np.float64)
    if len(known) < 2:
        return np.full((shares.shape[1],) * 2, np.nan)
    logs = np.log(np.maximum(known, FLOOR))
    clr = logs - logs.mean(axis=1, keepdims=True)
    covariance = np.atleast_2d(np.cov(clr.T))
    variance = np.diag(covariance)
    total = variance[:, None] + variance[None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(total > 0, 2 * covariance / total, np.nan))


def mean_by(shares: NDArray[Any], codes: NDArray[Any], groups: int) -> NDArray[np.float64]:
    """Mean composition of the rows of each group; NaN for a group without known rows."""
    known = np.isfinite(shares).all(axis=1) & (codes >= 0)
    total = np.zeros((groups, shares.shape[1]))
    for column in range(shares.shape[1]):
        total[:, column] = np.bincount(
            codes[known], weights=shares[known, column], minlength=groups
        )
    number = np.bincount(codes[known], minlength=groups)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(number > 0, total / number, np.nan)


def log2_enrichment(
    means: NDArray[Any], frequency: NDArray[Any], pseudo: float = FLOOR
) -> NDArray[np.float64]:
    """log2 of each group's composition over the overall one.

    ``pseudo`` times the frequency is added and the row divided by its sum; 1 for mean counts of
    windows, little for shares.
    """
    lifted = means + pseudo * frequency
    lifted = lifted / lifted.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log2(lifted / frequency))


def co_occurrence(
    xy: NDArray[np.float64], codes: NDArray[Any], groups: int, distances: NDArray[np.float64],
    strata: NDArray[Any] | None = None,
) -> Generator[float, None, NDArray[np.float64]]:  # fmt: skip
    """P(type b | type a within distance) / P(type b within distance), (a, b, distances).

    Counted by pairs of k-d trees, without listing the pairs; yields the fraction done.
    """
    from scipy.spatial import cKDTree

    pairs = np.zeros((groups, groups, len(distances)))
    strata = np.zeros(len(codes), dtype=np.int64) if strata is None else strata
    sections = np.unique(strata)
    for number, s in enumerate(sections):
        here = (strata == s) & (codes >= 0)
        trees = [cKDTree(xy[here & (codes == g)]) for g in range(groups)]
        for a in range(groups):
            for b in range(a, groups):
                if not (trees[a].n and trees[b].n):
                    continue
                found = trees[a].count_neighbors(trees[b], distances).astype(np.float64)
                found -= trees[a].n if a == b else 0
                pairs[a, b] += found
                if a != b:
                    pairs[b, a] += found
            yield (number + (a + 1) / groups) / len(sections)
    about = pairs.sum(axis=1)
    every = about.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        given = pairs / about[:, None, :]
        share = about / every
        return np.asarray(given / share[None])
