"""How mixed neighbourhoods are, and what chance alone would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.methods.niches import hoods as soft

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_stml.methods.niches.hoods import FloatArray
    from napari_stml.methods.niches.near import Near


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
    shares: NDArray[Any], squares: NDArray[Any], codes: NDArray[Any], strata: NDArray[Any] | None
) -> FloatArray:
    """Exact z of every share if the labels were shuffled over the fixed positions.

    Mean n_g / n; variance n q (1 - q) / (n - 1) (sum P^2 - 1 / n): sampling without
    replacement, the labels of a section among themselves.
    """
    n_types = shares.shape[1]
    z = np.full(shares.shape, np.nan)
    strata = np.zeros(len(codes), dtype=np.int64) if strata is None else strata
    for s in np.unique(strata):
        here = strata == s
        known = here & (codes >= 0)
        n = int(known.sum())
        if n < 3:
            continue
        q = np.bincount(codes[known], minlength=n_types) / n
        spread = n * q * (1 - q) / (n - 1)
        variance = spread[None] * np.maximum(squares[here] - 1 / n, 0)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            z[here] = np.where(variance > 0, (shares[here] - q) / np.sqrt(variance), np.nan)
    return z


def shuffled(
    near: Near, codes: NDArray[Any], groups: int, tau: float, *, times: int, seed: int,
    strata: NDArray[Any] | None = None,
) -> Generator[float, None, tuple[FloatArray, FloatArray]]:  # fmt: skip
    """Mean and standard deviation of each row's perplexity under shuffled labels."""
    rng = np.random.default_rng(seed)
    n = len(near)
    total, second = np.zeros(n), np.zeros(n)
    for i in range(times):
        found = perplexity(soft.merged(near, mixed(codes, rng, strata), groups, tau))
        total += found
        second += found.astype(np.float64) ** 2
        yield (i + 1) / times
    mean = total / times
    return mean, np.sqrt(np.maximum(second / times - mean**2, 0) * times / max(1, times - 1))


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
