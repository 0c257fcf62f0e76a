"""Cell types of spots by non-negative least squares to the mean profiles of a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

SWEEPS = 2000
TOLERANCE = 1e-8
ROWS = 20_000
FEWEST_CELLS = 3


def signatures(
    counts: csr_matrix, codes: NDArray[Any], groups: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean counts of a cell of every type (types, genes), and how many cells each has."""
    from scipy.sparse import csr_matrix as csr

    known = np.flatnonzero(codes >= 0)
    number = np.bincount(codes[known], minlength=groups)
    pick = csr((np.ones(len(known)), (codes[known], known)), shape=(groups, counts.shape[0]))
    total = np.asarray((pick @ counts).todense())
    return total / np.maximum(number, 1)[:, None], number


def telling(profiles: NDArray[np.float64], per_type: int) -> NDArray[np.intp]:
    """The genes that tell types apart: of each type those highest over the second type."""
    share = profiles / np.maximum(profiles.sum(axis=1, keepdims=True), 1e-12)
    floor = np.median(share[share > 0]) if (share > 0).any() else 1e-9
    order = np.sort(share, axis=0)
    second = order[-2] if len(share) > 1 else order[-1]
    chosen: list[NDArray[np.intp]] = []
    for row in share:
        gain = (row + floor) / (second + floor)
        # a gene without counts tells nothing, however specific
        gain[row < floor] = 0
        best = np.argsort(-gain, kind="stable")[:per_type]
        chosen.append(best[gain[best] > 1])
    return np.unique(np.concatenate(chosen)).astype(np.intp)


def fit(
    mixed: csr_matrix, profiles: NDArray[np.float64]
) -> Generator[float, None, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Amounts (spots, types) with the least weighted squares, and the correlation of each fit.

    Genes weigh one over their mean, so that the abundant ones do not decide alone. All spots
    are solved together by coordinate descent, which for these few types is exact.
    """
    mean = np.asarray(mixed.mean(axis=0)).ravel()
    root = 1 / np.sqrt(np.maximum(mean, np.median(mean[mean > 0]) * 0.1 if (mean > 0).any() else 1))
    basis = (profiles * root).T
    scale = np.linalg.norm(basis, axis=0)
    if (scale <= 0).any():
        raise StmlError(
            "A type of the reference has no counts in the shared genes",
            do="leave the type out, or use a reference with the same gene names",
        )  # fmt: skip
    basis = basis / scale
    gram = basis.T @ basis
    n = mixed.shape[0]
    amounts, agreement = np.empty((n, len(profiles))), np.empty(n)
    for start in range(0, n, ROWS):
        rows = slice(start, min(start + ROWS, n))
        target = np.asarray(mixed[rows].todense()) * root
        found = non_negative(gram, target @ basis)
        agreement[rows] = _correlations(found @ basis.T, target)
        amounts[rows] = found / scale
        yield rows.stop / n
    return amounts, agreement


def non_negative(gram: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimise x' G x / 2 - b' x over x >= 0 for every row b of ``right``."""
    x = np.zeros_like(right)
    gradient = -right.copy()
    for _ in range(SWEEPS):
        largest = 0.0
        for g in range(len(gram)):
            step = np.maximum(x[:, g] - gradient[:, g] / gram[g, g], 0) - x[:, g]
            x[:, g] += step
            gradient += step[:, None] * gram[g]
            largest = max(largest, float(np.abs(step).max(initial=0)))
        if largest <= TOLERANCE * max(float(x.max(initial=0)), 1e-12):
            break
    return x


def shares(amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows divided by their sum; NaN where nothing fitted."""
    total = amounts.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(total > 0, amounts / total, np.nan))


def shared(ours: Sequence[str], theirs: Sequence[str]) -> tuple[list[int], list[int]]:
    """Columns of the genes that both know; upper and lower case count as equal if need be."""
    place = {g: i for i, g in enumerate(theirs)}
    pairs = [(i, place[g]) for i, g in enumerate(ours) if g in place]
    if len(pairs) < len(ours) // 10:
        upper = {g.upper(): i for i, g in enumerate(theirs)}
        folded = [(i, upper[g.upper()]) for i, g in enumerate(ours) if g.upper() in upper]
        pairs = folded if len(folded) > len(pairs) else pairs
    return [i for i, _ in pairs], [j for _, j in pairs]


def _correlations(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(size > 0, (a * b).sum(axis=1) / size, np.nan))
