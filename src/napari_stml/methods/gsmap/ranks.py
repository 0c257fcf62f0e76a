"""Ranks of the genes within each spot: zeros share one rank, so only the others are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray
    from scipy.sparse import csc_matrix, csr_matrix


@dataclass(frozen=True)
class Ranks:
    """Average ranks (1 is lowest); ``of_zero`` (spots,), ``others`` (spots x genes, by column)."""

    of_zero: NDArray[np.float64]
    others: csc_matrix

    def columns(self, first: int, last: int) -> csc_matrix:
        return self.others[:, first:last]


def ranked(values: csr_matrix) -> Generator[float, None, Ranks]:
    """Rank each row of (spots x genes); ties and zeros get the mean of their places."""
    from scipy.sparse import csr_matrix as csr

    n, genes = values.shape
    found = np.empty(len(values.data), dtype=np.float32)
    of_zero = np.empty(n)
    for i in range(n):
        start, end = values.indptr[i], values.indptr[i + 1]
        of_zero[i], found[start:end] = _row(values.data[start:end], genes)
        if i % 256 == 0:
            yield i / n
    others = csr((found, values.indices, values.indptr), shape=values.shape)
    return Ranks(of_zero, others.tocsc())


def _row(values: NDArray[np.floating], genes: int) -> tuple[float, NDArray[np.float32]]:
    zeros = genes - len(values)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    below = int(np.searchsorted(ordered, 0))
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ends = np.append(starts[1:], len(ordered))
    middle = (starts + 1 + ends) / 2 + np.where(starts >= below, zeros, 0)
    rank = np.empty(len(values), np.float32)
    rank[order] = np.repeat(middle, ends - starts)
    return below + (zeros + 1) / 2, rank
