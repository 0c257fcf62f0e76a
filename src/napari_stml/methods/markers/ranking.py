"""Scanpy's ranking of the genes of every group, in blocks of genes so that it can be watched.

Each gene is tested by itself, so blocks give what one call gives; only the adjustment of p for
many tests looks at all genes and is done here. Logistic regression looks at all genes at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

Test = Literal["wilcoxon", "t-test", "logreg"]
BLOCK = 1000
REST = "rest"


@dataclass(frozen=True)
class Ranking:
    """Arrays (groups, genes); logreg has no p values and leaves them NaN."""

    score: NDArray[np.float64]
    log_fold: NDArray[np.float64]
    p: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]


@dataclass(frozen=True)
class Expressed:
    """Per group and gene: mean of the log values, and share of rows above zero."""

    mean: NDArray[np.float64]
    share: NDArray[np.float64]


def ranked(
    log: csr_matrix, codes: NDArray[Any], groups: Sequence[str], test: Test, reference: str,
    tie_correct: bool = False, seed: int = 0,
) -> Generator[float, None, Ranking]:  # fmt: skip
    """Rank the genes of every group against ``reference`` (a group, or all others: ``rest``).

    ``codes`` gives the group of every row, none is missing. The row of the reference group
    itself is NaN. Yields the fraction done.
    """
    genes = log.shape[1]
    score, fold, p = (np.full((len(groups), genes), np.nan) for _ in range(3))
    block = genes if test == "logreg" else BLOCK
    by_gene = log.tocsc()
    for start in range(0, genes, block):
        part = by_gene[:, start : start + block].tocsr()
        found = _scanpy(part, codes, groups, test, reference, tie_correct, seed)
        for i, group in enumerate(groups):
            if group == reference:
                continue
            place = start + found["names"][str(i)].astype(np.int64)
            score[i, place] = found["scores"][str(i)]
            if test != "logreg":
                fold[i, place] = found["logfoldchanges"][str(i)]
                p[i, place] = found["pvals"][str(i)]
        yield min(1.0, (start + block) / genes)
    adjusted = np.array([adjust(row) for row in p])
    return Ranking(score, fold, p, adjusted)


def adjust(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini and Hochberg's false discovery rate; missing p count as 1, all missing stay."""
    if np.isnan(p).all():
        return p.copy()
    known = np.nan_to_num(p, nan=1.0)
    order = np.argsort(known)
    n = len(p)
    steps = known[order] * n / np.arange(1, n + 1)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1)
    return adjusted


def expressed(log: csr_matrix, codes: NDArray[Any], groups: int) -> Expressed:
    """Means and shares of every group."""
    from scipy.sparse import csr_matrix as csr

    n = len(codes)
    member = csr((np.ones(n), (codes, np.arange(n))), shape=(groups, n))
    size = np.asarray(member.sum(axis=1)).ravel()[:, None]
    above = log.astype(np.float64)
    mean = np.asarray((member @ above).todense()) / size
    above.data = (above.data > 0).astype(np.float64)
    return Expressed(mean, np.asarray((member @ above).todense()) / size)


def against(found: Expressed, codes: NDArray[Any], reference: int | None) -> Expressed:
    """The same for what each group is compared with: all other rows, or the reference group."""
    if reference is not None:
        one = [np.broadcast_to(a[reference], a.shape) for a in (found.mean, found.share)]
        return Expressed(*one)
    size = np.bincount(codes, minlength=len(found.mean)).astype(np.float64)[:, None]
    rest = size.sum() - size

    def others(values: NDArray[np.float64]) -> NDArray[np.float64]:
        total = values * size
        return np.asarray((total.sum(axis=0) - total) / rest)

    return Expressed(others(found.mean), others(found.share))


def _scanpy(
    log: csr_matrix, codes: NDArray[Any], groups: Sequence[str], test: Test, reference: str,
    tie_correct: bool, seed: int,
) -> Any:  # fmt: skip
    import warnings

    import anndata as ad
    import pandas as pd
    import scanpy as sc

    names = [str(i) for i in range(len(groups))]  # scanpy reserves "rest"; ours may be any text
    adata = ad.AnnData(
        log,
        obs=pd.DataFrame(
            {"group": pd.Categorical.from_codes(codes.tolist(), pd.Index(names))},
            index=[str(i) for i in range(len(codes))],
        ),
        var=pd.DataFrame(index=[str(i) for i in range(log.shape[1])]),
    )
    more: dict[str, Any] = {"random_state": seed} if test == "logreg" else {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # genes of no variance
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=pd.errors.PerformanceWarning)
        sc.tl.rank_genes_groups(
            adata, "group", method=test, use_raw=False, n_genes=log.shape[1],
            reference=REST if reference == REST else str(list(groups).index(reference)),
            **({"tie_correct": tie_correct} if test == "wilcoxon" else {}), **more,
        )  # fmt: skip
    return adata.uns["rank_genes_groups"]
