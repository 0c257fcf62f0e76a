"""How strongly a spot expresses a set of genes: mean of z, rank of its genes, scanpy's score."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

ROWS = 1024
Scores = Generator[float, None, "NDArray[np.float64]"]
Columns = Sequence[Sequence[int]]


def mean_of_z(log: csr_matrix, sets: Columns) -> Scores:
    """Mean over each set's genes of (value - mean) / sd over the rows: (n, sets).

    Genes that do not vary are left out; a set without any varying gene gets 0.
    """
    by_gene = log.tocsc()
    scores = np.zeros((log.shape[0], len(sets)))
    for i, columns in enumerate(sets):
        values = by_gene[:, list(columns)].toarray().astype(np.float64)
        values -= values.mean(axis=0)
        sd = values.std(axis=0)
        varies = sd > 1e-9
        if varies.any():
            scores[:, i] = (values[:, varies] / sd[varies]).mean(axis=1)
        yield (i + 1) / len(sets)
    return scores


def mean_rank(log: csr_matrix, sets: Columns) -> Scores:
    """Probability that a gene of the set exceeds one outside it within the row (AUC): (n, sets).

    0.5 is chance; ties count half (Mann and Whitney's U over the product of the sizes). It looks
    at one row at a time, so that library size and normalisation do not matter.
    """
    from scipy.sparse import csr_matrix as csr

    n, p = log.shape
    size = np.array([len(columns) for columns in sets], dtype=np.float64)
    member = np.zeros((p, len(sets)))
    for i, columns in enumerate(sets):
        member[list(columns), i] = 1.0
    scores = np.empty((n, len(sets)))
    for start in range(0, n, ROWS):
        block = log[start : start + ROWS]
        above, zero = _ranks(block)
        lifted = csr((above, block.indices, block.indptr), shape=block.shape)
        total = lifted @ member + zero[:, None] * size
        scores[start : start + ROWS] = total - size * (size + 1) / 2
        yield min(1.0, (start + ROWS) / n)
    return np.asarray(scores / np.maximum(size * (p - size), 1))


def scanpy_score(log: csr_matrix, genes: Sequence[str], sets: Columns, seed: int) -> Scores:
    """Mean of the set minus the mean of control genes of like expression (scanpy's)."""
    import anndata as ad
    import pandas as pd
    import scanpy as sc

    from napari_stml.core.errors import StmlError

    adata = ad.AnnData(log, var=pd.DataFrame(index=list(genes)))
    scores = np.empty((log.shape[0], len(sets)))
    for i, columns in enumerate(sets):
        names = [genes[c] for c in columns]
        try:
            sc.tl.score_genes(adata, names, score_name="score", random_state=seed, use_raw=False)
        except RuntimeError as error:  # every gene of the table is in the set
            raise StmlError(
                "No genes are left to compare the set with",
                where=", ".join(names[:5]), do="use the mean of z instead",
            ) from error  # fmt: skip
        scores[:, i] = adata.obs["score"].to_numpy()
        yield (i + 1) / len(sets)
    return scores


def _ranks(block: csr_matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean ranks of positive entries within their row, minus the rank that its zeros share."""
    n, p = block.shape
    filled = np.diff(block.indptr)
    zero = (p - filled + 1) / 2.0
    row = np.repeat(np.arange(n), filled)
    order = np.lexsort((block.data, row))
    values, rows = block.data[order], row[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (values[1:] != values[:-1]) | (rows[1:] != rows[:-1])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(order)) if len(first) else first
    place = np.arange(len(order)) - np.repeat(block.indptr[:-1], filled)
    shared = np.repeat((place[first] + place[last - 1]) / 2.0, last - first)
    ranks = np.empty(len(order))
    ranks[order] = shared + 1 + np.repeat(p - filled, filled)
    return ranks - np.repeat(zero, filled), zero
