"""Quality of spots: counts, genes, shares of the total, limits by deviation from the median."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.methods.expression.normalise import row_totals

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

MAD_TO_SD = 1.4826
"""The median absolute deviation of a normal distribution, times this, is its sd."""
ROWS = 4096


def named(genes: Sequence[str], prefixes: Sequence[str]) -> NDArray[np.bool_]:
    """Which genes begin with one of the prefixes, written exactly so."""
    begins = tuple(p for p in prefixes if p)
    return np.array([gene.startswith(begins) for gene in genes], dtype=bool)


def share(counts: csr_matrix, genes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Percent of each row's total in these genes; NaN where the row is empty."""
    part = np.asarray(counts @ genes.astype(np.float64)).ravel()
    return _percent(part, row_totals(counts))


def share_of_top(counts: csr_matrix, top: int) -> Generator[float, None, NDArray[np.float64]]:
    """Percent of each row's total in its ``top`` largest genes; yields the fraction done."""
    n = counts.shape[0]
    part = np.zeros(n)
    for row in range(n):
        values = counts.data[counts.indptr[row] : counts.indptr[row + 1]]
        if len(values) > top:
            values = np.partition(values, len(values) - top)[-top:]
        part[row] = values.sum(dtype=np.float64)
        if row % ROWS == ROWS - 1:
            yield row / n
    return _percent(part, row_totals(counts))


def deviation_limits(values: NDArray[Any], mads: float) -> tuple[float, float] | None:
    """Median -/+ ``mads`` scaled median absolute deviations; None where nothing deviates."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    middle = float(np.median(known))
    spread = MAD_TO_SD * float(np.median(np.abs(known - middle)))
    return (middle - mads * spread, middle + mads * spread) if spread > 0 else None


def _percent(part: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.full(len(total), np.nan)
    np.divide(100 * part, total, out=result, where=total > 0)
    return result
