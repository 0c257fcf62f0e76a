"""Clusters and domains: Leiden, k-means or a Gaussian mixture, with averages over neighbours.

Leiden: Traag, Waltman, van Eck 2019 (doi:10.1038/s41598-019-41695-z). Averaging the components
over touching spots before clustering turns clusters of expression into domains of the tissue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._clusters.live import (
    FEATURES,
    LINKS,
    ClusterLive,
    ClusterLiveParams,
    Method,
)
from napari_stml.analyses._clusters.sweep import sweep
from napari_stml.analyses._shared.charts import sizes
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at, span
from napari_stml.analyses._shared.reduce import reduced
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Embedding
from napari_stml.core.params import param
from napari_stml.core.results import Result
from napari_stml.methods.clusters import judging, leiden, mixtures, naming
from napari_stml.methods.neighbours import nearest, on_tissue

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.core.analysis import Live, Steps
    from napari_stml.core.inputs import Inputs, SectionInputs
    from napari_stml.core.needs import Need
    from napari_stml.core.progress import Progress

MOST_SWEPT = 20_000
"""Above this many spots the sweep over resolutions would take minutes."""


class ClustersParams(FromTable):
    method: Method = param(
        "leiden", title="Method",
        help="Leiden finds the number of clusters from the resolution; k-means and the Gaussian "
        "mixture are told how many.",
    )  # fmt: skip
    resolution: float = param(
        1.0, title="Resolution", help="Leiden: more gives more and smaller clusters.",
        ge=0.05, le=5, step=0.05, when={"method": "leiden"},
    )  # fmt: skip
    clusters: int = param(
        8, title="Number of clusters", help="k-means and mixture.", ge=2, le=100,
        when={"method": ("k-means", "mixture")},
    )  # fmt: skip
    smooth: int = param(
        1, title="Smooth over neighbours", unit="rounds", ge=0, le=10,
        help="0 compares spots by expression alone; each round averages a spot with those around "
        "it, so that clusters become connected domains of the tissue.",
    )  # fmt: skip
    embedding: str = param(
        "", title="On", source="obsm",
        help="A stored embedding; empty computes principal components of the expression.",
    )  # fmt: skip
    distance: float = param(
        0.0, title="Neighbours within", unit="um", ge=0, rare=True,
        help="For smoothing. 0 takes the touching spots (six or eight on an array, else the six "
        "nearest).", when={"smooth": True},
    )  # fmt: skip
    neighbours: int = param(
        15, title="Similar spots", unit="spots", ge=3, le=200, rare=True,
        help="Leiden: spots each spot is linked to by expression, itself counted.",
        when={"method": "leiden"},
    )  # fmt: skip
    variable_genes: int = param(
        2000, title="Variable genes", unit="genes", ge=2, le=50_000, rare=True,
        help="For principal components: the genes that differ most between spots.",
        when={"embedding": False},
    )  # fmt: skip
    dimensions: int = param(
        20, title="Principal components", ge=1, le=200, rare=True,
        help="How many are computed, or taken from the stored embedding.",
    )  # fmt: skip
    sweep: bool = param(
        True, title="Compare resolutions", rare=True,
        help="Also tries other resolutions or numbers of clusters, for the chart (up to 20,000 "
        "spots).",
    )  # fmt: skip


@register
class Clusters:
    """Groups of spots that are alike, on tissue or in expression; live in their number."""

    name = "clusters"
    title = "Clusters and domains"
    tab = "prepare"
    order = 30
    sections = "one"
    context = "inside"
    gives = ("clusters", FEATURES, LINKS)
    Params = ClustersParams
    LiveParams = ClusterLiveParams

    def needs(self, params: ClustersParams) -> Mapping[str, Need]:
        if params.embedding:
            return {"embedding": Embedding(params.embedding, params.table or None)}
        return {"expression": params.expression("log")}

    @limited
    def run(self, inputs: Inputs, params: ClustersParams) -> Steps:
        section = inputs.one
        yield at(0, "reading")
        spots, points, notes = yield from _points(section, params)
        if params.smooth:
            yield at(40, "averaging over neighbours")
            links, said = _around(spots, params)
            points = on_tissue.smoothed(points, links, params.smooth)
            rounds = f"{params.smooth} round{'s' if params.smooth > 1 else ''}"
            notes = (*notes, f"{said}, {rounds}")
        points = points.astype(np.float32).astype(np.float64)  # as stored, so that live is equal
        parts: list[Any] = [
            spots.matrix(FEATURES, points, tuple(f"PC{i + 1}" for i in range(points.shape[1])))
        ]
        graph = None
        if params.method == "leiden":
            _enough(len(spots), params, section.section)
            near = yield from span(
                nearest.nearest(points, params.neighbours - 1), 45, 65, "similar spots"
            )
            graph = leiden.Communities(weights := nearest.weights(*near))
            parts.append(spots.graph(LINKS, weights))
            yield at(65, "Leiden (one step)")
            codes = graph.at(params.resolution, inputs.seed)
            notes = (*notes, f"Leiden, resolution {params.resolution:g}, seed {inputs.seed}")
        else:
            codes = yield from span(
                mixtures.parted(points, params.clusters, inputs.seed, params.method), 45, 70,
                params.method,
            )  # fmt: skip
            notes = (*notes, f"{params.method}, {params.clusters} clusters, seed {inputs.seed}, "
                     f"best of {mixtures.STARTS} starts")  # fmt: skip
        codes = naming.by_size(codes)
        names = naming.names(codes)
        charts: list[Any] = [sizes("sizes", "Size of the clusters", "clusters", names, codes)]
        if params.sweep and len(spots) <= MOST_SWEPT:
            charts += yield from sweep(points, graph, params.method, inputs.seed, (75, 99))
        fit = _fit(points, codes, graph, inputs.seed)
        notes = (*notes, f"{len(names)} clusters, numbered by size; {fit}")
        return Result.of(
            section.section, spots.labels("clusters", codes, names), *parts, *charts,
            shows="clusters", notes=notes,
        )  # fmt: skip

    def live(self, result: Result, inputs: Inputs, params: ClustersParams) -> Live:
        return ClusterLive(result, inputs, params.method)


def _points(
    section: SectionInputs, params: ClustersParams
) -> Generator[Progress, None, tuple[Inside, NDArray[np.float64], tuple[str, ...]]]:
    """The rows to be clustered: a stored embedding, or components of the expression."""
    spots = inside(section, least=3)
    if not params.embedding:
        log, genes = spots.expression("expression")
        filled = np.diff(log.indptr) > 0
        found = yield from reduced(
            log[filled], genes, section.section, number=params.variable_genes, flavour="seurat",
            least_spots=3, scale=True, dimensions=params.dimensions, percent=(2, 40),
        )  # fmt: skip
        points, notes = found.pca.scores, found.notes
    else:
        stored = np.asarray(section["embedding"], dtype=np.float64)
        stored = stored.reshape(len(stored), -1)[spots.rows, : params.dimensions]
        filled = np.asarray(np.isfinite(stored).all(axis=1))
        points = stored[filled]
        notes = (f"on {params.embedding}, {stored.shape[1]} dimensions",)
    missing = int((~filled).sum())
    if missing:
        notes = (*notes, f"{missing} spots without values left out")
    if len(points) < 3:
        raise StmlError(
            f"Only {len(points)} spots of the scope have values",
            where=params.embedding or section.section, do="choose a wider scope",
        )  # fmt: skip
    return spots.only(filled), points, notes


def _around(spots: Inside, params: ClustersParams) -> tuple[csr_matrix, str]:
    section = spots.section
    if params.distance > 0:
        xy = section.xy_um()[spots.rows]
        return on_tissue.within(xy, params.distance), f"averaged within {params.distance:g} um"
    if section.array is not None:
        array = section.array[spots.rows]
        touching = 6 if section.hexagonal else 8
        links = on_tissue.on_lattice(array, hexagonal=section.hexagonal)
        return links, f"averaged over the {touching} touching spots"
    xy = section.xy[spots.rows]
    return on_tissue.around(xy), f"averaged over the {on_tissue.NEAREST} nearest"


def _enough(spots: int, params: ClustersParams, where: str) -> None:
    if spots < params.neighbours:
        raise StmlError(
            f"{params.neighbours} similar spots were asked for, but there are only {spots} spots",
            where=where, do="lower the number under More, or choose a wider scope",
        )  # fmt: skip


def _fit(
    points: NDArray[np.float64], codes: NDArray[np.int32], graph: leiden.Communities | None,
    seed: int,
) -> str:  # fmt: skip
    """How good the partition is, in a number or two."""
    said = f"silhouette {judging.silhouette(points, codes, seed):.3f}"
    return said if graph is None else f"{said}, modularity {graph.modularity(codes):.3f}"
