"""What an expression matrix must be before anything is computed on it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scipy.sparse import csr_matrix


def checked_genes(genes: Sequence[str], where: str) -> tuple[str, ...]:
    """At least one gene, none twice."""
    if not len(genes):
        raise StmlError("The table has no genes", where=where, do="choose another table")
    twice = [gene for gene, times in Counter(genes).items() if times > 1]
    if twice:
        raise StmlError(
            f"{len(twice)} genes occur more than once, for example {twice[0]}", where=where,
            do="make the gene names unique",
        )  # fmt: skip
    return tuple(genes)


def checked_values(values: csr_matrix, where: str, *, counts: bool) -> csr_matrix:
    """Finite, not all zero, and for ``counts`` whole and not negative; stored zeros removed."""
    data = values.data
    if not np.isfinite(data).all():
        raise StmlError(
            f"{int((~np.isfinite(data)).sum())} expression values are missing or infinite",
            where=where, do="choose a table or layer with complete values",
        )  # fmt: skip
    if not data.any():
        raise StmlError(
            "All expression values in the scope are zero", where=where,
            do="choose another table, layer or scope",
        )  # fmt: skip
    if counts and (data.min() < 0 or not np.array_equal(data, np.round(data))):
        kind = "negative" if data.min() < 0 else "broken"
        raise StmlError(
            f"Counts are needed, but this matrix holds {kind} numbers", where=where,
            do="choose the layer with raw counts, or say that the values are normalised",
        )  # fmt: skip
    clean = values.tocsr(copy=True)
    clean.sum_duplicates()
    clean.eliminate_zeros()
    return clean


def not_scaled(values: csr_matrix, where: str) -> None:
    """Logarithms of counts are never negative; z-scores are."""
    if values.nnz and values.data.min() < 0:
        raise StmlError(
            "The expression values are partly negative: they look scaled", where=where,
            do="choose the counts or the log-normalised layer",
        )  # fmt: skip
