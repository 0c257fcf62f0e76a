"""Which gene a SNP belongs to: by windows about the genes, by enhancers, or by both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Owner = NDArray[np.int64]

WINDOW_BP = 50_000
Priority = Literal["gene_window_first", "enhancer_first", "enhancer_only"]
Strategy = Literal["max_mkscore", "nearest_TSS"]


class Places(Protocol):
    """Intervals of one chromosome, 0-based, the end not included."""

    @property
    def start(self) -> NDArray[np.int64]: ...

    @property
    def end(self) -> NDArray[np.int64]: ...


def by_window(
    bp: NDArray[np.int64], genes: Places, tss: NDArray[np.int64], window: int = WINDOW_BP
) -> Owner:
    """Index of the gene with the nearest start among those whose window holds the SNP, else -1.

    ``bp`` (1-based) must ascend; of equally near genes the first one counts.
    """
    start = np.maximum(genes.start - window, 0)
    return _best(bp, start, genes.end + window, np.arange(len(start)),
                 lambda at, i: np.abs(at - tss[i]))  # fmt: skip


def by_enhancer(
    bp: NDArray[np.int64], enhancers: Places, gene: NDArray[np.int64], *,
    tss: NDArray[np.int64], score: NDArray[np.float64] | None,
) -> Owner:  # fmt: skip
    """Index of the gene of the enhancer that holds the SNP, else -1.

    Of several the gene with the highest mean specificity (``score``) counts, or without it the
    one with the nearest start.
    """

    def badness(at: NDArray[np.int64], i: int) -> NDArray[np.float64]:
        if score is None:
            return np.asarray(np.abs(at - tss[gene[i]]), dtype=np.float64)
        return np.full(len(at), -score[gene[i]])

    return _best(bp, enhancers.start, enhancers.end, gene, badness)


def merged(window: Owner, enhancer: Owner | None, priority: Priority) -> Owner:
    """Join both sources; the second fills in where the first has no gene."""
    if enhancer is None:
        return window
    if priority == "enhancer_only":
        return enhancer
    first, second = (window, enhancer) if priority == "gene_window_first" else (enhancer, window)
    return np.where(first >= 0, first, second)


def _best(
    bp: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64],
    owner: NDArray[np.int64], badness: object,
) -> Owner:  # fmt: skip
    at = np.asarray(bp, dtype=np.int64) - 1
    if len(at) > 1 and (np.diff(at) < 0).any():
        order = np.argsort(at, kind="stable")
        found = np.empty(len(at), dtype=np.int64)
        found[order] = _best(bp[order], start, end, owner, badness)
        return found
    found = np.full(len(at), -1, dtype=np.int64)
    best = np.full(len(at), np.inf)
    low, high = np.searchsorted(at, start), np.searchsorted(at, end)
    for i in np.flatnonzero(high > low):
        own = slice(int(low[i]), int(high[i]))
        bad = badness(at[own], int(i))  # type: ignore[operator]
        nearer = bad < best[own]
        found[own][nearer] = owner[i]
        best[own][nearer] = bad[nearer]
    return found
