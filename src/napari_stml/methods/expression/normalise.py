"""From counts to comparable values, and the genes that vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

Flavour = Literal["seurat", "cell_ranger"]


def row_totals(values: csr_matrix) -> NDArray[np.float64]:
    """Sum every row in double precision; scipy keeps the matrix's single one."""
    ends = np.concatenate([[0.0], np.cumsum(values.data, dtype=np.float64)])
    return np.diff(ends[values.indptr])


def log_per_target(counts: csr_matrix, target: float) -> csr_matrix:
    """log1p of counts scaled to ``target`` per row (0: the median row); empty rows stay empty."""
    total = row_totals(counts)
    goal = target or float(np.median(total[total > 0]))
    factor = np.divide(goal, total, out=np.zeros_like(total), where=total > 0)
    scaled = counts.astype(np.float32, copy=True)
    scaled.data *= np.repeat(factor, np.diff(counts.indptr)).astype(np.float32)
    np.log1p(scaled.data, out=scaled.data)
    return scaled


def seen_in(values: csr_matrix) -> NDArray[np.int64]:
    """In how many rows each column is above zero."""
    return np.bincount(values.indices[values.data > 0], minlength=values.shape[1]).astype(np.int64)


@dataclass(frozen=True)
class VariableGenes:
    """Which genes vary more than others of their mean; all arrays follow the table's genes."""

    chosen: NDArray[np.bool_]
    mean: NDArray[np.float64]
    dispersion: NDArray[np.float64]
    normalised: NDArray[np.float64]


def variable_genes(
    log: csr_matrix, genes: Sequence[str], number: int, flavour: Flavour, least_spots: int
) -> VariableGenes:
    """Scanpy's choice of ``number`` genes among those seen in ``least_spots`` rows.

    With no more genes than asked for, all of them are taken.
    """
    seen = np.flatnonzero(seen_in(log) >= least_spots)
    if len(seen) < 2:
        raise StmlError(
            f"Only {len(seen)} genes are seen in at least {least_spots} spots",
            do="lower the number of spots a gene must be seen in, or choose a wider scope",
        )  # fmt: skip
    mean = np.bincount(log.indices, log.data, minlength=log.shape[1]) / log.shape[0]
    found = VariableGenes(np.zeros(len(genes), dtype=bool), mean,
                          np.full(len(genes), np.nan), np.full(len(genes), np.nan))  # fmt: skip
    if len(seen) <= number:
        found.chosen[seen] = True
        return found
    table = _ranked(log[:, seen], number, flavour)
    found.dispersion[seen] = table["dispersions"].to_numpy()
    found.normalised[seen] = table["dispersions_norm"].to_numpy()
    found.chosen[seen] = table["highly_variable"].to_numpy()
    return found


def _ranked(log: csr_matrix, number: int, flavour: Flavour) -> Any:
    import warnings

    import anndata as ad
    import scanpy as sc

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # genes of no variance
        adata = ad.AnnData(log)
        return sc.pp.highly_variable_genes(adata, flavor=flavour, n_top_genes=number, inplace=False)
