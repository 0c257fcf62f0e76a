"""From a matrix of connection strengths to links: weighting, filter, threshold.

Everything is done on blocks of rows, so that neither a dense nor a sparse matrix is copied whole,
and what was given is never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

BLOCK = 16_000_000
"""Numbers of a block of rows."""
Rows = Callable[[int, int], "NDArray[np.floating[Any]]"]


@dataclass(frozen=True)
class Rules:
    """What becomes a link.

    Attributes
    ----------
    decay
        Each strength is multiplied by exp(decay * distance): links over long ways are BOOSTED.
        0 leaves them as they are.
    strongest
        Of each row, this share of its entries at most (the diagonal counts); 1 keeps all.
    above
        With ``strongest`` below 1: entries must be greater than this.
    threshold
        What is lower is no link.
    """

    decay: float = 0.0
    strongest: float = 1.0
    above: float = 0.0
    threshold: float = 0.001


class Strengths:
    """A square matrix read in blocks of rows: dense, memory-mapped, zarr or sparse."""

    def __init__(self, matrix: Any, n: int | None = None, where: object = "") -> None:
        shape = tuple(getattr(matrix, "shape", ()))
        if len(shape) != 2 or shape[0] != shape[1]:
            raise StmlError(
                f"A connection matrix has as many columns as rows; this one is {shape}",
                where=where, do="choose another file",
            )  # fmt: skip
        if n is not None and shape[0] != n:
            raise StmlError(
                f"The connection matrix is for {shape[0]} spots, and there are {n}", where=where,
                do="choose the matrix of this section, or name the column that tells each spot's "
                "row (parcel)",
            )  # fmt: skip
        self.n, self.where = int(shape[0]), where
        self._sparse = hasattr(matrix, "indptr")
        self._matrix = matrix.tocsr() if self._sparse else matrix

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """First row and the dense block of rows, checked."""
        step = max(1, BLOCK // max(1, self.n))
        for start in range(0, self.n, step):
            yield start, self.rows(start, min(start + step, self.n))

    def rows(self, start: int, stop: int) -> NDArray[np.float64]:
        part = self._matrix[start:stop]
        block = np.array(part.toarray() if self._sparse else part, dtype=np.float64)
        self._finite(block)
        return block

    def thresholded(self, threshold: float) -> csr_matrix | None:
        """What of a sparse matrix passes, at once; None where rows have to be looked at."""
        if not self._sparse:
            return None
        kept = self._matrix.astype(np.float64)
        self._finite(kept.data)
        kept.sum_duplicates()
        kept.data[(kept.data < threshold) | (kept.data < 0)] = 0
        kept.eliminate_zeros()
        return kept

    def _finite(self, values: NDArray[Any]) -> None:
        if not np.isfinite(values).all():
            raise StmlError(
                "The connection matrix holds values that are not numbers", where=self.where,
                do="replace NaN by 0",
            )  # fmt: skip


def weighted(
    block: NDArray[np.float64], xy_rows: NDArray[np.float64], xy: NDArray[np.float64], decay: float
) -> NDArray[np.float64]:
    """Multiply by exp(+decay * distance), in place."""
    from scipy.spatial.distance import cdist

    block *= np.exp(decay * cdist(xy_rows, xy))
    return block


def filtered(block: NDArray[np.float64], above: float, most: int) -> NDArray[np.float64]:
    """Keep of every row the ``most`` largest entries greater than ``above``, in place.

    Of equal strengths those of lower columns stay.
    """
    block[~(block > above)] = 0
    crowded = np.flatnonzero((block > 0).sum(axis=1) > most)
    for row in crowded:
        order = np.argsort(-block[row], kind="stable")
        block[row, order[most:]] = 0
    return block


def strong(strengths: Strengths, rules: Rules, xy: NDArray[np.float64] | None = None) -> csr_matrix:
    """The entries that pass all rules, with their strengths."""
    if rules.decay == 0 and rules.strongest >= 1:
        kept = strengths.thresholded(rules.threshold)
        if kept is not None:
            return kept
    from scipy.sparse import csr_matrix as csr
    from scipy.sparse import vstack

    parts = []
    for start, block in strengths.blocks():
        if rules.decay:
            assert xy is not None
            weighted(block, xy[start : start + len(block)], xy, rules.decay)
        if rules.strongest < 1:
            filtered(block, rules.above, int(rules.strongest * strengths.n))
        block[block < rules.threshold] = 0
        block[block < 0] = 0
        parts.append(csr(block))
    return vstack(parts, format="csr")


def links_of(
    strengths: Strengths, rules: Rules, xy: NDArray[np.float64] | None = None
) -> csr_matrix:
    """Links (ones), every spot linked to itself."""
    return with_loops(strong(strengths, rules, xy))


def with_loops(links: csr_matrix) -> csr_matrix:
    """All links as ones, the diagonal filled."""
    from scipy.sparse import eye_array

    ones = links.astype(np.float32)
    ones.data[:] = ones.data != 0
    both = (ones + eye_array(links.shape[0], format="csr", dtype=np.float32)).tocsr()
    both.eliminate_zeros()
    both.data = np.ones(len(both.data), np.float32)
    both.sort_indices()
    return both
