"""Gene sets in a ranking of genes: over-representation, and a rank test of the whole ranking.

Over-representation: hypergeometric test of a set among the called genes, within the tested genes.
Rank test: Mann and Whitney's U of the scores inside against outside the set, with correction for
ties. Genes of a set go up and down together, so both are liberal; p says in which order to look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.methods.markers.ranking import adjust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Enriched:
    """Per set: genes tested, genes called, expected of those, p values, effect of the ranking.

    ``effect`` is the probability that a gene of the set ranks above another one, minus a half,
    times two: -1 to 1.
    """

    tested: NDArray[np.intp]
    called: NDArray[np.intp]
    expected: NDArray[np.float64]
    p_called: NDArray[np.float64]
    effect: NDArray[np.float64]
    p_rank: NDArray[np.float64]

    @property
    def p_called_adjusted(self) -> NDArray[np.float64]:
        return adjust(self.p_called)

    @property
    def p_rank_adjusted(self) -> NDArray[np.float64]:
        return adjust(self.p_rank)


def enriched(
    score: NDArray[np.float64], called: NDArray[np.bool_], sets: Sequence[Sequence[int]]
) -> Enriched:
    """Test sets, given as positions in the ranking, each position at most once per set."""
    from scipy.stats import hypergeom, norm, rankdata

    n = len(score)
    rank = rankdata(np.nan_to_num(score, nan=0.0))
    _, ties = np.unique(rank, return_counts=True)
    tie_term = float((ties.astype(np.float64) ** 3 - ties).sum())
    tested = np.array([len(s) for s in sets], dtype=np.intp)
    hit = np.array([int(called[list(s)].sum()) for s in sets], dtype=np.intp)
    total = int(called.sum())
    p_called = hypergeom.sf(hit - 1, n, total, tested)
    effect, p_rank = np.zeros(len(sets)), np.ones(len(sets))
    for i, own in enumerate(sets):
        m, rest = len(own), n - len(own)
        if not m or not rest:
            continue
        u = rank[list(own)].sum() - m * (m + 1) / 2
        spread = np.sqrt(m * rest / 12 * ((n + 1) - tie_term / (n * (n - 1))))
        effect[i] = 2 * u / (m * rest) - 1
        if spread > 0:
            off = max(abs(u - m * rest / 2) - 0.5, 0.0)
            p_rank[i] = 2 * norm.sf(off / spread)
    expected = tested * total / max(n, 1)
    return Enriched(tested, hit, expected, p_called, effect, np.minimum(p_rank, 1.0))
