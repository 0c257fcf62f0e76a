"""Marker genes of every group: scanpy's ranking, with dot plot, heat map and stacked boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._shared.charts import boxes, fitting, five_numbers, table_of
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at, span
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Column
from napari_stml.core.params import param
from napari_stml.core.results import Result, Table
from napari_stml.methods.expression.checks import not_scaled
from napari_stml.methods.expression.normalise import seen_in
from napari_stml.methods.markers import ranking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

MOST_BOXES = 600
MOST_CELLS = 3000
"""Of a dot plot; with many groups fewer genes of each are drawn."""


class MarkersParams(FromTable):
    column: str = param(
        "clusters", title="Groups", source="category",
        help="The column whose classes are compared: clusters, cell types, drawn regions.",
    )  # fmt: skip
    reference: str = param(
        "", title="Compared with", help="One of the groups; empty compares with all other spots."
    )
    test: Literal["wilcoxon", "t-test", "logreg"] = param(
        "wilcoxon", title="Test",
        help="Wilcoxon compares ranks; t-test compares means and is quick; logreg (logistic "
        "regression) looks at all genes together and gives no p values.",
    )  # fmt: skip
    shown: int = param(
        4, title="Genes in the charts", unit="per group", ge=1, le=20,
        help="The best of each group.",
    )  # fmt: skip
    listed: int = param(
        200, title="Genes in the table", unit="per group", ge=0, rare=True,
        help="The best of each group; 0 lists all.",
    )  # fmt: skip
    least_share: float = param(
        10.0, title="In the charts: seen in at least", unit="% of the group", ge=0, le=100,
        help="Keeps genes of very few spots out of the charts.", rare=True,
    )  # fmt: skip
    least_spots: int = param(
        3, title="A gene is seen in at least", unit="spots", ge=1, rare=True,
        help="Rarer genes are not tested.",
    )  # fmt: skip
    smallest: int = param(
        3, title="A group has at least", unit="spots", ge=2, rare=True,
        help="Smaller groups are left out.",
    )  # fmt: skip
    ties: bool = param(
        False, title="Correct for ties", help="Wilcoxon: many spots have equal values.", rare=True
    )


@dataclass(frozen=True)
class _Groups:
    """Rows by group, without small groups and rows without group."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]
    reference: int | None


@register
class Markers:
    """What each group expresses more than the others."""

    name = "markers"
    title = "Marker genes"
    tab = "prepare"
    order = 40
    sections = "one"
    context = "inside"
    Params = MarkersParams

    def needs(self, params: MarkersParams) -> Mapping[str, Need]:
        return {
            "expression": params.expression("log"),
            "groups": Column(params.column, params.table or None),
        }

    @limited
    def run(self, inputs: Inputs, params: MarkersParams) -> Steps:
        section = inputs.one
        spots = inside(section, least=4)
        yield at(0, "reading expression")
        log, genes = spots.expression("expression")
        not_scaled(log, section.section)
        groups, rows, notes = _groups(*spots.categories("groups", params.column), params)
        log = log[rows]
        tested = np.flatnonzero(seen_in(log) >= params.least_spots)
        if not len(tested):
            raise StmlError(
                f"No gene is seen in at least {params.least_spots} spots",
                where=section.section, do="lower that number under More",
            )  # fmt: skip
        log, genes = log[:, tested], tuple(genes[i] for i in tested)
        reference = ranking.REST if groups.reference is None else groups.names[groups.reference]
        found = yield from span(
            ranking.ranked(log, groups.codes, groups.names, params.test, reference, params.ties,
                           inputs.seed),
            5, 85, f"{params.test}, {len(genes)} genes",
        )  # fmt: skip
        yield at(85, "shares")
        ours = ranking.expressed(log, groups.codes, len(groups.names))
        rest = ranking.against(ours, groups.codes, groups.reference)
        order = np.argsort(-np.nan_to_num(found.score, nan=-np.inf), axis=1, kind="stable")
        table = _table(found, ours, rest, order, genes, groups, params.listed)
        yield at(95, "charts")
        picked = _picked(found, ours, order, groups, params)
        drawn = _charts(log, ours, genes, groups, picked, params.column) if picked else ()
        charts, too_large = fitting(drawn)
        against = "all other spots" if groups.reference is None else groups.names[groups.reference]
        notes = (
            f"{params.test} of {len(genes)} genes, {len(groups.names)} groups of {params.column} "
            f"against {against}" + (", corrected for ties" if params.ties else ""),
            *(() if params.test == "logreg" else ("p adjusted by Benjamini and Hochberg",)),
            *notes,
            *too_large,
            *(() if picked else ("no gene passes the limits of the charts",)),
        )
        return Result.of(section.section, table, *charts, shows="", notes=notes)


def _groups(
    codes: NDArray[np.int32], names: tuple[str, ...], params: MarkersParams
) -> tuple[_Groups, NDArray[np.intp], tuple[str, ...]]:
    if params.reference and params.reference not in names:
        raise StmlError(
            f"There is no group '{params.reference}' in the scope", where=params.column,
            do=f"choose one of {', '.join(names[:8])}, or leave it empty",
        )  # fmt: skip
    size = np.bincount(codes[codes >= 0], minlength=len(names))
    good = np.flatnonzero(size >= params.smallest)
    kept = tuple(names[i] for i in good)
    if len(kept) < 2 or (params.reference and params.reference not in kept):
        raise StmlError(
            f"Two groups of at least {params.smallest} spots are needed; the groups have "
            + ", ".join(f"{n}: {s}" for n, s in list(zip(names, size, strict=True))[:8]),
            where=params.column, do="choose another column or a wider scope",
        )  # fmt: skip
    place = np.full(len(names), -1, dtype=np.int32)
    place[good] = np.arange(len(good), dtype=np.int32)
    rows = np.flatnonzero((codes >= 0) & (place[codes] >= 0))
    notes = []
    if len(kept) < len(names):
        small = [n for n in names if n not in kept]
        notes.append(f"left out, fewer than {params.smallest} spots: {', '.join(small)}")
    if (codes < 0).any():
        notes.append(f"{int((codes < 0).sum())} spots without a group left out")
    reference = kept.index(params.reference) if params.reference else None
    return _Groups(place[codes[rows]], kept, reference), rows, tuple(notes)


def _table(
    found: ranking.Ranking, ours: ranking.Expressed, rest: ranking.Expressed,
    order: NDArray[np.intp], genes: tuple[str, ...], groups: _Groups, listed: int,
) -> Table:  # fmt: skip
    ranked = [i for i in range(len(groups.names)) if i != groups.reference]
    top = order[ranked, : listed or len(genes)]
    row = np.repeat(ranked, top.shape[1])
    column = top.ravel()
    return Table(
        "markers",
        {
            "group": tuple(groups.names[i] for i in row),
            "gene": tuple(genes[i] for i in column),
            "score": found.score[row, column],
            "logfc": found.log_fold[row, column],
            "p": found.p[row, column],
            "p_adj": found.p_adjusted[row, column],
            "in": ours.share[row, column],
            "out": rest.share[row, column],
        },
    )


def _picked(
    found: ranking.Ranking, ours: ranking.Expressed, order: NDArray[np.intp], groups: _Groups,
    params: MarkersParams,
) -> list[int]:  # fmt: skip
    """Genes of the charts: the best of each group, each gene once, group by group."""
    picked: dict[int, None] = {}
    shown = max(1, min(params.shown, MOST_CELLS // len(groups.names) ** 2))
    for i in range(len(groups.names)):
        if i == groups.reference:
            continue
        common = 100 * ours.share[i, order[i]] >= params.least_share
        good = order[i][common & (found.score[i, order[i]] > 0)]
        picked |= dict.fromkeys(int(g) for g in good[:shown])
    return list(picked)


def _charts(
    log: csr_matrix, ours: ranking.Expressed, genes: tuple[str, ...], groups: _Groups,
    picked: list[int], column: str,
) -> tuple[Chart, ...]:  # fmt: skip
    names = tuple(genes[i] for i in picked)
    links = (Link("category", groups.names, value=column), Link("gene", names))
    mean, share = ours.mean[:, picked], ours.share[:, picked]
    sd = mean.std(axis=0)
    z = (mean - mean.mean(axis=0)) / np.where(sd > 0, sd, 1)
    step = -(-len(picked) * len(groups.names) // MOST_BOXES)  # some genes of every group
    values = log[:, picked[::step]].toarray()
    drawn: list[Mapping[str, Any]] = [
        {"panel": gene, "label": group, **five_numbers(values[groups.codes == j, i])}
        for i, gene in enumerate(names[::step])
        for j, group in enumerate(groups.names)
    ]
    marks = tuple(str(d["label"]) for d in drawn)
    shown = (column, groups.names), ("gene", names)
    return (
        table_of("dot plot", "Markers: mean (colour) and share of spots (size)", *shown, mean,
                 links, size=share),
        table_of("heat map", "Markers: mean, standardised per gene", *shown, z, links),
        boxes("stacked boxes", "Markers in the spots of each group", Axis(column),
              Axis("log expression"), drawn, (Link("category", marks, value=column),)),
    )  # fmt: skip
