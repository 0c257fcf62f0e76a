"""Neighbours on the tissue, and averages over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

HEXAGON = ((0, -2), (0, 2), (-1, -1), (-1, 1), (1, -1), (1, 1))
"""Steps in (row, column) to the six neighbours on Visium's array."""
SQUARE = tuple((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0))
NEAREST = 6
"""Neighbours of a cell or spot that stands on no lattice."""


def on_lattice(array: NDArray[np.int64], *, hexagonal: bool) -> csr_matrix:
    """Links between touching places: six on a hexagonal array, eight on a square one."""
    from scipy.sparse import csr_matrix as csr

    n = len(array)
    place = array - array.min(axis=0) + 2  # a margin, so that no step wraps around
    width = int(place[:, 1].max()) + 3
    key = place[:, 0] * width + place[:, 1]
    order = np.argsort(key, kind="stable")
    known = key[order]
    if n > 1 and (known[1:] == known[:-1]).any():
        raise StmlError(
            "Two spots stand on the same place of the array",
            do="correct the array positions, or give a distance in um",
        )  # fmt: skip
    starts, ends = [], []
    for row, column in HEXAGON if hexagonal else SQUARE:
        wanted = key + row * width + column
        at = np.minimum(np.searchsorted(known, wanted), n - 1)
        hit = known[at] == wanted
        starts.append(np.flatnonzero(hit))
        ends.append(order[at[hit]])
    start, end = np.concatenate(starts), np.concatenate(ends)
    links = csr((np.ones(len(start), np.float32), (start, end)), shape=(n, n))
    links.sort_indices()
    return links


def within(xy: NDArray[np.float64], distance: float) -> csr_matrix:
    """Links between all points at most ``distance`` apart."""
    from scipy.sparse import csr_matrix as csr
    from scipy.spatial import cKDTree

    n = len(xy)
    pairs = cKDTree(xy).query_pairs(distance, output_type="ndarray")
    start, end = np.concatenate([pairs, pairs[:, ::-1]]).T
    links = csr((np.ones(len(start), np.float32), (start, end)), shape=(n, n))
    links.sort_indices()
    return links


def around(xy: NDArray[np.float64], k: int = NEAREST) -> csr_matrix:
    """Links from every point to its ``k`` nearest others (fewer where there are fewer)."""
    from scipy.sparse import csr_matrix as csr
    from scipy.spatial import cKDTree

    n = len(xy)
    k = min(k, n - 1)
    _, who = cKDTree(xy).query(xy, k=k + 1)
    own = who == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True
    ends = who[~own]
    links = csr((np.ones(n * k, np.float32), ends, np.arange(0, n * k + 1, k)), shape=(n, n))
    links.sort_indices()
    return links


def smoothed(values: NDArray[np.float64], links: csr_matrix, rounds: int) -> NDArray[np.float64]:
    """Mean of each row and its neighbours, ``rounds`` times; a lonely row keeps its values."""
    from scipy.sparse import identity

    with_self = (links + identity(links.shape[0], format="csr")).astype(np.float64)
    number = np.asarray(with_self.sum(axis=1)).ravel()
    for _ in range(rounds):
        values = np.asarray(with_self @ values) / number[:, None]
    return values
