"""LD scores of spots, a few rows at a time: SNP-gene weights times gene specificity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.methods.gsmap.tile_kernel import sparse_times

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

ROWS = 1024
"""SNPs of a tile."""


class Weights:
    """SNP-gene weights, shared by all spots and traits."""

    def __init__(self, matrix: csr_matrix) -> None:
        self.matrix = matrix.astype(np.float32, copy=False)
        self.shape = self.matrix.shape
        self._times = sparse_times()

    def times(self, first: int, last: int, spots: F32) -> F32:
        """Rows ``first`` to before ``last`` times (genes, spots)."""
        if self._times is None:
            return np.asarray(self.matrix[first:last] @ spots, dtype=np.float32)
        out = np.zeros((last - first, spots.shape[1]), np.float32)
        m = self.matrix
        self._times(m.indptr[first : last + 1], m.indices, m.data, spots, out)
        return out

    def summed(self, columns: F32) -> F64:
        """(k, genes): columns (SNPs, k) summed against the weights."""
        whole = len(columns) == self.shape[0]
        part = self.matrix if whole else self.matrix[: len(columns)]
        return np.asarray((part.T @ columns.astype(np.float64)).T, dtype=np.float64)


class Weighted:
    """Scores of some spots from weights and their specificity; a `SpotScores`."""

    def __init__(self, weights: Weights, specificity: F32) -> None:
        self._weights, self._spots = weights, specificity

    def sums(self, of_genes: F64) -> F64:
        """Sums over the SNPs, from those per gene that `Weights.summed` gave."""
        return of_genes @ self._spots

    def rows(self, first: int, last: int) -> F32:
        return self._weights.times(first, last, self._spots)


class Stored:
    """Scores that were computed before: (SNPs, spots)."""

    def __init__(self, scores: NDArray[np.floating]) -> None:
        self._scores = scores

    def sums(self, columns: F64) -> F64:
        part = self._scores[: len(columns)]
        return np.asarray(columns.T @ part.astype(np.float64), dtype=np.float64)

    def rows(self, first: int, last: int) -> F32:
        return self._scores[first:last].astype(np.float32)
