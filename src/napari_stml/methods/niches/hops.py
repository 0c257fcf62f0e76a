"""Steps over touching cells to every group, and the network that they make.

Network: one over the mean number of steps (0 on the diagonal, at most 3), averaged with its
transpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 3.0
"""A group inside another is 0 steps away on average; its weight stops here."""


def hops(edges: NDArray[Any], n: int, member: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Steps from every cell to the nearest member; NaN where none can be reached."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import dijkstra

    sources = np.flatnonzero(member)
    if not len(sources):
        return np.full(n, np.nan)
    i, j = edges[:, 0], edges[:, 1]
    links = csr_matrix((np.ones(2 * len(edges)), (np.r_[i, j], np.r_[j, i])), shape=(n, n))
    steps = dijkstra(links, unweighted=True, indices=sources, min_only=True)
    return np.where(np.isfinite(steps), steps, np.nan)


def to_groups(edges: NDArray[Any], codes: NDArray[Any], groups: int) -> NDArray[np.float64]:
    """Steps from every cell to every group (cells, groups)."""
    return np.column_stack([hops(edges, len(codes), codes == g) for g in range(groups)])


def mean_hops(steps: NDArray[Any], member: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean steps from the cells of each row group to each column group.

    ``steps`` (cells, groups) and ``member`` (cells, groups) hold types and niches side by side.
    """
    known = np.isfinite(steps)
    filled = np.where(known, steps, 0)
    total = member.T.astype(np.float64) @ filled
    number = member.T.astype(np.float64) @ known
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(number > 0, total / number, np.nan)


def weights(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The network's weights from mean steps; 0 where there is no way."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 1.0 / means
    found[np.isnan(means)] = 0
    np.fill_diagonal(found, 0)
    found = np.clip(found, 0, MOST)
    return np.asarray((found + found.T) / 2)


def one_hot(*columns: tuple[NDArray[Any], int]) -> NDArray[np.bool_]:
    """Membership of several label columns side by side."""
    return np.column_stack([codes[:, None] == np.arange(groups) for codes, groups in columns])
