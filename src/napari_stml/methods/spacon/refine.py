"""Labels made even: the majority of the nearest other spots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 8192


def refined(codes: NDArray[Any], xy: NDArray[np.float64], nearest: int) -> NDArray[np.int32]:
    """The most frequent code of the ``nearest`` other spots; of equals the one met first.

    Spots without a code (-1) neither vote nor get one.
    """
    from scipy.spatial import cKDTree

    codes = np.asarray(codes, dtype=np.int32)
    known = np.flatnonzero(codes >= 0)
    out = codes.copy()
    if len(known) < 2:
        return out
    k = min(nearest, len(known) - 1)
    tree, own = cKDTree(xy[known]), codes[known]
    kinds = int(own.max()) + 1
    for start in range(0, len(known), BLOCK):
        stop = min(start + BLOCK, len(known))
        _, found = tree.query(xy[known[start:stop]], k=k + 1)
        near = _others(found, np.arange(start, stop))
        out[known[start:stop]] = _majority(own[near], kinds)
    return out


def _others(found: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Neighbours without the spot itself, wherever it stands among equal places."""
    own = found == rows[:, None]
    own[~own.any(axis=1), -1] = True
    return np.asarray(found[~own].reshape(len(found), -1), dtype=np.intp)


def _majority(votes: NDArray[np.int32], kinds: int) -> NDArray[np.int32]:
    m, k = votes.shape
    count = np.zeros((m, kinds), dtype=np.int64)
    np.add.at(count, (np.arange(m)[:, None], votes), 1)
    first = np.full((m, kinds), k, dtype=np.int64)
    for j in range(k - 1, -1, -1):
        first[np.arange(m), votes[:, j]] = j
    return np.asarray((count * (k + 1) - first).argmax(axis=1), dtype=np.int32)
