"""Principal components, exact and the same in every run.

The covariance (or, with fewer rows than columns, the Gram matrix) is summed over blocks of rows
in double precision, so that a sparse matrix never becomes dense as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

ROWS = 2048
NEGLIGIBLE = 1e-10
"""Components below this share of the variance are rounding, not data."""


@dataclass(frozen=True)
class Components:
    """Scores (n, k), loadings (p, k), and the share of the variance of each component."""

    scores: NDArray[np.float64]
    loadings: NDArray[np.float64]
    share: NDArray[np.float64]


def components(
    values: csr_matrix, number: int, *, scale: bool, clip: float = 10.0
) -> Generator[float, None, Components]:
    """Centre (and scale to unit variance, clipped), then take the largest components.

    Yields the fraction done. Fewer components than asked come back where there
    are no more, none where nothing varies.
    """
    from scipy.linalg import eigh

    n, p = values.shape
    mean, sd, varies = _moments(values)
    if not scale:
        sd = np.ones(p)
    blocks = _Blocks(values, mean, sd, clip if scale else np.inf)
    centre = np.zeros(p)
    for block in blocks:
        centre += block.sum(axis=0) / n  # clipping moves the mean away from 0
    blocks.centre = centre
    wide = n < p
    square = np.zeros((n, n) if wide else (p, p))
    rows = np.vstack(list(blocks)) if wide else None
    if rows is not None:
        square = rows @ rows.T
    else:
        for i, block in enumerate(blocks):
            square += block.T @ block
            yield 0.6 * (i + 1) / len(blocks)
    total = float(np.trace(square))
    k = max(1, min(number, n - 1, p))
    size = len(square)
    weight, vectors = eigh(square, subset_by_index=[size - k, size - 1])
    yield 0.8
    weight, vectors = weight[::-1], vectors[:, ::-1]
    kept = (weight > NEGLIGIBLE * total) & varies.any()
    weight, vectors = weight[kept], vectors[:, kept]
    loadings = rows.T @ vectors / np.sqrt(weight) if rows is not None else vectors
    loadings = loadings * _signs(loadings)
    scores = np.vstack([block @ loadings for block in blocks])
    return Components(scores, loadings, weight / total)


class _Blocks:
    """Dense blocks of standardised rows."""

    def __init__(
        self, values: csr_matrix, mean: NDArray[np.float64], sd: NDArray[np.float64], clip: float
    ) -> None:
        self.values, self.mean, self.sd, self.clip = values, mean, sd, clip
        self.centre = np.zeros(len(mean))

    def __len__(self) -> int:
        return -(-int(self.values.shape[0]) // ROWS)

    def __iter__(self) -> Iterator[NDArray[np.float64]]:
        for start in range(0, self.values.shape[0], ROWS):
            block = self.values[start : start + ROWS].toarray().astype(np.float64)
            block -= self.mean
            block /= self.sd
            if np.isfinite(self.clip):
                np.clip(block, -self.clip, self.clip, out=block)
            yield block - self.centre


def _moments(
    values: csr_matrix,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Mean and sd (n - 1) of the columns; one that does not vary gets sd 1."""
    n = values.shape[0]
    squares = values.astype(np.float64)  # scipy would sum in single precision
    mean = np.asarray(squares.sum(axis=0)).ravel() / n
    squares.data **= 2
    of_squares = np.asarray(squares.sum(axis=0)).ravel() / n
    variance = np.maximum(of_squares - mean**2, 0) * n / max(n - 1, 1)
    varies = variance > 1e-12 * of_squares
    return mean, np.sqrt(np.where(varies, variance, 1.0)), varies


def _signs(loadings: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest loading of each component is positive."""
    largest = np.abs(loadings).argmax(axis=0)
    signs = np.sign(loadings[largest, np.arange(loadings.shape[1])])
    return np.where(signs == 0, 1.0, signs)
