"""The inner loops of the regression: every number of a tile (SNPs x spots) is touched once.

Compiled where numba is installed (scanpy brings it), else in numpy, three times slower.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    Weigh = Callable[[F32, F32, F32, F32, F32, F32, F32, F32], None]


@functools.cache
def kernel() -> Weigh:
    """Give the function that weighs a tile.

    Its arguments: scores (SNPs, spots); per SNP the summed baseline, weight / N^2 and 1 / N; per
    spot the slope h; and three results of the tile's shape: weight, weight x score and
    weight x score^2, where weight = w / (1 + h N max(score + baseline, 1))^2.
    """
    try:
        import numba
    except ImportError:
        return in_numpy
    compiled: Any = numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
    weigh: Weigh = compiled(_by_element)
    return weigh


@functools.cache
def sparse_times() -> Callable[..., None] | None:
    """Give the function that multiplies rows of a sparse matrix with a dense one, or None.

    Neighbouring SNPs share their genes, so the rows of the dense matrix stay in the cache.
    """
    try:
        import numba
    except ImportError:
        return None
    compiled: Any = numba.njit(cache=True, nogil=True, fastmath=True, boundscheck=False)
    times: Callable[..., None] = compiled(_sparse_rows)
    return times


def _sparse_rows(indptr: Any, indices: Any, data: F32, dense: F32, out: F32) -> None:
    width = dense.shape[1]
    for i in range(len(indptr) - 1):
        k, end = indptr[i], indptr[i + 1]
        while k + 4 <= end:  # four at a time: the sum is loaded and stored once for all
            a, b, c, d = data[k], data[k + 1], data[k + 2], data[k + 3]
            e, f, g, h = indices[k], indices[k + 1], indices[k + 2], indices[k + 3]
            for s in range(width):
                out[i, s] += a * dense[e, s] + b * dense[f, s] + c * dense[g, s] + d * dense[h, s]
            k += 4
        while k < end:
            a, e = data[k], indices[k]
            for s in range(width):
                out[i, s] += a * dense[e, s]
            k += 1


def _by_element(
    score: F32, base: F32, inverse: F32, one_n: F32, slope: F32, q: F32, ql: F32, qll: F32
) -> None:
    least = np.float32(1)
    for i in range(score.shape[0]):
        b, w, n = base[i], inverse[i], one_n[i]
        for s in range(score.shape[1]):
            value = score[i, s]
            u = n + max(value + b, least) * slope[s]
            one = w / (u * u)
            q[i, s] = one
            two = one * value
            ql[i, s] = two
            qll[i, s] = two * value


def in_numpy(
    score: F32, base: F32, inverse: F32, one_n: F32, slope: F32, q: F32, ql: F32, qll: F32
) -> None:
    np.add(score, base[:, None], out=q)
    np.maximum(q, np.float32(1), out=q)
    q *= slope
    q += one_n[:, None]
    np.multiply(q, q, out=q)
    np.divide(inverse[:, None], q, out=q)
    np.multiply(q, score, out=ql)
    np.multiply(ql, score, out=qll)
