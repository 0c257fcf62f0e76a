"""How mixed neighbourhoods are, and what chance alone would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.methods.niches.hoods import FloatArray


def entropy(shares: NDArray[Any]) -> FloatArray:
    """Shannon entropy in bits of every row; NaN where a share is missing."""
    p = np.asarray(shares)
    p = p if p.dtype.kind == "f" else p.astype(np.float64)
    tiny = np.finfo(p.dtype).tiny
    logs = np.log2(np.maximum(p, tiny))  # 0 * log2(tiny) is 0, a NaN stays one
    bits: FloatArray = p.dtype.type(0) - np.einsum("ij,ij->i", p, logs)
    return bits


def perplexity(shares: NDArray[Any]) -> FloatArray:
    """2^entropy: how many types in equal parts would be as mixed."""
    return np.asarray(np.exp2(entropy(shares)))


def evenness(shares: NDArray[Any]) -> FloatArray:
    """Entropy over its ceiling log2(number of types)."""
    return np.asarray(entropy(shares) / max(np.log2(max(shares.shape[1], 2)), 1e-12))


def chance(
    shares: NDArray[Any], squares: NDArray[Any], given: NDArray[Any], strata: NDArray[Any] | None
) -> FloatArray:
    """Exact z of every share if labels, or whole mixtures, were shuffled over the fixed places.

    Sampling without replacement, within a stratum: the mean is that of all n, the variance
    S^2 (sum P^2 - 1 / n), where S^2 of one label is n q (1 - q) / (n - 1).

    Parameters
    ----------
    squares
        Sum of the squared weights of the neighbours that count, of every row.
    given
        Type of every row (negative: unknown), or its proportions (NaN: unknown).
    """
    n_types = shares.shape[1]
    labels = given.ndim == 1
    there = given >= 0 if labels else np.isfinite(given).all(axis=1)
    z = np.full(shares.shape, np.nan, dtype=np.float32)
    strata = np.zeros(len(given), dtype=np.int64) if strata is None else strata
    for s in np.unique(strata):
        here = strata == s
        known = here & there
        n = int(known.sum())
        if n < 3:
            continue
        if labels:
            q = np.bincount(given[known], minlength=n_types) / n
            spread = n * q * (1 - q) / (n - 1)
        else:
            q, spread = given[known].mean(axis=0), given[known].var(axis=0, ddof=1)
        variance = spread[None] * np.maximum(squares[here] - 1 / n, 0)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            z[here] = np.where(variance > 1e-12, (shares[here] - q) / np.sqrt(variance), np.nan)
    return z


def mixed(
    codes: NDArray[Any], rng: np.random.Generator, strata: NDArray[Any] | None = None
) -> NDArray[Any]:
    """The labels in random order, within their section; unknown ones stay where they are."""
    found = np.array(codes)
    strata = np.zeros(len(codes), dtype=np.int64) if strata is None else strata
    for s in np.unique(strata):
        rows = np.flatnonzero((strata == s) & (found >= 0))
        found[rows] = found[rng.permutation(rows)]
    return found


def z_of(values: NDArray[Any], mean: NDArray[Any], spread: NDArray[Any]) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(spread > 1e-12, (values - mean) / spread, np.nan))
