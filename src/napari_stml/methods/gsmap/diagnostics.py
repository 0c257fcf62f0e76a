"""Which genes carry a trait's map: their specificity goes with -log10 p over the spots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

ROWS = 256


@dataclass(frozen=True)
class GeneTable:
    """Genes by falling correlation.

    Attributes
    ----------
    label
        Where the gene's median specificity is highest, and that median; of the genes alone
        where there are no labels.
    """

    genes: tuple[str, ...]
    correlation: F64
    label: tuple[str, ...]
    median: F64


def correlations(specificity: NDArray[np.floating], values: F64) -> F64:
    """Pearson r of each column of (spots, genes) with the values; NaN where a gene is constant.

    Spots without a value are left out.
    """
    known = np.flatnonzero(np.isfinite(values))
    y = values[known] - values[known].mean()
    genes = specificity.shape[1]
    mean, count = np.zeros(genes), len(known)
    for rows in _blocks(known):
        mean += _dense(specificity, rows).sum(axis=0)
    mean /= max(count, 1)
    square, cross = np.zeros(genes), np.zeros(genes)
    for start, rows in zip(range(0, count, ROWS), _blocks(known), strict=True):
        centred = _dense(specificity, rows) - mean
        square += (centred**2).sum(axis=0)
        cross += y[start : start + len(rows)] @ centred
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(square > 0, cross / np.sqrt(square * (y @ y)), np.nan))


def best_labels(
    specificity: NDArray[np.floating], codes: NDArray[np.integer], names: Sequence[str]
) -> tuple[tuple[str, ...], F64]:
    """Label with the largest median specificity of each gene, and that median."""
    genes = specificity.shape[1]
    best, where = np.full(genes, -np.inf), np.zeros(genes, dtype=np.int64)
    for code in range(len(names)):
        own = np.flatnonzero(codes == code)
        if not len(own):
            continue
        for first in range(0, genes, 1024):
            part = slice(first, min(first + 1024, genes))
            median = np.median(np.asarray(specificity[own, part], dtype=np.float32), axis=0)
            better = median > best[part]
            best[part][better] = median[better]
            where[part][better] = code
    return tuple(names[int(i)] for i in where), np.where(np.isfinite(best), best, np.nan)


def gene_table(
    specificity: NDArray[np.floating], genes: Sequence[str], neg_log10_p: F64,
    labels: tuple[tuple[str, ...], F64] | None,
) -> GeneTable:  # fmt: skip
    """Correlate every gene and sort; genes whose specificity is constant are left out."""
    found = correlations(specificity, neg_log10_p)
    order = np.argsort(-found, kind="stable")
    order = order[np.isfinite(found[order])]
    nothing = ("",) * len(genes), np.full(len(genes), np.nan)
    names, median = labels if labels is not None else nothing
    return GeneTable(
        tuple(genes[i] for i in order), found[order], tuple(names[i] for i in order), median[order]
    )


def _blocks(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[i : i + ROWS] for i in range(0, len(rows), ROWS)]


def _dense(specificity: NDArray[np.floating], rows: NDArray[np.int64]) -> F64:
    return np.asarray(specificity[rows], dtype=np.float64)
