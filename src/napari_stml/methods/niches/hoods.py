"""Soft neighbourhoods: weights that fall with distance, merged by type or gathered.

P_ij = exp(-d_ij^2 / tau) / sum_j' exp(-d_ij'^2 / tau),  H_ig = sum of P_ij over j of type g.
The smallest squared distance of a row is taken off first, which changes nothing but keeps cells
far from all others from dividing 0 by 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_stml.methods.niches.near import Near

BLOCK = 262_144
"""Neighbours weighted at a time: what fits into a processor's cache is ten times faster."""
UNDERFLOW = 745.0
"""exp(-745) is the last positive double: beyond it hoodscanR finds no neighbour at all."""
SAMPLE = 2000

FloatArray = np.ndarray[Any, np.dtype[np.floating[Any]]]


def default_tau(near: Near) -> float:
    """Median squared distance of all neighbours over five, as hoodscanR's proximity mode."""
    others = near.d2
    if near.own:
        own = np.zeros(len(others), dtype=bool)
        own[near.starts[:-1][near.counts > 0]] = True
        others = others[~own]
    return float(np.median(others)) / 5 if len(others) else float("nan")


class Hoods:
    """Neighbours made ready to be weighted at any tau; what a tau needs again is kept.

    Parameters
    ----------
    codes, groups
        Type of every point, of so many; negative: unknown, dropped and the rest renormalised.
    """

    def __init__(self, near: Near, codes: NDArray[Any], groups: int) -> None:
        self.near, self.groups = near, groups
        self._width = near.width
        self._excess = excess(near)
        lookup = np.asarray(codes, dtype=np.int32)
        lookup = np.where(lookup < 0, np.int32(groups), lookup).astype(np.int32)
        self._types = lookup[near.others]
        self._unknown = bool((lookup == groups).any())

    def at(self, tau: float, *, k: int = 0, radius: float = 0.0) -> FloatArray:
        """The share of every type (n, groups); NaN where no neighbour has a known type.

        ``k`` takes only the nearest of neighbours that are equally many everywhere, ``radius``
        only those within it.
        """
        wide = self.groups + self._unknown
        kind = self._excess.dtype
        found = np.zeros((len(self.near), wide), dtype=kind)
        slope = kind.type(-1.0 / tau)
        width = self._width
        k = min(k + self.near.own, width) if k and width else width
        for rows in _blocks(self.near.starts):
            flat = slice(int(self.near.starts[rows.start]), int(self.near.starts[rows.stop]))
            far, types = self._excess[flat], self._types[flat]
            starts = self.near.starts[rows.start : rows.stop + 1]
            if width and k < width:
                far = far.reshape(-1, width)[:, :k].ravel()
                types = types.reshape(-1, width)[:, :k].ravel()
                starts = np.arange(rows.stop - rows.start + 1) * k
            weights = np.exp(far * slope)
            if radius:
                weights[self.near.d2[flat] > radius * radius * (1 + 1e-6)] = 0
            _sum_into(found[rows], weights, types, starts)
        return _shares(found[:, : self.groups])


def excess(near: Near) -> FloatArray:
    """Squared distances less the smallest of their row."""
    least = np.zeros(len(near), dtype=near.d2.dtype)
    there = near.counts > 0
    least[there] = near.d2[near.starts[:-1][there]]
    width = near.width
    if width:
        return np.asarray((near.d2.reshape(-1, width) - least[:, None]).ravel())
    return np.asarray(near.d2 - np.repeat(least, near.counts))


def merged(near: Near, codes: NDArray[Any], groups: int, tau: float) -> FloatArray:
    """The share of every type about each row, one block after the other (little memory)."""
    lookup = np.asarray(codes, dtype=np.int32)
    lookup = np.where(lookup < 0, np.int32(groups), lookup).astype(np.int32)
    found = np.zeros((len(near), groups + 1), dtype=near.d2.dtype)
    for rows, flat, weights in _weighted(near, tau):
        _sum_into(found[rows], weights, lookup[near.others[flat]],
                  _narrow(near.starts[rows.start : rows.stop + 1]))  # fmt: skip
    return _shares(found[:, :groups])


def gathered(
    near: Near, proportions: NDArray[Any], tau: float | None
) -> tuple[FloatArray, FloatArray]:
    """The mean composition about each row, H_i = sum_j P_ij A_j, and the mean entropy within.

    Rows of ``proportions`` that are not finite count as missing: dropped and the rest
    renormalised. Without ``tau`` all neighbours count alike.
    """
    from scipy.sparse import csr_matrix

    from napari_stml.methods.niches.diversity import entropy

    known = np.isfinite(proportions).all(axis=1)
    kind = near.d2.dtype
    a = np.where(known[:, None], proportions, 0).astype(kind)
    inner = np.where(known, entropy(a), 0).astype(kind)
    table = np.column_stack([a, inner, known.astype(kind)])
    found = np.empty((len(near), table.shape[1]), dtype=kind)
    for rows, flat, weights in _weighted(near, tau):
        starts = near.starts[rows.start : rows.stop + 1] - flat.start
        links = csr_matrix(
            (weights, near.others[flat], _narrow(starts)),
            shape=(rows.stop - rows.start, len(table)),
        )
        found[rows] = links @ table
    total = found[:, -1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(total > 0, found[:, :-1] / total, np.nan)
    return shares[:, :-1], shares[:, -1]


def smoothed(near: Near, shares: NDArray[Any], tau: float | None, rounds: int) -> NDArray[Any]:
    """Compositions averaged over the neighbourhoods, so many times over."""
    for _ in range(rounds):
        shares = gathered(near, shares, tau)[0]
    return shares


def windows(near: Near, codes: NDArray[Any], groups: int) -> NDArray[np.int32]:
    """How many neighbours of each type every row has; itself only where it is its own."""
    lookup = np.where(codes < 0, groups, codes).astype(np.int32)
    found = np.zeros((len(near), groups + 1), dtype=np.float32)
    ones = np.ones(_longest(near.starts), dtype=np.float32)
    for rows in _blocks(near.starts):
        flat = slice(int(near.starts[rows.start]), int(near.starts[rows.stop]))
        _sum_into(found[rows], ones[: flat.stop - flat.start], lookup[near.others[flat]],
                  _narrow(near.starts[rows.start : rows.stop + 1]))  # fmt: skip
    return found[:, :groups].astype(np.int32)


def row_weights(near: Near, i: int, tau: float | None) -> tuple[NDArray[np.int32], FloatArray]:
    """The neighbours of one row and their weights, which sum to 1."""
    others, d2 = near.row(i)
    if tau is None or not len(others):
        return others, np.full(len(others), 1 / max(1, len(others)))
    weights = np.exp(-(d2.astype(np.float64) - d2.min()) / tau)
    return others, weights / weights.sum()


def squares(near: Near, tau: float | None, known: NDArray[np.bool_] | None = None) -> FloatArray:
    """Sum of the squared weights of every row; its inverse is the effective number.

    Neighbours that are not ``known`` are dropped and the rest renormalised.
    """
    found = np.zeros(len(near), dtype=np.float64)
    for rows, flat, weights in _weighted(near, tau):
        starts = near.starts[rows.start : rows.stop] - flat.start
        filled = near.counts[rows] > 0
        if not filled.any():
            continue
        at = starts[filled]
        w = weights.astype(np.float64)
        if known is not None:
            w *= known[near.others[flat]]
        total, second = np.add.reduceat(w, at), np.add.reduceat(w * w, at)
        some = found[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            some[filled] = second / total**2
    return found


def effective_number(near: Near, tau: float | None) -> float:
    """Median over rows of 1 / sum P^2, on at most 2,000 of them."""
    n = len(near)
    some = np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.intp)
    found = [
        1.0 / float((row_weights(near, int(i), tau)[1] ** 2).sum())
        for i in some
        if near.starts[i + 1] > near.starts[i]
    ]
    return float(np.median(found)) if found else 0.0


def alone(near: Near, tau: float | None, beyond: float = 0.0) -> NDArray[np.bool_]:
    """Rows without a neighbour that counts: none at all, or the nearest beyond a distance.

    With ``beyond`` 0 it is the distance at which a weight is no number any more.
    """
    first = near.first.astype(np.float64)
    if beyond > 0:
        return np.asarray(first > beyond * beyond)
    return np.asarray(~np.isfinite(first) if tau is None else first / tau > UNDERFLOW)


def _weighted(near: Near, tau: float | None) -> Iterator[tuple[slice, slice, FloatArray]]:
    buffer = np.ones(_longest(near.starts), dtype=near.d2.dtype)
    width = near.width
    for rows in _blocks(near.starts):
        flat = slice(int(near.starts[rows.start]), int(near.starts[rows.stop]))
        weights = buffer[: flat.stop - flat.start]
        if tau is not None:
            d2 = near.d2[flat]
            starts = near.starts[rows.start : rows.stop] - flat.start
            counts = near.counts[rows] if not width else None
            if width:
                table = d2.reshape(-1, width)
                np.subtract(table, table[:, :1], out=weights.reshape(-1, width))
            else:
                assert counts is not None
                filled = counts > 0
                np.subtract(d2, np.repeat(d2[starts[filled]], counts[filled]), out=weights)
            np.multiply(weights, near.d2.dtype.type(-1.0 / tau), out=weights)
            np.exp(weights, out=weights)
        yield rows, flat, weights


def _sum_into(
    out: FloatArray, weights: FloatArray, types: NDArray[np.int32], starts: NDArray[Any]
) -> None:
    """Add every weight at its row and type: scipy's sum of repeated entries, compiled."""
    from scipy.sparse import csr_matrix

    shape = out.shape
    table = csr_matrix((weights, types, _narrow(starts - starts[0])), shape=shape)
    if out.flags.c_contiguous:
        table.toarray(out=out)
    else:
        out += table.toarray()


def _shares(sums: FloatArray) -> FloatArray:
    total = sums.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(total > 0, sums / total, np.nan))


def _blocks(starts: NDArray[Any]) -> Iterator[slice]:
    """Runs of rows with about `BLOCK` neighbours, at least one row."""
    n = len(starts) - 1
    row = 0
    while row < n:
        stop = int(np.searchsorted(starts, starts[row] + BLOCK, side="right")) - 1
        stop = min(n, max(stop, row + 1))
        yield slice(row, stop)
        row = stop


def _longest(starts: NDArray[Any]) -> int:
    return max((int(starts[b.stop] - starts[b.start]) for b in _blocks(starts)), default=0)


def _narrow(starts: NDArray[Any]) -> NDArray[Any]:
    return starts.astype(np.int32) if len(starts) and starts[-1] < 2**31 else starts
