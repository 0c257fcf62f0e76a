"""Genes of one region against another or against the rest, through scanpy's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._regions.groups import TwoGroups, two_groups
from napari_stml.analyses._shared.charts import fitting, numbers
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at, span
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.errors import StmlError
from napari_stml.core.params import param
from napari_stml.core.results import Result, Table
from napari_stml.methods.expression.checks import not_scaled
from napari_stml.methods.expression.normalise import seen_in
from napari_stml.methods.markers import ranking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

MOST_MARKS = 1200
LEAST_P = 1e-300


class RegionGenesParams(TwoGroups):
    test: Literal["wilcoxon", "t-test"] = param(
        "wilcoxon", title="Test", help="Wilcoxon compares ranks; t-test compares means."
    )
    least_spots: int = param(
        3, title="A gene is seen in at least", unit="spots", ge=1, rare=True,
        help="Rarer genes are not tested.",
    )  # fmt: skip
    ties: bool = param(
        False, title="Correct for ties", help="Wilcoxon: many spots have equal values.", rare=True,
        when={"test": "wilcoxon"},
    )  # fmt: skip


@register
class RegionGenes:
    """What A expresses more or less than B, as a volcano and a table."""

    name = "region-genes"
    title = "Genes of regions: A against B"
    tab = "regions"
    order = 10
    sections = "one"
    context = "inside"
    Params = RegionGenesParams

    def needs(self, params: RegionGenesParams) -> Mapping[str, Need]:
        return {"expression": params.expression("log"), **params.group_need()}

    @limited
    def run(self, inputs: Inputs, params: RegionGenesParams) -> Steps:
        section = inputs.one
        spots = inside(section, least=6)
        yield at(0, "reading expression")
        log, genes = spots.expression("expression")
        not_scaled(log, section.section)
        groups = two_groups(spots, params)
        log = log[groups.rows]
        tested = np.flatnonzero(seen_in(log) >= params.least_spots)
        if not len(tested):
            raise StmlError(
                f"No gene is seen in at least {params.least_spots} spots", where=section.section,
                do="lower that number under More",
            )  # fmt: skip
        log, genes = log[:, tested], tuple(genes[i] for i in tested)
        found = yield from span(
            ranking.ranked(log, groups.codes, ("A", "B"), params.test, "B", params.ties,
                           inputs.seed),
            5, 90, f"{params.test}, {len(genes)} genes",
        )  # fmt: skip
        yield at(92, "shares and chart")
        ours = ranking.expressed(log, groups.codes, 2)
        order = np.argsort(-np.nan_to_num(found.score[0], nan=-np.inf), kind="stable")
        table = Table(
            "genes",
            {
                "gene": tuple(genes[i] for i in order),
                "score": found.score[0][order],
                "logfc": found.log_fold[0][order],
                "p": found.p[0][order],
                "p_adj": found.p_adjusted[0][order],
                "in A": ours.share[0][order],
                "in B": ours.share[1][order],
            },
        )
        charts, lost = fitting([volcano(genes, found.log_fold[0], found.p_adjusted[0],
                                        groups.names)])  # fmt: skip
        code = np.full(len(spots), -1, dtype=np.int32)
        code[groups.rows] = groups.codes
        notes = (
            *groups.notes,
            f"{params.test} of {len(genes)} genes"
            + (", corrected for ties" if params.ties else "")
            + "; p adjusted by Benjamini and Hochberg",
            "spots of one section are no replicates: for claims about patients use pseudo-bulk",
            *lost,
        )
        names = groups.names if groups.names[0] != groups.names[1] else ("A", "B")
        return Result.of(section.section, spots.labels("groups", code, names), table, *charts,
                         shows="groups", notes=notes)  # fmt: skip


def volcano(
    genes: tuple[str, ...], fold: NDArray[np.float64], p: NDArray[np.float64],
    names: tuple[str, str],
) -> Chart:  # fmt: skip
    """Fold change against significance; a click on a gene colours the tissue by it.

    The most significant genes are all there; of the others an even sample.
    """
    height = -np.log10(np.maximum(np.nan_to_num(p, nan=1.0), LEAST_P))
    good = np.flatnonzero(np.isfinite(fold))
    order = good[np.argsort(-height[good], kind="stable")]
    marks = order
    notes: tuple[str, ...] = ()
    if len(order) > MOST_MARKS:
        top, rest = order[: MOST_MARKS // 2], order[MOST_MARKS // 2 :]
        marks = np.concatenate([top, rest[:: -(-len(rest) // (MOST_MARKS // 2))]])
        notes = (f"{len(marks)} of {len(order)} genes are drawn; the table has all",)
    data: dict[str, Any] = {
        "log2 fold change": numbers(fold[marks]), "-log10 adjusted p": numbers(height[marks]),
    }  # fmt: skip
    return Chart(
        "volcano", "scatter", f"{names[0][:40]} against {names[1][:40]}",
        Axis("log2 fold change"), Axis("-log10 adjusted p"), data,
        (Link("gene", tuple(genes[i] for i in marks)),), notes,
    )  # fmt: skip
