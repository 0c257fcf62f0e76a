"""Which genes a model learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.methods.expression.normalise import seen_in, variable_genes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

GeneList = Literal["markers", "most expressed", "variable", "file", "gene sets"]

PRACTICAL = (
    "KRT14", "KRT5", "KRT10", "KRT1", "COL1A1", "COL1A2", "COL3A1", "DCN", "LUM", "MLANA", "PMEL",
    "TYRP1", "CD3D", "CD3E", "PTPRC", "MGP",
)  # fmt: skip
"""Markers of skin and its neighbours; those that a table lacks give way to variable genes."""

LEAST_SHARE = 0.1


def most_expressed(log: csr_matrix, number: int, share: float = LEAST_SHARE) -> NDArray[np.intp]:
    """Columns of highest mean among those in at least this share of the spots."""
    often = seen_in(log) >= share * log.shape[0]
    mean = np.asarray(log.mean(axis=0)).ravel()
    order = np.argsort(-np.where(often, mean, -1.0), kind="stable")
    return order[: min(number, int(often.sum()))]


def most_variable(
    log: csr_matrix, genes: Sequence[str], number: int, share: float = LEAST_SHARE
) -> NDArray[np.intp]:
    least = max(3, round(share * log.shape[0]))
    found = variable_genes(log, genes, number, "seurat", least)
    rank = np.where(found.chosen, np.nan_to_num(found.normalised, nan=-np.inf), -np.inf)
    order = np.argsort(-rank, kind="stable")
    return order[: min(number, int(found.chosen.sum()))]


def named(
    wanted: Sequence[str], genes: Sequence[str], where: str
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Columns of named genes, and the names that are missing; an error when none is there."""
    place = {g: i for i, g in enumerate(genes)}
    unique = tuple(dict.fromkeys(wanted))
    found = [place[g] for g in unique if g in place]
    if not found:
        raise StmlError(
            f"None of these {len(unique)} genes is in the table ({', '.join(unique[:3])}, ...)",
            where=where, do=f"use its gene names, such as {', '.join(list(genes)[:3])}",
        )  # fmt: skip
    return np.asarray(found, dtype=np.intp), tuple(g for g in unique if g not in place)


def markers(
    log: csr_matrix, genes: Sequence[str], wanted: Sequence[str]
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """The named markers; missing ones are replaced by the most variable genes."""
    place = {g: i for i, g in enumerate(genes)}
    columns = [place[g] for g in dict.fromkeys(wanted) if g in place]
    missing = tuple(g for g in dict.fromkeys(wanted) if g not in place)
    if missing:
        extra = most_variable(log, genes, len(wanted) * 2)
        columns += [int(i) for i in extra if i not in columns][: len(missing)]
    return np.asarray(columns, dtype=np.intp), missing
