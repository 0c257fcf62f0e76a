"""LD scores by gene, from the genotypes of a reference panel.

Pairs of SNPs are those of LDSC (Bulik-Sullivan et al. 2015, doi:10.1038/ng.3211): by blocks of
100, so that some lie a little outside the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    F32 = NDArray[np.float32]

CHUNK = 100
Unit = Literal["CM", "KB", "SNP"]
MERGE_AT = 20_000_000


class Panel(Protocol):
    """Standardised genotypes; `napari_stml.io.gsmap.plink.Genotypes` is one."""

    people: int

    def __len__(self) -> int: ...

    def standardised(self, first: int, last: int) -> F32: ...


@dataclass(frozen=True)
class GeneWeights:
    """Sums of r2 to the SNPs of each gene (last column: of none), and to further columns."""

    by_gene: csr_matrix
    extra: NDArray[np.float64]


def window_coordinates(
    cm: NDArray[np.float64], bp: NDArray[np.int64], size: float = 1.0, unit: Unit = "CM"
) -> tuple[NDArray[np.float64], float, str]:
    """Coordinates in which the window is measured, its size, and a note.

    A panel without genetic positions (all 0) is measured in Mb instead of cM.
    """
    if unit == "SNP":
        return np.arange(len(bp), dtype=np.float64), size, ""
    if unit == "KB":
        return bp.astype(np.float64), size * 1000, ""
    if not np.any(cm):
        note = "the panel has no genetic positions (all cM are 0): 1 Mb stands for 1 cM"
        return bp.astype(np.float64), 1e6 * size, note
    return cm, size, ""


def lefts(coordinates: NDArray[np.float64], size: float) -> NDArray[np.int64]:
    """First partner of each SNP: the leftmost within the window."""
    if (np.diff(coordinates) < 0).any():
        raise StmlError("The SNPs of the panel are not in order of their position",
                        do="sort the panel with plink --make-bed")  # fmt: skip
    return np.searchsorted(coordinates, coordinates - size, side="left").astype(np.int64)


def gene_weights(
    panel: Panel, left: NDArray[np.int64], owner: NDArray[np.int64], genes: int,
    kept: NDArray[np.int64], extra: NDArray[np.floating],
) -> Generator[float, None, GeneWeights]:  # fmt: skip
    """Sum adjusted r2 between kept SNPs and all SNPs of each gene.

    Parameters
    ----------
    owner
        Gene of each SNP of the panel, -1 for none.
    kept
        Rows of the panel for which scores are wanted, ascending.
    extra
        (SNPs, k): further columns, each summed with r2 as its factor.
    """
    from scipy.sparse import csr_matrix as csr

    columns = np.where(owner < 0, genes, owner)
    place = np.full(len(panel), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    sums = np.zeros((len(kept), extra.shape[1]))
    whole = csr((len(kept), genes + 1), dtype=np.float64)
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    held = 0
    window = _Window(panel)
    for a, b, both in pairs(left, len(panel)):
        r2 = _r2(window.of(a), window.of(b), panel.people)
        ways = [(a, b, r2), (b, a, r2.T)] if both else [(a, b, r2)]
        for (low, high), (start, stop), value in ways:
            rows = place[low:high]
            own = np.flatnonzero(rows >= 0)
            if not len(own):
                continue
            value = value[own].astype(np.float64)
            sums[rows[own]] += value @ extra[start:stop]
            local, inverse = np.unique(columns[start:stop], return_inverse=True)
            hot = np.zeros((stop - start, len(local)))
            hot[np.arange(stop - start), inverse] = 1
            found = value @ hot
            parts.append(
                (np.repeat(rows[own], len(local)), np.tile(local, len(own)), found.ravel())
            )
            held += found.size
        if held > MERGE_AT:
            whole, parts, held = _merged(whole, parts), [], 0
        yield b[1] / len(panel)
    return GeneWeights(_merged(whole, parts).astype(np.float32), sums)


Range = tuple[int, int]


def pairs(left: NDArray[np.int64], total: int) -> Generator[tuple[Range, Range, bool]]:
    """Blocks of SNPs that are paired, and whether the pair counts for both sides."""
    size = (-(-(np.arange(total) - left) // CHUNK) * CHUNK).astype(np.int64)
    away = np.flatnonzero(left > 0)
    b = int(away[0]) if len(away) else total
    b = -(-b // CHUNK) * CHUNK
    chunk = CHUNK
    if b > total:
        b, chunk = total, total
    for start in range(0, b, chunk):
        yield (0, b), (start, min(start + chunk, b)), False
    for start in range(b, total, CHUNK):
        stop = min(start + CHUNK, total)
        before = min(int(size[start]), start)
        if before:
            yield (start - before, start), (start, stop), True
        yield (start, stop), (start, stop), False


class _Window:
    """The genotypes that are needed again soon."""

    def __init__(self, panel: Panel) -> None:
        self._panel, self._first = panel, 0
        self._held: F32 = panel.standardised(0, 0)

    def of(self, rows: Range) -> F32:
        first, last = rows
        end = self._first + len(self._held)
        if first < self._first or first > end:
            self._first, self._held = first, self._panel.standardised(first, last)
        elif last > end:
            fresh = self._panel.standardised(end, last)
            # what lies before can only be asked for within the window of the next chunk
            self._held = np.concatenate([self._held[first - self._first :], fresh])
            self._first = first
        return self._held[first - self._first : last - self._first]


def _r2(a: F32, b: F32, people: int) -> F32:
    r = a @ b.T
    r /= np.float32(people)
    np.multiply(r, r, out=r)
    r -= (1 - r) / np.float32(people - 2)
    return r


def _merged(
    whole: csr_matrix,
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]],
) -> csr_matrix:
    from scipy.sparse import coo_matrix

    if not parts:
        return whole
    rows, columns, values = (np.concatenate(p) for p in zip(*parts, strict=True))
    return whole + coo_matrix((values, (rows, columns)), shape=whole.shape).tocsr()
