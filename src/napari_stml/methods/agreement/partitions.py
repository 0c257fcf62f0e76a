"""How far two ways of dividing the same observations agree.

Adjusted Rand index: Hubert and Arabie 1985 (doi:10.1007/BF01908075). Normalised mutual
information with the arithmetic mean of the entropies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def contingency(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int64]:
    """Count the observations by both codes; those with a negative code are left out."""
    known = (a >= 0) & (b >= 0)
    rows, columns = int(a.max(initial=-1)) + 1, int(b.max(initial=-1)) + 1
    flat = np.asarray(a[known], dtype=np.int64) * columns + b[known]
    return np.bincount(flat, minlength=rows * columns).reshape(rows, columns).astype(np.int64)


def adjusted_rand(table: NDArray[np.int64]) -> float:
    """Agreement beyond chance: 1 is equal up to names, 0 is chance."""

    def pairs(counts: NDArray[np.int64]) -> float:
        return float((counts * (counts - 1) / 2).sum())

    total = pairs(np.array([table.sum()]))
    both, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    if total == 0:
        return 1.0
    expected = rows * columns / total
    most = (rows + columns) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def mutual_information(table: NDArray[np.int64]) -> float:
    """Shared information over the mean of both entropies; 1 for two undivided sets."""
    share = table / max(1, table.sum())
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    there = share > 0
    outer = np.outer(rows, columns)
    shared = float((share[there] * np.log(share[there] / outer[there])).sum())
    mean = (_entropy(rows) + _entropy(columns)) / 2
    return 1.0 if mean == 0 else max(0.0, shared / mean)


def _entropy(share: NDArray[Any]) -> float:
    there = share[share > 0]
    return float(-(there * np.log(there)).sum())


def best_partners(table: NDArray[np.int64]) -> NDArray[np.intp]:
    """For every row the column it shares most with, each used once where there are enough."""
    from scipy.optimize import linear_sum_assignment

    partners = table.argmax(axis=1)
    rows, columns = linear_sum_assignment(-table)
    partners[rows] = columns
    return np.asarray(partners, dtype=np.intp)
