"""Compare two columns, genes or values of Runs: where they agree and where not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.charts import numbers, table_of
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.core.analysis import register
from napari_stml.core.charts import Link
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Categories
from napari_stml.core.needs import Column
from napari_stml.core.params import Params, param
from napari_stml.core.results import Result, Table
from napari_stml.methods.agreement import partitions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

FEWEST = 3


class CompareParams(Params):
    first: str = param(
        title="First", source="column", help="A column, or a value of a Run (run/value)."
    )
    second: str = param(title="Second", source="column", help="What it is compared with.")


@register
class Compare:
    """Two results side by side: agreement, and where they differ on the tissue."""

    name = "compare"
    title = "Compare two results"
    tab = "prepare"
    order = 70
    sections = "one"
    context = "inside"
    gives = ("agreement", "difference")
    Params = CompareParams

    def needs(self, params: CompareParams) -> Mapping[str, Need]:
        return {"first": Column(params.first), "second": Column(params.second)}

    def run(self, inputs: Inputs, params: CompareParams) -> Steps:
        section = inputs.one
        yield at(0, "comparing")
        spots = inside(section)
        kinds = {isinstance(section[name], Categories) for name in ("first", "second")}
        if kinds == {True}:
            return _groups(spots, params)
        if kinds == {False}:
            return _numbers(spots, params)
        raise StmlError(
            "Categories cannot be compared with numbers", where=f"{params.first}, {params.second}",
            do="choose two labels or two measurements",
        )  # fmt: skip


def _groups(spots: Inside, params: CompareParams) -> Result:
    a, names_a = spots.categories("first", params.first)
    b, names_b = spots.categories("second", params.second)
    table = partitions.contingency(a, b)
    if table.sum() < FEWEST:
        raise _too_few(int(table.sum()))
    ari, nmi = partitions.adjusted_rand(table), partitions.mutual_information(table)
    partner = partitions.best_partners(table)
    known = (a >= 0) & (b >= 0)
    same = np.where(known, np.where(partner[a] == b, 0, 1), -1)
    share = float((same == 0).sum() / known.sum())
    scores: dict[str, Any] = {
        "measure": ("adjusted Rand index", "normalised mutual information", "same group"),
        "value": np.array([ari, nmi, share]),
    }
    links = (
        Link("category", names_a, value=params.first),
        Link("category", names_b, value=params.second),
    )
    chart = table_of(
        "groups against groups", "Spots in both", (params.first, names_a),
        (params.second, names_b), table, links,
    )  # fmt: skip
    notes = (
        f"{int(known.sum())} spots have both labels",
        f"adjusted Rand index {ari:.3f}, normalised mutual information {nmi:.3f}",
        "same group: after pairing each group with the one it shares most spots with",
    )
    return Result.of(
        spots.section.section, spots.labels("agreement", same, ("same", "different")),
        Table("agreement scores", scores), chart, shows="agreement", notes=notes,
    )  # fmt: skip


def _numbers(spots: Inside, params: CompareParams) -> Result:
    a, b = (np.asarray(spots.section[n], dtype=np.float64)[spots.rows] for n in ("first", "second"))
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < FEWEST:
        raise _too_few(int(known.sum()))
    difference = np.where(known, a - b, np.nan)
    r, rho = _correlation(a[known], b[known]), _correlation(_ranks(a[known]), _ranks(b[known]))
    squared = float(np.mean((a[known] - b[known]) ** 2))
    scores: dict[str, Any] = {
        "measure": ("Pearson r", "Spearman rho", "mean squared difference"),
        "value": (*numbers(np.array([r, rho])), squared),
    }
    notes = (
        f"{int(known.sum())} spots have both values",
        f"Pearson r {r:.3f}, Spearman rho {rho:.3f}; the map shows first minus second",
    )
    return Result.of(
        spots.section.section, spots.values("difference", difference, scale="diverging"),
        Table("agreement scores", scores), shows="difference", notes=notes,
    )  # fmt: skip


def _correlation(a: Any, b: Any) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / size) if size > 0 else float("nan")


def _ranks(values: Any) -> Any:
    from scipy.stats import rankdata

    return rankdata(values)


def _too_few(count: int) -> StmlError:
    return StmlError(
        f"Only {count} spots of the scope have both values",
        do="choose a wider scope or other values",
    )
