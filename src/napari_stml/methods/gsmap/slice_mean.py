"""Geometric means of ranks over several sections, so that their scores can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.methods.gsmap.ranks import Ranks, ranked
from napari_stml.methods.gsmap.specificity import geometric_means

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class SliceMean:
    """Per gene: mean rank over all sections, and the share of all spots that express it."""

    genes: tuple[str, ...]
    mean: NDArray[np.float64]
    share: NDArray[np.float64]

    def at(self, genes: Sequence[str]) -> SliceMean:
        """Choose and order genes."""
        place = {g: i for i, g in enumerate(self.genes)}
        rows = [place[g] for g in genes]
        return SliceMean(tuple(genes), self.mean[rows], self.share[rows])


def slice_mean(
    matrices: Sequence[csr_matrix], genes: Sequence[tuple[str, ...]]
) -> Generator[float, None, SliceMean]:
    """Mean over sections, each weighted by its spots, of the genes that all of them have.

    Parameters
    ----------
    matrices
        Counts, spots x genes, of each section; its genes in ``genes``.
    """
    if len(matrices) < 2:
        raise StmlError("A mean over sections needs two of them", do="add another section")
    common = sorted(set(genes[0]).intersection(*map(set, genes[1:])))
    if not common:
        raise StmlError("The sections have no gene in common", do="check their gene names")
    logs, spots = np.zeros(len(common)), 0
    expressing = np.zeros(len(common))
    for i, (matrix, own) in enumerate(zip(matrices, genes, strict=True)):
        place = {g: k for k, g in enumerate(own)}
        here = matrix[:, [place[g] for g in common]].tocsr()
        ranks: Ranks = yield from _part(ranked(here), i, len(matrices))
        mean = geometric_means(ranks, exact=True).astype(np.float64)
        logs += np.log(mean) * here.shape[0]
        expressing += here.getnnz(axis=0)
        spots += here.shape[0]
    return SliceMean(tuple(common), np.exp(logs / spots), expressing / spots)


def _part(
    steps: Generator[float, None, Ranks], i: int, total: int
) -> Generator[float, None, Ranks]:
    while True:
        try:
            fraction = next(steps)
        except StopIteration as end:
            ranks: Ranks = end.value
            return ranks
        yield (i + fraction) / total
