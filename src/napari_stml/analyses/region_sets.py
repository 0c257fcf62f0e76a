"""Gene sets in the genes of a comparison: which processes go up or down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_stml.analyses._shared.charts import numbers
from napari_stml.analyses._shared.gene_set_files import read_sets
from napari_stml.analyses._shared.progress import at
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis, Chart
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import File, Stored
from napari_stml.core.params import Params, param
from napari_stml.core.results import Result, Table
from napari_stml.io.gene_sets import aliases, hallmark
from napari_stml.methods.comparing.enriched import enriched
from napari_stml.methods.expression.gene_sets import from_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

SHOWN = 20


class RegionSetsParams(Params):
    run_id: str = param(
        title="Comparison", source="run", help="A Run of 'Genes of regions' or of pseudo-bulk."
    )
    file: str = param(
        "", title="Gene sets", source="file",
        help="A GMT file; empty takes the 50 Hallmark sets of MSigDB that come with the program.",
    )  # fmt: skip
    direction: Literal["up in A", "up in B"] = param(
        "up in A", title="Called genes", help="Which genes count as called."
    )
    most_p: float = param(
        0.05, title="Called up to adjusted p", gt=0, le=1, help="Of the comparison.", rare=True
    )
    least_genes: int = param(
        5, title="A set has at least", unit="genes", ge=1, rare=True,
        help="Counted among the genes that were tested.",
    )  # fmt: skip


@register
class RegionSets:
    """Sets that are over-represented among the called genes, or lie at one end of the ranking."""

    name = "region-sets"
    title = "Gene sets of a comparison"
    tab = "regions"
    order = 20
    sections = "one"
    context = "inside"
    Params = RegionSetsParams

    def needs(self, params: RegionSetsParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"genes": Stored(params.run_id, "genes")}
        if params.file:
            wanted["sets"] = File(params.file)
        return wanted

    def run(self, inputs: Inputs, params: RegionSetsParams) -> Steps:
        section = inputs.one
        yield at(0, "matching genes")
        stored = section["genes"]
        columns = getattr(stored, "columns", {})
        if not {"gene", "score", "p_adj"} <= set(columns):
            raise StmlError("This Run has no table of genes", where=params.run_id,
                            do="choose a Run of 'Genes of regions'")  # fmt: skip
        genes = [str(g) for g in columns["gene"]]
        score, p, fold = (_floats(columns[k]) for k in ("score", "p_adj", "logfc"))
        up = params.direction == "up in A"
        called = (p <= params.most_p) & ((score > 0) if up else (score < 0))
        sets = (read_sets(section["sets"]) if params.file
                else from_text(hallmark(), "Hallmark", gmt=True))  # fmt: skip
        places, names, sizes = _matched(sets, genes, params.least_genes)
        if not names:
            raise StmlError(
                "No gene set has enough of the tested genes", where=params.run_id,
                do="use sets with the gene names of the table",
            )  # fmt: skip
        yield at(40, "testing")
        found = enriched(score if up else -score, called, places)
        order = np.lexsort((found.p_rank, found.p_called))
        table = Table("sets", {
            "set": tuple(names[i] for i in order),
            "genes of the set": tuple(sizes[i] for i in order),
            "tested": found.tested[order], "called": found.called[order],
            "expected": found.expected[order], "p called": found.p_called[order],
            "p called adj": found.p_called_adjusted[order], "rank effect": found.effect[order],
            "p rank": found.p_rank[order], "p rank adj": found.p_rank_adjusted[order],
            "called genes": tuple(_leading(places[i], called, fold, genes) for i in order),
        })  # fmt: skip
        top = order[:SHOWN]
        height = -np.log10(np.maximum(found.p_called_adjusted[top], 1e-300))
        chart = Chart(
            "strongest sets", "bar", f"Sets among genes {params.direction}", Axis("set"),
            Axis("-log10 adjusted p"),
            {"set": [_short(names[i]) for i in top], "-log10 adjusted p": numbers(height)},
        )  # fmt: skip
        notes = (
            f"{int(called.sum())} of {len(genes)} genes called ({params.direction}, adjusted p up "
            f"to {params.most_p:g}); {len(names)} of {len(sets)} sets tested",
            "over-representation: hypergeometric; rank: Mann-Whitney; both adjusted by Benjamini "
            "and Hochberg, both liberal because genes of a set go together",
            *(() if params.file else (
                "Hallmark gene sets of MSigDB (Liberzon et al. 2015), CC BY 4.0",)),
        )  # fmt: skip
        return Result.of(section.section, table, chart, notes=notes)


def _matched(
    sets: Mapping[str, tuple[str, ...]], genes: list[str], least: int
) -> tuple[list[list[int]], list[str], list[int]]:
    """Positions of each set's genes, by symbol, else by its former or later name, else by case."""
    exact = {g: i for i, g in enumerate(genes)}
    folded = {g.casefold(): i for i, g in reversed(list(enumerate(genes)))}
    other = aliases()
    places, names, sizes = [], [], []
    for name, wanted in sets.items():
        own = dict.fromkeys(
            exact.get(g, exact.get(other.get(g, ""), folded.get(g.casefold(), -1))) for g in wanted
        )
        own.pop(-1, None)
        if len(own) >= least:
            places.append(list(own))
            names.append(name)
            sizes.append(len(wanted))
    return places, names, sizes


def _leading(places: list[int], called: object, fold: object, genes: list[str]) -> str:
    mine = [i for i in places if called[i]]  # type: ignore[index]
    mine.sort(key=lambda i: -abs(float(np.nan_to_num(fold[i]))))  # type: ignore[index]
    return ", ".join(genes[i] for i in mine[:12])


def _floats(column: object) -> np.ndarray:
    values = [np.nan if v is None else float(v) for v in column]  # type: ignore[attr-defined]
    return np.array(values, dtype=np.float64)


def _short(name: str) -> str:
    return name.removeprefix("HALLMARK_").replace("_", " ").capitalize()[:40]
