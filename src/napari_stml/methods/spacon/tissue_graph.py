"""Who is near on the tissue: one section, or several in their order.

A row lists the neighbours that its spot found. It sends to them, so a spot receives from those
that list it and in-degrees vary; nothing is made symmetric.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

Pairs = tuple["NDArray[np.int64]", "NDArray[np.int64]"]


@dataclass(frozen=True)
class Reach:
    """The ``k`` nearest, or all within ``radius`` (the boundary included).

    ``across`` is the radius between sections; the ``k`` nearest are the same number there.
    """

    kind: Literal["nearest", "radius"] = "nearest"
    k: int = 15
    radius: float = 0.0
    across: float = 0.0

    def pairs(self, xy: NDArray[np.float64], *, between: bool = False) -> Pairs:
        """Who finds whom among these points, without themselves."""
        if self.kind == "radius":
            return _within(xy, self.across if between else self.radius)
        return _nearest(xy, self.k)


def on_tissue(
    xy: NDArray[np.float64], reach: Reach, *, section: NDArray[np.object_] | None = None,
    order: Sequence[str] = (), loops: bool = True,
) -> csr_matrix:  # fmt: skip
    """Links between spots.

    Parameters
    ----------
    section, order
        Section of every spot: links stay within sections, and join those that follow each other
        in ``order``. The search between two sections pools both, in the same two coordinates,
        so that of the k nearest only those of the other section become links.
    loops
        Whether every spot is linked to itself.
    """
    from scipy.sparse import coo_matrix

    n = len(xy)
    if n < 2:
        raise StmlError("A graph needs at least two spots", do="choose a wider scope")
    if not np.isfinite(xy).all():
        raise StmlError("Some spots have no position", do="leave them out of the scope")
    if section is None:
        found = [reach.pairs(xy)]
    else:
        names = [str(s) for s in np.unique(section)]
        _check(order, names)
        found = [_part(xy, section == name, reach) for name in names]
        found += [
            _between(xy, section, (one, two), reach) for one, two in itertools.pairwise(order)
        ]
    if loops:
        found.append((np.arange(n), np.arange(n)))
    row = np.concatenate([r for r, _ in found])
    col = np.concatenate([c for _, c in found])
    links = coo_matrix((np.ones(len(row), np.float32), (row, col)), shape=(n, n)).tocsr()
    links.sum_duplicates()
    links.data[:] = 1
    return links


def alone(links: csr_matrix) -> NDArray[np.intp]:
    """Spots that nobody but themselves sends to: the network gives them nothing of others."""
    from scipy.sparse import eye_array

    others = links - links.multiply(eye_array(links.shape[0], format="csr"))
    received = np.asarray((others != 0).sum(axis=0)).ravel()
    return np.flatnonzero(received == 0)


def _check(order: Sequence[str], names: Sequence[str]) -> None:
    unknown = [o for o in order if o not in names]
    if unknown:
        raise StmlError(
            f"There is no section '{unknown[0]}'", where="section order",
            do=f"name some of {', '.join(names[:12])}",
        )  # fmt: skip
    if len(set(order)) != len(order):
        raise StmlError("A section stands twice in the order", where="section order")


def _part(xy: NDArray[np.float64], chosen: NDArray[np.bool_], reach: Reach) -> Pairs:
    rows = np.flatnonzero(chosen)
    if len(rows) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    row, col = reach.pairs(xy[rows])
    return rows[row], rows[col]


def _between(
    xy: NDArray[np.float64], section: NDArray[np.object_], two: tuple[str, str], reach: Reach
) -> Pairs:
    rows = np.flatnonzero((section == two[0]) | (section == two[1]))
    row, col = reach.pairs(xy[rows], between=True)
    row, col = rows[row], rows[col]
    other = section[row] != section[col]
    return row[other], col[other]


def _nearest(xy: NDArray[np.float64], k: int) -> Pairs:
    """The entry equal to the spot is dropped; where it is missing (equal places) k + 1 stay."""
    from scipy.spatial import cKDTree

    n = len(xy)
    count = min(k + 1, n)
    _, found = cKDTree(xy).query(xy, k=count)
    row, col = np.repeat(np.arange(n), count), np.asarray(found, dtype=np.int64).ravel()
    other = row != col
    return row[other], col[other]


def _within(xy: NDArray[np.float64], radius: float) -> Pairs:
    from scipy.spatial import cKDTree

    pairs = cKDTree(xy).query_pairs(radius, output_type="ndarray").astype(np.int64)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return both[:, 0], both[:, 1]
