"""Who touches whom: links between cells, contact counts and their exact chance.

The moments under shuffled labels are those of join counts (Cliff and Ord 1981; niche enrichment
by permutation is the same, with noise).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.methods.niches.near import Near

    Edges = NDArray[np.int32]

LONGEST = 3.0
"""Delaunay edges longer than this many medians bridge gaps and are no contacts."""


@dataclass(frozen=True)
class Contacts:
    """Links between types: counts (each once), what chance gives, z; types in rows and columns."""

    counts: NDArray[np.int64]
    expected: NDArray[np.float64]
    z: NDArray[np.float64]
    edges: int


def delaunay(
    xy: NDArray[np.float64], strata: NDArray[Any] | None = None, longest: float = 0.0
) -> tuple[Edges, float]:
    """Edges of the Delaunay triangulation, the long ones left out, and how long they may be.

    ``longest`` 0 takes `LONGEST` times the median length.
    """
    pieces = [corners[:, pair] for corners in triangles(xy, strata) for pair in _SIDES]
    if not pieces:
        return np.empty((0, 2), dtype=np.int32), longest
    edges = np.sort(np.concatenate(pieces), axis=1)
    key = np.unique(edges[:, 0].astype(np.int64) * len(xy) + edges[:, 1])
    edges = np.column_stack(np.divmod(key, len(xy))).astype(np.int32)
    length = np.sqrt(((xy[edges[:, 0]] - xy[edges[:, 1]]) ** 2).sum(axis=1))
    if longest <= 0 and len(length):
        longest = LONGEST * float(np.median(length))
    return edges[length <= longest], longest


_SIDES = ([0, 1], [1, 2], [2, 0])


def triangles(
    xy: NDArray[np.float64], strata: NDArray[Any] | None = None
) -> list[NDArray[np.int64]]:
    """Delaunay triangles (corners as indices) of each section; those in line have none."""
    from scipy.spatial import Delaunay, QhullError

    strata = np.zeros(len(xy), dtype=np.int64) if strata is None else strata
    found = []
    for s in np.unique(strata[strata >= 0]):
        rows = np.flatnonzero(strata == s)
        if len(rows) < 3:
            continue
        try:
            # about the middle: Qhull loses small distances at large coordinates
            parts = Delaunay(xy[rows] - xy[rows].mean(axis=0)).simplices
        except QhullError:  # all in one line: no triangle
            continue
        found.append(rows[parts].astype(np.int64))
    return found


def mutual(near: Near) -> Edges:
    """The links of neighbours, each once, whichever of the two counts the other."""
    i = np.repeat(np.arange(len(near), dtype=np.int64), near.counts)
    j = near.others.astype(np.int64)
    keep = i != j
    low, high = np.minimum(i, j)[keep], np.maximum(i, j)[keep]
    key = np.unique(low * len(near) + high)
    return np.column_stack(np.divmod(key, len(near))).astype(np.int32)


def of_links(links: csr_matrix) -> Edges:
    """The edges of a symmetric matrix of links, each once."""
    upper = links.tocoo()
    keep = upper.row < upper.col
    return np.column_stack([upper.row[keep], upper.col[keep]]).astype(np.int32)


def enrichment(
    edges: Edges, codes: NDArray[Any], groups: int, strata: NDArray[Any] | None = None
) -> Contacts:
    """Contact counts and their exact z if labels were shuffled over the fixed positions.

    Points of unknown type take no part, nor do their links; sections are shuffled apart.
    """
    known = codes >= 0
    edges = edges[known[edges[:, 0]] & known[edges[:, 1]]]
    counts = counted(edges, codes, groups)
    mean, variance = np.zeros((groups, groups)), np.zeros((groups, groups))
    strata = np.zeros(len(codes), dtype=np.int64) if strata is None else strata
    degree = np.bincount(edges.ravel(), minlength=len(codes))
    section = strata[edges[:, 0]] if len(edges) else np.empty(0, dtype=np.int64)
    for s in np.unique(strata):
        here = (strata == s) & known
        number = np.bincount(codes[here], minlength=groups).astype(np.float64)
        d = degree[here].astype(np.float64)
        m, v = _moments(float((section == s).sum()), float((d * (d - 1)).sum()), number)
        mean += m
        variance += v
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(variance > 1e-9, (counts - mean) / np.sqrt(variance), np.nan)
    return Contacts(counts.astype(np.int64), mean, z, len(edges))


def counted(edges: Edges, codes: NDArray[Any], groups: int) -> NDArray[np.int64]:
    """Contacts between types, each once; ends of unknown type are left out."""
    a, b = codes[edges[:, 0]].astype(np.int64), codes[edges[:, 1]].astype(np.int64)
    known = (a >= 0) & (b >= 0)
    if not known.all():
        a, b = a[known], b[known]
    one_way = np.bincount(a * groups + b, minlength=groups * groups).reshape(groups, groups)
    counts = one_way + one_way.T
    counts[np.diag_indices(groups)] = np.diag(one_way)
    return counts.astype(np.int64)


def _moments(
    edges: float, pairs: float, number: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of the contact counts; ``pairs`` is sum of degree (degree - 1)."""
    n = number.sum()
    a, b = number[:, None], number[None, :]

    def falling(x: Any, k: int) -> Any:
        return np.prod([np.maximum(x - i, 0) for i in range(k)], axis=0)

    def over(x: Any, k: int) -> Any:
        whole = falling(n, k)
        return x / whole if whole > 0 else np.zeros_like(x)

    p1, p2 = over(2 * a * b, 2), over(a * b * np.maximum(a + b - 2, 0), 3)
    p3 = over(4 * a * np.maximum(a - 1, 0) * b * np.maximum(b - 1, 0), 4)
    for p, k in ((p1, 2), (p2, 3), (p3, 4)):
        p[np.diag_indices(len(number))] = over(falling(number, k), k)
    mean = edges * p1
    variance = mean + pairs * p2 + (edges * (edges - 1) - pairs) * p3 - mean**2
    return mean, np.maximum(variance, 0)


def among(edges: Edges, chosen: NDArray[np.bool_]) -> Edges:
    """Edges with both ends among the chosen."""
    return edges[chosen[edges[:, 0]] & chosen[edges[:, 1]]]


def by_cell(edges: Edges, codes: NDArray[Any], groups: int) -> NDArray[np.int64]:
    """How many contacts every cell has with each type (cells, types)."""
    both = np.concatenate([edges, edges[:, ::-1]]).astype(np.int64)
    both = both[codes[both[:, 1]] >= 0]
    flat = np.bincount(both[:, 0] * groups + codes[both[:, 1]], minlength=len(codes) * groups)
    return flat.reshape(len(codes), groups).astype(np.int64)
