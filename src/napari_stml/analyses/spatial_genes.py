"""Genes or measurements that are patterned in space: Moran's I or Geary's C, by squidpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._niche.tissue import FEWEST
from napari_stml.analyses._niche.touch import (
    FIELDS,
    LONGEST,
    NEAREST,
    RADIUS,
    TOUCH,
    Touch,
    edges_of,
    place_only,
)
from napari_stml.analyses._shared.charts import fitting, numbers
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Categories
from napari_stml.core.needs import Column, Expression
from napari_stml.core.params import param
from napari_stml.core.results import Result, Table
from napari_stml.methods.expression.checks import not_scaled

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.core.progress import Progress

AT_ONCE = 20
"""Measurements between two reports of progress."""
MOST_DRAWN = 40


class SpatialGenesParams(FromTable):
    genes: tuple[str, ...] = param(
        (), title="Genes", source="genes", help="Their log-normalised expression is looked at."
    )
    columns: tuple[str, ...] = param(
        (), title="Columns", source="column", help="Measurements: scores, perplexity, areas."
    )
    statistic: Literal["Moran's I", "Geary's C"] = param(
        "Moran's I", title="Statistic",
        help="Moran's I: 1 patterned, 0 chance. Geary's C: 0 patterned, 1 chance; it looks at "
        "steps between neighbours. The neighbours of a cell weigh 1 together.",
    )  # fmt: skip
    touch: Touch = TOUCH
    longest: float = LONGEST
    k: int = NEAREST
    radius: float = RADIUS
    shuffles: int = param(
        199, title="Shuffles", ge=0, le=9999, rare=True,
        help="Places are shuffled so often for p; 0 takes the normal approximation alone.",
    )  # fmt: skip
    fields: str = FIELDS


@register
class SpatialGenes:
    """Which of the chosen genes or columns are patterned in space, and how clearly."""

    name = "spatial-genes"
    title = "Patterned in space"
    tab = "niches"
    order = 40
    sections = "one"
    context = "inside"
    Params = SpatialGenesParams

    def needs(self, params: SpatialGenesParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {}
        if params.genes:
            wanted["genes"] = Expression(
                table=params.table or None, layer=params.layer or None, genes=params.genes,
                transform="log",
            )  # fmt: skip
        wanted |= {f"column {name}": Column(name) for name in params.columns}
        if params.fields:
            wanted["fields"] = Column(params.fields)
        return wanted

    @limited
    def run(self, inputs: Inputs, params: SpatialGenesParams) -> Steps:
        section = inputs.one
        yield at(0, "reading")
        spots = inside(section, least=FEWEST)
        values, names = _measured(spots, params)
        known = np.asarray(np.isfinite(values).all(axis=1))
        notes: tuple[str, ...] = ()
        if not known.all():
            notes = (f"{int((~known).sum())} without all values were left out",)
            spots, values = spots.only(known), values[known]
        if len(spots) < FEWEST:
            raise StmlError(
                f"Only {len(spots)} have all values", where=section.section,
                do="choose fewer columns or a wider scope",
            )  # fmt: skip
        flat = np.ptp(values, axis=0) == 0
        if flat.all():
            raise StmlError(
                f"{', '.join(names[:5])}: one value everywhere", where=section.section,
                do="choose others or a wider scope",
            )  # fmt: skip
        if flat.any():
            left = [n for n, f in zip(names, flat, strict=True) if f]
            notes += (f"one value everywhere, left out: {', '.join(left)}",)
        names = tuple(n for n, f in zip(names, flat, strict=True) if not f)
        yield at(10, "contacts")
        tissue = place_only(spots, params)
        edges, said = edges_of(tissue, params)
        if not len(edges):
            raise StmlError(
                "No two cells are in contact", where=section.section,
                do="choose a larger radius or another kind of contact",
            )  # fmt: skip
        alone = len(spots) - len(np.unique(edges))
        if alone:
            notes += (f"{alone} are in contact with nobody",)
        found = yield from _tested(values[:, ~flat], names, edges, params, inputs.seed)
        table, chart = _shown(found, names, len(spots), params)
        charts, too_large = fitting([chart])
        notes = (f"{len(edges):,} contacts: {said}", f"{params.shuffles} shuffles, seed "
                 f"{inputs.seed}", *notes, *too_large)  # fmt: skip
        return Result.of(section.section, table, *charts, notes=notes)


def _measured(
    spots: Inside, params: SpatialGenesParams
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The values of the scope, a column per gene or measurement."""
    found: list[NDArray[np.float64]] = []
    names: list[str] = []
    if params.genes:
        matrix, genes = spots.expression("genes")
        not_scaled(matrix, spots.section.section)
        found.append(matrix.toarray().astype(np.float64))
        names += genes
    for name in params.columns:
        column: Any = spots.section[f"column {name}"]
        if isinstance(column, Categories):
            raise StmlError(
                "Categories have no size", where=name,
                do="choose numbers; for categories see 'Contacts and network'",
            )  # fmt: skip
        found.append(np.asarray(column, dtype=np.float64)[spots.rows, None])
        names.append(name)
    if not found:
        raise StmlError("Nothing was chosen", where="Genes", do="name genes or choose columns")
    if len(set(names)) < len(names):
        raise StmlError("A gene or column was named twice", where="Genes", do="name each once")
    return np.column_stack(found), tuple(names)


def _tested(
    values: NDArray[np.float64], names: tuple[str, ...], edges: NDArray[np.int32],
    params: SpatialGenesParams, seed: int,
) -> Generator[Progress, None, Any]:  # fmt: skip
    """A table of squidpy, some measurements at a time; all see the same shuffles."""
    import anndata as ad
    import pandas as pd
    import squidpy as sq
    from scipy.sparse import csr_matrix

    n = len(values)
    ends = np.concatenate([edges, edges[:, ::-1]])
    links = csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
    whole = ad.AnnData(values, var=pd.DataFrame(index=list(names)),
                       obs=pd.DataFrame(index=[str(i) for i in range(n)]))  # fmt: skip
    whole.obsp["spatial_connectivities"] = links
    found = []
    for start in range(0, len(names), AT_ONCE):
        yield at(15 + 80 * start / len(names), params.statistic)
        found.append(sq.gr.spatial_autocorr(
            whole, mode="moran" if params.statistic == "Moran's I" else "geary",
            genes=list(names[start : start + AT_ONCE]), n_perms=params.shuffles or None, seed=seed,
            n_jobs=1, corr_method=None, copy=True, show_progress_bar=False,
        ))  # fmt: skip
    return pd.concat(found).loc[list(names)]


def _shown(
    found: Any, names: tuple[str, ...], cells: int, params: SpatialGenesParams
) -> tuple[Table, Chart]:
    """All in a table; the first of them as bars."""
    from scipy.stats import false_discovery_control

    moran = params.statistic == "Moran's I"
    size = found["I" if moran else "C"].to_numpy(dtype=np.float64)
    p = found["pval_sim" if params.shuffles else "pval_norm"].to_numpy(dtype=np.float64)
    spread = np.sqrt(found["var_norm"].to_numpy(dtype=np.float64))
    z = (size - (-1 / (cells - 1) if moran else 1.0)) / spread
    adjusted = false_discovery_control(np.clip(p, 0, 1))
    order = np.argsort(-size if moran else size, kind="stable")
    ranked = [names[i] for i in order]
    table = Table("patterns", {
        "name": tuple(ranked), params.statistic: tuple(numbers(size[order])),
        "z": tuple(numbers(z[order])), "p": tuple(numbers(p[order])),
        "p adjusted": tuple(numbers(adjusted[order])),
    })  # fmt: skip
    drawn = order[:MOST_DRAWN]
    some = [names[i] for i in drawn]
    genes = tuple(n if n in params.genes else "" for n in some)
    notes = ("the most patterned first; chance is " + ("0" if moran else "1"),)
    chart = Chart(
        "patterned", "bar", f"{params.statistic} of each", Axis(""), Axis(params.statistic),
        {"name": some, params.statistic: numbers(size[drawn])}, (Link("gene", genes),), notes,
    )  # fmt: skip
    return table, chart
