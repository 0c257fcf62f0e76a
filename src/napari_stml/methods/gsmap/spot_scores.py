"""LD scores of spots, a few rows at a time: SNP-gene weights times gene specificity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

ROWS = 1024
PIECE = 128
"""SNPs of a piece: neighbours share their genes, so few columns of the weights are not empty."""
DENSE_UP_TO = 12.0
"""A tile is multiplied as a dense block while it has at most so many zeros per entry."""


class Weights:
    """SNP-gene weights cut into tiles, shared by all spots and traits."""

    def __init__(self, matrix: csr_matrix) -> None:
        self.matrix = matrix.astype(np.float32)
        self.shape = self.matrix.shape
        self._tiles: dict[int, tuple[NDArray[np.int32], NDArray[np.int32]] | None] = {}

    def times(self, first: int, last: int, spots: F32) -> F32:
        """Rows ``first`` to before ``last`` times (genes, spots)."""
        out = np.empty((last - first, spots.shape[1]), np.float32)
        for start in range(first, last, PIECE):
            stop = min(start + PIECE, last)
            out[start - first : stop - first] = self._piece(start, stop, spots)
        return out

    def _piece(self, first: int, last: int, spots: F32) -> F32:
        part = self._tile(first, last)
        if part is None:
            return np.asarray(self.matrix[first:last] @ spots, dtype=np.float32)
        genes, flat = part
        start, end = self.matrix.indptr[first], self.matrix.indptr[last]
        dense = np.zeros((last - first) * len(genes), np.float32)
        dense[flat] = self.matrix.data[start:end]
        return dense.reshape(last - first, -1) @ spots[genes]

    def summed(self, columns: F32) -> F64:
        """(k, genes): columns (SNPs, k) summed against the weights."""
        part = self.matrix[: len(columns)]
        return np.asarray((part.T @ columns.astype(np.float64)).T, dtype=np.float64)

    def _tile(self, first: int, last: int) -> tuple[NDArray[np.int32], NDArray[np.int32]] | None:
        if first not in self._tiles:
            matrix = self.matrix
            start, end = matrix.indptr[first], matrix.indptr[last]
            genes, place = _distinct(matrix.indices[start:end])
            cells = (last - first) * len(genes)
            if cells == 0 or cells > DENSE_UP_TO * (end - start):
                self._tiles[first] = None
            else:
                row = np.repeat(np.arange(last - first), np.diff(matrix.indptr[first : last + 1]))
                flat = (row * len(genes) + place).astype(np.int32)
                self._tiles[first] = genes.astype(np.int32), flat
        return self._tiles[first]


def _distinct(indices: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the sorted distinct values, and the place of each value among them."""
    if not len(indices):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    low = int(indices.min())
    used = np.zeros(int(indices.max()) - low + 1, dtype=bool)
    used[indices - low] = True
    place = np.cumsum(used) - 1
    return np.flatnonzero(used) + low, place[indices - low]


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
