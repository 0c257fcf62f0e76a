"""Features that a few-strokes classifier learns on: expression, a stored embedding, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.inside import Inside, inside
from napari_stml.analyses._shared.progress import span
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Embedding
from napari_stml.core.params import param
from napari_stml.methods.embedding.pca import components
from napari_stml.methods.expression.checks import not_scaled
from napari_stml.methods.expression.normalise import seen_in
from napari_stml.methods.neighbours import on_tissue

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_stml.core.inputs import SectionInputs
    from napari_stml.core.needs import Need
    from napari_stml.core.progress import Progress

COMPONENTS = 30
MOST_GENES = 2000
LEAST_SPOTS = 3


class StrokeFeatures(FromTable):
    """Parameters that choose features."""

    embedding: str = param(
        "", title="Learn on", source="obsm",
        help="Features of the slide, of a model, or an embedding; empty takes the expression.",
    )  # fmt: skip
    with_expression: bool = param(
        False, title="and expression", help="Features and expression together.",
        when={"embedding": True},
    )  # fmt: skip
    smooth: int = param(
        2, title="Smooth over neighbours", unit="rounds", ge=0, le=10, rare=True,
        help="A spot is averaged with those around it before it is judged.",
    )  # fmt: skip

    def feature_needs(self) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {}
        if self.embedding:
            wanted["embedding"] = Embedding(self.embedding, self.table or None)
        if not self.embedding or self.with_expression:
            wanted["expression"] = self.expression("log")
        return wanted


@dataclass(frozen=True)
class Features:
    """Numbers of the spots that have all of them, and how they were made."""

    spots: Inside
    values: NDArray[np.float64]
    standardise: bool
    notes: tuple[str, ...]
    genes: tuple[str, ...] = ()
    loadings: NDArray[np.float64] | None = None


def features_of(
    section: SectionInputs, params: StrokeFeatures, percent: tuple[float, float]
) -> Generator[Progress, None, Features]:
    """Components of the expression, standardised stored features, or both side by side."""
    spots = inside(section, least=4)
    if not params.embedding:
        return (yield from _expression(section, spots, percent))
    stored = np.asarray(section["embedding"], dtype=np.float64)
    stored = stored.reshape(len(stored), -1)
    filled = np.isfinite(stored[spots.rows]).all(axis=1)
    spots = spots.only(np.asarray(filled))
    values = stored[spots.rows]
    notes: tuple[str, ...] = (f"on {params.embedding}, {values.shape[1]} numbers",)
    if not params.with_expression:
        return Features(spots, values, True, notes)
    more = yield from _expression(section, spots, percent)
    both = np.intersect1d(more.spots.rows, spots.rows)
    ours, theirs = np.isin(spots.rows, both), np.isin(more.spots.rows, both)
    first, second = (_even(v) for v in (values[ours], more.values[theirs]))
    return Features(spots.only(ours), np.hstack([first, second]), False,
                    (*notes, *more.notes, "both parts with equal weight"))  # fmt: skip


def _expression(
    section: SectionInputs, spots: Inside, percent: tuple[float, float]
) -> Generator[Progress, None, Features]:
    """Components of the genes of highest dispersion; computed in the window's process, too."""
    log, genes = spots.expression("expression")
    not_scaled(log, section.section)
    filled = np.diff(log.indptr) > 0
    log = log[filled]
    chosen = _variable(log)
    pca = yield from span(
        components(log[:, chosen].tocsr(), COMPONENTS, scale=True), *percent, "components"
    )
    if pca.scores.shape[1] == 0:
        raise StmlError("All spots have the same expression", where=section.section)
    note = (f"{len(chosen)} variable genes of {len(genes)}, {pca.scores.shape[1]} principal "
            f"components hold {100 * pca.share.sum():.1f} % of their variance")  # fmt: skip
    return Features(spots.only(filled), pca.scores, False, (note,),
                    tuple(genes[i] for i in chosen), pca.loadings)  # fmt: skip


def _variable(log: Any) -> NDArray[np.intp]:
    """The genes of highest variance over mean among those seen in some spots."""
    n = log.shape[0]
    squared = log.astype(np.float64)
    mean = np.asarray(squared.sum(axis=0)).ravel() / n
    squared.data **= 2
    variance = np.maximum(np.asarray(squared.sum(axis=0)).ravel() / n - mean**2, 0)
    spread = np.where(seen_in(log) >= LEAST_SPOTS, variance / (mean + 0.01), -1.0)
    order = np.argsort(-spread, kind="stable")[:MOST_GENES]
    return np.sort(order[spread[order] > 0])


def _even(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardised, and of total variance one."""
    spread = values.std(axis=0)
    z = (values - values.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    size = float(np.sqrt((z**2).sum(axis=1).mean()))
    return np.asarray(z / max(size, 1e-12))


def links_of(spots: Inside) -> Any:
    """Who touches whom on the tissue."""
    section = spots.section
    if section.array is not None:
        return on_tissue.on_lattice(section.array[spots.rows], hexagonal=section.hexagonal)
    if len(spots) < 2:
        raise StmlError("Only one spot has these features", where=section.section)
    from scipy.sparse import csr_matrix
    from scipy.spatial import cKDTree

    xy, n = section.xy[spots.rows], len(spots)
    _, near = cKDTree(xy).query(xy, k=min(on_tissue.NEAREST + 1, n))
    rows = np.repeat(np.arange(n), near.shape[1] - 1)
    ones = np.ones(len(rows), np.float32)
    return csr_matrix((ones, (rows, near[:, 1:].ravel())), shape=(n, n))
