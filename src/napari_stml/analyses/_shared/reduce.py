"""From log-normalised expression to principal components: shared by maps and clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.analyses._shared.progress import at, span
from napari_stml.core.errors import StmlError
from napari_stml.methods.embedding.pca import Components, components
from napari_stml.methods.expression.checks import not_scaled
from napari_stml.methods.expression.normalise import VariableGenes, variable_genes

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from scipy.sparse import csr_matrix

    from napari_stml.core.progress import Progress
    from napari_stml.methods.expression.normalise import Flavour


@dataclass(frozen=True)
class Reduced:
    """Components of the variable genes, and the words for what was done."""

    variable: VariableGenes
    pca: Components
    notes: tuple[str, ...]


def reduced(
    log: csr_matrix, genes: Sequence[str], where: str, *, number: int, flavour: Flavour,
    least_spots: int, scale: bool, dimensions: int, percent: tuple[float, float],
) -> Generator[Progress, None, Reduced]:  # fmt: skip
    """Choose variable genes, scale them (clipped at 10 sd) and take the components."""
    not_scaled(log, where)
    low, high = percent
    yield at(low, "variable genes")
    variable = variable_genes(log, genes, number, flavour, least_spots)
    chosen = log[:, np.flatnonzero(variable.chosen)]
    pca = yield from span(
        components(chosen, dimensions, scale=scale), low + 0.3 * (high - low), high,
        "principal components",
    )  # fmt: skip
    k = pca.scores.shape[1]
    if k == 0:
        raise StmlError(
            "All spots have the same expression", where=where, do="choose a wider scope"
        )
    notes = [
        f"{int(variable.chosen.sum())} variable genes ({flavour}) of {len(genes)}"
        + (", scaled to unit variance (at most 10 sd)" if scale else ""),
        f"{k} principal components hold {100 * pca.share.sum():.1f} % of their variance",
    ]
    if k < dimensions:
        notes.append(f"{dimensions} components were asked for; there are no more than {k}")
    return Reduced(variable, pca, tuple(notes))
