"""Numbers of clusters: by size, or in step with an earlier partition so that colours stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def by_size(codes: NDArray[Any]) -> NDArray[np.int32]:
    """Code 0 is the largest cluster; equal sizes keep the order of their first row."""
    _, first, codes, sizes = np.unique(
        codes, return_index=True, return_inverse=True, return_counts=True
    )
    place = np.empty(len(sizes), dtype=np.int32)
    place[np.lexsort((first, -sizes))] = np.arange(len(sizes), dtype=np.int32)
    return place[codes]


def in_step(codes: NDArray[Any], earlier: NDArray[Any]) -> NDArray[np.int32]:
    """Renumber so that as many rows as possible keep the number they had.

    Clusters that take over none get the lowest free numbers, the largest first; numbers of
    clusters that are gone stay unused.
    """
    from scipy.optimize import linear_sum_assignment

    codes = by_size(codes)
    table = np.zeros((codes.max() + 1, earlier.max() + 1), dtype=np.int64)
    np.add.at(table, (codes, earlier), 1)
    taken = dict(zip(*linear_sum_assignment(table, maximize=True), strict=True))
    kept = {int(new): int(old) for new, old in taken.items() if table[new, old] > 0}
    free = (i for i in range(len(table) + table.shape[1]) if i not in set(kept.values()))
    place = [kept[i] if i in kept else next(free) for i in range(len(table))]
    return np.asarray(place, dtype=np.int32)[codes]


def names(codes: NDArray[Any]) -> tuple[str, ...]:
    """Names "1", "2", ... up to the highest code."""
    return tuple(str(i + 1) for i in range(int(codes.max()) + 1))
