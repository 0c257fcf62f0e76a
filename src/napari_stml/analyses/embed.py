"""Normalise, choose variable genes, principal components, neighbours, UMAP and t-SNE.

UMAP: McInnes, Healy, Melville 2018 (arXiv 1802.03426); t-SNE: van der Maaten 2014.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._shared.charts import numbers, of_stored
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at, span
from napari_stml.analyses._shared.reduce import reduced
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis, Chart
from napari_stml.core.errors import StmlError
from napari_stml.core.params import param
from napari_stml.core.results import GeneValues, Result
from napari_stml.methods.embedding import maps
from napari_stml.methods.expression.normalise import log_per_target
from napari_stml.methods.neighbours import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.analyses._shared.reduce import Reduced
    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need


class EmbedParams(FromTable):
    variable_genes: int = param(
        2000, title="Variable genes", unit="genes", ge=2, le=50_000,
        help="Only the genes that differ most between spots are compared.",
    )  # fmt: skip
    dimensions: int = param(
        20, title="Principal components", ge=1, le=200,
        help="How many main directions of difference are kept.",
    )  # fmt: skip
    neighbours: int = param(
        15, title="Neighbours", unit="spots", ge=3, le=200,
        help="Similar spots each spot is linked to, itself counted. More gives a smoother map.",
    )  # fmt: skip
    umap: bool = param(True, title="UMAP", help="A map on which similar spots lie together.")
    tsne: bool = param(
        False, title="t-SNE", help="Another map; slow above some ten thousand spots."
    )
    values: Literal["counts", "normalised"] = param(
        "counts", title="The table holds", rare=True,
        help="Counts are normalised first; normalised values are taken as they are.",
    )  # fmt: skip
    target: float = param(
        10_000.0, title="Counts per spot after normalising", unit="counts", ge=0, rare=True,
        help="Every spot is scaled to this total, then log(1 + x). 0 takes the median spot.",
    )  # fmt: skip
    flavour: Literal["seurat", "cell_ranger"] = param(
        "seurat", title="How variable genes are found", help="As in scanpy.", rare=True
    )
    least_spots: int = param(
        3, title="A gene is seen in at least", unit="spots", ge=1, help="Rarer genes are left out.",
        rare=True,
    )  # fmt: skip
    scale: bool = param(
        True, title="Scale genes", rare=True,
        help="Every gene counts the same, whether expressed strongly or weakly.",
    )  # fmt: skip
    umap_distance: float = param(
        0.3, title="UMAP: least distance", ge=0, le=1, rare=True,
        help="Small packs similar spots tightly.",
    )  # fmt: skip
    perplexity: float = param(
        30.0, title="t-SNE: perplexity", ge=2, le=500, rare=True,
        help="About how many neighbours a spot attends to.",
    )  # fmt: skip


@register
class Embed:
    """Principal components, neighbours and maps of the spots by their expression."""

    name = "embed"
    title = "Normalise, PCA and UMAP"
    tab = "prepare"
    order = 20
    sections = "one"
    context = "inside"
    gives = ("X_pca", "connectivities", "X_umap", "X_tsne")
    Params = EmbedParams

    def needs(self, params: EmbedParams) -> Mapping[str, Need]:
        counts = params.values == "counts"
        return {"expression": params.expression("counts" if counts else "as stored")}

    @limited
    def run(self, inputs: Inputs, params: EmbedParams) -> Steps:
        section = inputs.one.section
        spots = inside(inputs.one, least=3)
        yield at(0, "reading expression")
        counts = params.values == "counts"
        values, genes = spots.expression("expression", counts=counts)
        filled = np.diff(values.indptr) > 0
        notes: list[str] = []
        if not filled.all():
            notes.append(f"{int((~filled).sum())} spots without counts left out")
            spots, values = spots.only(filled), values[filled]
        _check(len(spots), params, section)
        yield at(5, "normalising")
        log = log_per_target(values, params.target) if counts else values
        to = f"{params.target:g} counts" if params.target else "the median count"
        notes.append(f"scaled to {to} per spot, log(1 + x)" if counts else "values as stored")
        found = yield from reduced(
            log, genes, section, number=params.variable_genes, flavour=params.flavour,
            least_spots=params.least_spots, scale=params.scale, dimensions=params.dimensions,
            percent=(10, 45),
        )  # fmt: skip
        scores = found.pca.scores
        near = yield from span(nearest.nearest(scores, params.neighbours - 1), 45, 70, "neighbours")
        links = nearest.weights(*near)
        parts: list[Any] = [
            spots.matrix("X_pca", scores, _titles("PC", scores.shape[1])),
            spots.graph("connectivities", links),
        ]
        if params.umap:
            yield at(70, "UMAP (one long step)")
            xy = maps.umap(scores, links, spread_out=params.umap_distance, seed=inputs.seed)
            parts += [spots.matrix("X_umap", xy, _titles("UMAP", 2)), _map("UMAP", "X_umap")]
            notes.append(f"UMAP, {params.neighbours} neighbours, seed {inputs.seed}")
        if params.tsne:
            yield at(85, "t-SNE (one long step)")
            xy = maps.tsne(scores, perplexity=params.perplexity, seed=inputs.seed)
            parts += [spots.matrix("X_tsne", xy, _titles("t-SNE ", 2)), _map("t-SNE", "X_tsne")]
            notes.append(f"t-SNE, perplexity {params.perplexity:g}, seed {inputs.seed}")
        notes[1:1] = found.notes
        yield at(99, "charts")
        return Result.of(
            section, *parts, *_of_genes(found, genes), _variance(found),
            shows="X_umap" if params.umap else "X_pca", notes=tuple(notes),
        )  # fmt: skip


def _check(spots: int, params: EmbedParams, where: str) -> None:
    if params.tsne and spots <= params.perplexity:
        raise StmlError(
            f"t-SNE with perplexity {params.perplexity:g} needs more than that many spots, and "
            f"there are {spots}", where=where, do="lower the perplexity or widen the scope",
        )  # fmt: skip
    if spots < params.neighbours:
        raise StmlError(
            f"{params.neighbours} neighbours were asked for, but there are only {spots} spots",
            where=where, do="lower the number of neighbours or widen the scope",
        )  # fmt: skip


def _of_genes(found: Reduced, genes: tuple[str, ...]) -> tuple[GeneValues, GeneValues]:
    variable = found.variable
    columns = (variable.chosen, variable.mean, variable.dispersion, variable.normalised)
    chosen = np.flatnonzero(variable.chosen)
    loadings = found.pca.loadings
    return (
        GeneValues(
            "variable genes", genes, np.column_stack(columns),
            ("variable", "mean", "dispersion", "normalised_dispersion"),
        ),
        GeneValues(
            "loadings", tuple(genes[i] for i in chosen), loadings.astype(np.float32),
            _titles("PC", loadings.shape[1]),
        ),
    )  # fmt: skip


def _variance(found: Reduced) -> Chart:
    share = 100 * found.pca.share
    data = {
        "component": list(range(1, len(share) + 1)),
        "variance": numbers(share),
        "together": numbers(np.cumsum(share)),
    }
    return Chart(
        "variance", "line", "Variance held by the components", Axis("component"),
        Axis("variance", "%"), data,
    )  # fmt: skip


def _map(title: str, value: str) -> Chart:
    axes = (Axis(f"{title} 1"), Axis(f"{title} 2"))
    return of_stored(f"{title} map", title, (axes[0], value, 0), (axes[1], value, 1))


def _titles(stem: str, number: int) -> tuple[str, ...]:
    return tuple(f"{stem}{i + 1}" for i in range(number))
