"""Exact nearest neighbours, and the weights UMAP and Leiden put on them.

Written out because scanpy's ways fail here and there: pynndescent 0.7.0 crashes on thousands of
rows, and scanpy 1.11.5 fails for 20,000 rows with scipy 1.17 (csr_array has no getnnz).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

ROWS = 2048
STEPS = 64
"""Halvings of the interval in which a row's width lies."""
LEAST_WIDTH = 1e-3
"""Of a row's mean distance; as in UMAP."""


def nearest(
    points: NDArray[np.float64], k: int
) -> Generator[float, None, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """The ``k`` nearest other points of each: indices and distances (n, k), nearest first.

    Yields the fraction done. The time grows with the square of the number of points: 50,000
    points take tens of seconds on one core, half a million an hour.
    """
    n = len(points)
    if k >= n:
        raise StmlError(
            f"{k} neighbours need more than {k} spots, and there are {n}",
            do="lower the number of neighbours or choose a wider scope",
        )  # fmt: skip
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(points)
    indices = np.empty((n, k), dtype=np.int64)
    distances = np.empty((n, k))
    for start in range(0, n, ROWS):
        stop = min(start + ROWS, n)
        far, who = model.kneighbors(points[start:stop])
        own = who == np.arange(start, stop)[:, None]
        own[~own.any(axis=1), -1] = True  # among equal points it may not find itself
        indices[start:stop] = who[~own].reshape(stop - start, k)
        distances[start:stop] = far[~own].reshape(stop - start, k)
        yield stop / n
    return indices, distances


def weights(indices: NDArray[np.int64], distances: NDArray[np.float64]) -> csr_matrix:
    """Fuzzy union of the neighbourhoods, symmetric (McInnes et al. 2018, algorithms 2 and 3).

    ``k`` others plus the point itself are what UMAP and scanpy call ``k + 1`` neighbours.
    """
    from scipy.sparse import csr_matrix as csr

    n, k = indices.shape
    above = np.maximum(distances - _first_positive(distances)[:, None], 0)
    width = _width(above, np.log2(k + 1))
    mean = distances.sum(axis=1) / (k + 1)
    floor = np.where(_first_positive(distances) > 0, mean, mean.mean()) * LEAST_WIDTH
    width = np.maximum(width, floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(above > 0, np.exp(-above / width[:, None]), 1.0)
    one_way = csr((value.ravel(), indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    one_way.sum_duplicates()
    other_way = one_way.T.tocsr()
    both = (one_way + other_way - one_way.multiply(other_way)).tocsr()
    both.eliminate_zeros()
    both.sort_indices()
    return both.astype(np.float32)


def _first_positive(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = np.where(distances > 0, distances, np.inf).min(axis=1)
    return np.where(np.isfinite(positive), positive, 0.0)


def _width(above: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """The width at which each row's weights sum to ``target``, by bisection."""
    low, high = np.zeros(len(above)), np.full(len(above), np.inf)
    width = np.ones(len(above))
    for _ in range(STEPS):
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            total = np.where(above > 0, np.exp(-above / width[:, None]), 1.0).sum(axis=1)
        over = total > target
        high = np.where(over, width, high)
        low = np.where(over, low, width)
        width = np.where(np.isfinite(high), (low + high) / 2, width * 2)
    return width
