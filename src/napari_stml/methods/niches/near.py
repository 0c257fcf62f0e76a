"""Exact neighbours on the tissue, nearest first, never across sections.

Neighbours are kept flat, row after row, so that k nearest, a radius and rings of a lattice share
everything that follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    Found = tuple[NDArray[np.int32], NDArray[np.floating[Any]]]

ROWS, SMALL_ROWS = 8192, 1024
TIED = 48
"""Further neighbours looked at where the last one is not alone at its distance."""


@dataclass(frozen=True)
class Near:
    """The neighbours of every row, nearest first; equal distances by index.

    Attributes
    ----------
    starts
        (n + 1) where a row's neighbours begin.
    others, d2
        Which they are, and their squared distance.
    own
        Whether every row's first neighbour is itself.
    tied
        Rows whose last neighbour was chosen among equally far ones.
    """

    starts: NDArray[np.int64]
    others: NDArray[np.int32]
    d2: NDArray[np.floating[Any]]
    own: bool = False
    tied: int = 0

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    @property
    def width(self) -> int:
        """The number of neighbours where all rows have as many, else 0."""
        n = len(self)
        even = n > 0 and len(self.others) % n == 0
        k = len(self.others) // n if even else 0
        return k if k and bool((self.starts[1:] - self.starts[:-1] == k).all()) else 0

    @property
    def first(self) -> NDArray[np.floating[Any]]:
        """Squared distance to the nearest other one; infinite where there is none."""
        at = self.starts[:-1] + self.own
        found = np.full(len(self), np.inf, dtype=self.d2.dtype)
        there = at < self.starts[1:]
        found[there] = self.d2[at[there]]
        return found

    def row(self, i: int) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        here = slice(int(self.starts[i]), int(self.starts[i + 1]))
        return self.others[here], self.d2[here]

    def only(self, keep: NDArray[np.bool_]) -> Near:
        """Fewer neighbours: those for which the flat mask is true."""
        sums = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])
        return Near(sums[self.starts], self.others[keep], self.d2[keep], self.own, self.tied)

    def closest(self, k: int) -> Near:
        """The first ``k`` neighbours of each row (besides itself, where it is one)."""
        k += self.own
        width = self.width
        if width and k >= width:
            return self
        if width:
            n = len(self)
            cut = np.arange(n + 1, dtype=np.int64) * k
            others = self.others.reshape(n, width)[:, :k].ravel()
            return Near(cut, others, self.d2.reshape(n, width)[:, :k].ravel(), self.own, self.tied)
        rank = np.arange(len(self.others)) - np.repeat(self.starts[:-1], self.counts)
        return self.only(rank < k)

    def inside(self, radius: float) -> Near:
        """The neighbours at most ``radius`` away."""
        return self.only(self.d2 <= radius * radius * (1 + 1e-6))


def nearest(
    xy: NDArray[np.float64], k: int, *, strata: NDArray[Any] | None = None, own: bool = False,
    threads: int = 1, exact: bool = False,
) -> Generator[float, None, Near]:  # fmt: skip
    """The ``k`` nearest others of each point; yields the fraction done.

    Parameters
    ----------
    strata
        Points of different codes are never neighbours; negative codes have none and are none.
    own
        Count the point itself as a further, first neighbour.
    exact
        Keep float64 squared distances (float32 otherwise).
    """
    groups = _groups(xy, strata)
    for rows in groups:
        if len(rows) <= k:
            raise StmlError(
                f"{k} neighbours need more than {k} spots, and there are only {len(rows)} "
                + ("in one of the fields" if strata is not None else "spots"),
                do="lower the number of neighbours or choose a wider scope",
            )  # fmt: skip
    kind = np.float64 if exact else np.float32
    width = k + own
    n = len(xy)
    has = np.zeros(n, dtype=bool)
    others = np.zeros((n, width), dtype=np.int32)
    d2 = np.zeros((n, width), dtype=kind)
    done = tied = 0
    for rows in groups:
        has[rows] = True
        for part, who, far, ties in _nearest_of(xy[rows], k, threads):
            here = rows[part]
            others[here, own:] = rows[who]
            d2[here, own:] = far
            if own:
                others[here, 0] = here
            tied += ties
            done += len(part)
            yield done / n
    starts = np.concatenate([[0], np.cumsum(np.where(has, width, 0))]).astype(np.int64)
    if not has.all():
        others, d2 = others[has], d2[has]
    return Near(starts, others.ravel(), d2.ravel(), own, tied)


def _groups(xy: NDArray[np.float64], strata: NDArray[Any] | None) -> list[NDArray[np.int32]]:
    if not np.isfinite(xy).all():
        raise StmlError(
            "Some spots have no position", do="leave them out with a filter as the scope"
        )
    if strata is None:
        return [np.arange(len(xy), dtype=np.int32)]
    return [np.flatnonzero(strata == s).astype(np.int32) for s in np.unique(strata[strata >= 0])]


def _nearest_of(xy: NDArray[np.float64], k: int, threads: int) -> Generator[Any, None, None]:
    """Blocks of (rows, neighbours, squared distances, rows with a tie at the end)."""
    from scipy.spatial import cKDTree

    n = len(xy)
    tree = cKDTree(xy, leafsize=20, balanced_tree=False)
    order = tree.indices.astype(np.int64)  # leaf after leaf: near ones are asked together
    wide = min(n, k + 2)
    for start in range(0, n, ROWS):
        rows = order[start : start + ROWS]
        far, who = tree.query(xy[rows], k=wide, workers=threads)
        far, who = _without_self(rows, far, who)
        equal = far[:, 1:] == far[:, :-1]
        last = equal[:, k - 1] if far.shape[1] > k else np.zeros(len(rows), dtype=bool)
        again = np.flatnonzero(equal.any(axis=1))
        far, who = far[:, :k], who[:, :k]
        if len(again):
            far[again], who[again] = _settled(tree, xy, rows[again], k)
        yield rows, who, far * far, int(last.sum())


def _without_self(rows: NDArray[Any], far: NDArray[Any], who: NDArray[Any]) -> Any:
    if bool((who[:, 0] == rows).all()):
        return far[:, 1:], who[:, 1:]
    own = who == rows[:, None]
    own[~own.any(axis=1), -1] = True  # among many equal points it may not find itself
    shape = (len(rows), who.shape[1] - 1)
    return far[~own].reshape(shape), who[~own].reshape(shape)


def _settled(tree: Any, xy: NDArray[np.float64], rows: NDArray[Any], k: int) -> Any:
    """Rows with equal distances anew, these by index; all that are as far as the last compete."""
    n = len(xy)
    wide = min(n, k + TIED)
    far, who = tree.query(xy[rows], k=wide)
    open_end = (far[:, -1] == far[:, min(k, wide - 1)]) if wide < n else np.zeros(len(rows), bool)
    lost = ~(who == rows[:, None]).any(axis=1)
    far, who = _without_self(rows, far, who)
    order = np.lexsort((who, far), axis=1)[:, :k]
    far, who = np.take_along_axis(far, order, 1), np.take_along_axis(who, order, 1)
    for i in np.flatnonzero(open_end | lost):
        reach = np.nextafter(far[i, -1], np.inf) * (1 + 1e-12)
        found = np.array(tree.query_ball_point(xy[rows[i]], reach), dtype=np.int64)
        found = found[found != rows[i]]
        away = np.sqrt(((xy[found] - xy[rows[i]]) ** 2).sum(axis=1))
        best = np.lexsort((found, away))[:k]
        far[i], who[i] = away[best], found[best]
    return far, who


def within(
    xy: NDArray[np.float64], radius: float, *, strata: NDArray[Any] | None = None,
    own: bool = False, most: int = 500_000_000, exact: bool = False,
) -> Generator[float, None, Near]:  # fmt: skip
    """All others at most ``radius`` away; a point alone has none. Yields the fraction done."""
    from scipy.spatial import cKDTree

    n = len(xy)
    kind = np.float64 if exact else np.float32
    counts = np.zeros(n, dtype=np.int64)
    pieces: list[tuple[Any, Any, Any]] = []
    done = 0
    for rows in _groups(xy, strata):
        points = xy[rows]
        tree = cKDTree(points, leafsize=20, balanced_tree=False)
        order = tree.indices.astype(np.int64)
        number = tree.query_ball_point(points[order], radius, return_length=True)
        if int(number.sum()) + sum(len(p[1]) for p in pieces) > most:
            raise StmlError(
                f"More than {most:,} pairs lie within {radius:g} um",
                do="choose a smaller radius or the nearest neighbours",
            )  # fmt: skip
        for start in range(0, len(rows), SMALL_ROWS):
            some = order[start : start + SMALL_ROWS]
            found, who, far = _ball(tree, points, some, number[start : start + SMALL_ROWS], own)
            counts[rows[some]] = found
            pieces.append((rows[some], rows[who], (far * far).astype(kind)))
            done += len(some)
            yield done / n
    starts = np.concatenate([[0], np.cumsum(counts)])
    others = np.empty(int(starts[-1]), dtype=np.int32)
    d2: NDArray[Any] = np.empty(int(starts[-1]), dtype=kind)
    for rows, j, far in pieces:
        lengths = counts[rows]
        begins = np.cumsum(lengths) - lengths
        at = np.repeat(starts[rows] - begins, lengths) + np.arange(len(j))
        others[at], d2[at] = j, far
    return Near(starts, others, d2, own)


def _ball(
    tree: Any, points: NDArray[np.float64], rows: NDArray[Any], number: NDArray[Any], own: bool
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """How many others each row has, and these with their distances, nearest first."""
    wide = int(number.max())
    far, who = tree.query(points[rows], k=np.arange(1, wide + 1))
    inside = np.arange(wide) < number[:, None]
    self_at = (who == rows[:, None]) & inside
    far = np.where(self_at, -1.0, far)  # itself comes first, before those on its place
    equal = (far[:, 1:] <= far[:, :-1]) & inside[:, 1:]
    again = np.flatnonzero(equal.any(axis=1))
    if len(again):
        key = np.where(inside[again], far[again], np.inf)
        turn = np.lexsort((who[again], key), axis=1)
        far[again] = np.take_along_axis(far[again], turn, 1)
        who[again] = np.take_along_axis(who[again], turn, 1)
    if not own:
        inside &= who != rows[:, None]
    return inside.sum(axis=1), who[inside], np.maximum(far[inside], 0.0)


def rings(
    array: NDArray[np.int64], xy: NDArray[np.float64], count: int, *, hexagonal: bool,
    own: bool = True, strata: NDArray[Any] | None = None,
) -> Near:  # fmt: skip
    """Spots at most ``count`` steps away on the lattice (6, 18, 36, ... on a hexagonal one)."""
    from scipy.sparse import csr_matrix, identity

    from napari_stml.methods.neighbours.on_tissue import on_lattice

    n = len(array)
    step = on_lattice(array, hexagonal=hexagonal) + identity(n, format="csr", dtype=np.float32)
    reach = step
    for _ in range(count - 1):
        reach = csr_matrix((reach @ step) > 0).astype(np.float32)
    reach = reach.tocoo()
    i, j = reach.row.astype(np.int64), reach.col.astype(np.int64)
    keep = i != j if not own else np.ones(len(i), dtype=bool)
    if strata is not None:
        keep &= (strata[i] == strata[j]) & (strata[i] >= 0)
    i, j = i[keep], j[keep]
    d2: Any = ((xy[i] - xy[j]) ** 2).sum(axis=1)
    order = np.lexsort((j, np.where(i == j, -1.0, d2), i))
    i, j = i[order], j[order]
    starts = np.concatenate([[0], np.cumsum(np.bincount(i, minlength=n))]).astype(np.int64)
    return Near(starts, j.astype(np.int32), d2[order].astype(np.float32), own)


def finish(steps: Generator[float, None, Near]) -> Near:
    """The neighbours, without looking at the progress."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Near = end.value
            return found
