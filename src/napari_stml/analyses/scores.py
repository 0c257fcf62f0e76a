"""Scores of genes and gene sets per spot.

Mean of z; scanpy's score (Satija et al. 2015: minus controls of like expression); rank of the
set's genes within the spot (area under the curve).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._shared.charts import boxes, five_numbers
from napari_stml.analyses._shared.gene_set_files import chosen, read_sets
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at, span
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis, Link
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import File
from napari_stml.core.params import param
from napari_stml.core.results import Result, Table
from napari_stml.methods.expression import scoring
from napari_stml.methods.expression.checks import not_scaled
from napari_stml.methods.expression.gene_sets import Matched, matched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_matrix

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

MOST_BOXES = 60


class ScoresParams(FromTable):
    genes: tuple[str, ...] = param(
        (), title="Genes", source="genes",
        help="One gene, or several that are scored together as one set.",
    )  # fmt: skip
    name: str = param("my genes", title="Name of this set", help="For these genes.", min_length=1)
    each: bool = param(
        False, title="Score each gene by itself", help="Instead of all of them together."
    )
    file: str = param(
        "", title="Gene sets from file", source="file",
        help="A GMT file (MSigDB), or a text with one gene per line.",
    )  # fmt: skip
    sets: tuple[str, ...] = param(
        (), title="Only these sets", help="Names of sets in the file; empty takes all.", rare=True
    )
    method: Literal["mean z", "scanpy", "rank"] = param(
        "mean z", title="Score",
        help="mean z: average of the standardised genes. scanpy: minus control genes of like "
        "expression. rank: how high the genes rank within the spot, 0.5 is chance.",
    )  # fmt: skip


@register
class Scores:
    """One score per spot and gene set."""

    name = "scores"
    title = "Gene and gene-set scores"
    tab = "prepare"
    order = 60
    sections = "one"
    context = "inside"
    Params = ScoresParams

    def needs(self, params: ScoresParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"expression": params.expression("log")}
        if params.file:
            wanted["sets"] = File(params.file)
        return wanted

    def run(self, inputs: Inputs, params: ScoresParams) -> Steps:
        section = inputs.one
        spots = inside(section, least=2)
        yield at(0, "reading expression")
        sets = _sets(params, section.data.get("sets"))
        log, genes = spots.expression("expression")
        not_scaled(log, section.section)
        looked_up = matched(sets, genes)
        found = tuple(m for m in looked_up if m.columns)
        scores = yield from span(
            _steps(log, genes, found, params.method, inputs.seed), 10, 95, f"score: {params.method}"
        )
        names = tuple(m.name for m in found)
        scale: Any = "sequential" if params.method == "rank" else "diverging"
        parts: list[Any] = (
            [spots.values("score", scores[:, 0], scale=scale)]
            if len(found) == 1
            else [spots.matrix("scores", scores, names)]
        )
        drawn = [
            {"label": m.name, **five_numbers(scores[:, i])}
            for i, m in enumerate(found[:MOST_BOXES])
        ]
        link = Link("gene", names[:MOST_BOXES]) if params.each and not params.file else None
        parts.append(
            boxes("distribution", "Scores of the spots", Axis("set"), Axis(params.method), drawn,
                  (link,) if link else ())
        )  # fmt: skip
        return Result.of(
            section.section, *parts, coverage(looked_up), shows=parts[0].name,
            notes=(f"{params.method} of {', '.join(names[:5])}"
                   + (f" and {len(names) - 5} more" if len(names) > 5 else ""),
                   *coverage_notes(looked_up)),
        )  # fmt: skip


def coverage(sets: tuple[Matched, ...]) -> Table:
    """Which genes of each set the table has, and which it lacks."""
    return Table(
        "coverage",
        {
            "set": tuple(m.name for m in sets),
            "found": np.array([len(m.columns) for m in sets]),
            "missing": np.array([len(m.missing) for m in sets]),
            "missing genes": tuple(", ".join(m.missing) for m in sets),
        },
    )


def coverage_notes(sets: tuple[Matched, ...]) -> tuple[str, ...]:
    """The same in words: missing genes by name, sets left out, names matched without case."""
    notes = []
    for m in sets[:20]:
        if not m.columns:
            notes.append(f"{m.name}: none of its genes is in the table; left out")
        elif m.missing:
            some = ", ".join(m.missing[:10]) + (", ..." if len(m.missing) > 10 else "")
            notes.append(f"{m.name}: {len(m.missing)} genes are not in the table: {some}")
    recased = sum(m.recased for m in sets)
    if recased:
        notes.append(f"{recased} genes matched without regard to upper and lower case")
    if len(sets) > 20:
        notes.append("genes missing from further sets stand in the table 'coverage'")
    return tuple(notes)


def _sets(params: ScoresParams, path: Any) -> dict[str, tuple[str, ...]]:
    sets: dict[str, tuple[str, ...]] = {}
    typed = tuple(dict.fromkeys(g.strip() for g in params.genes if g.strip()))
    if typed and params.each:
        sets |= {gene: (gene,) for gene in typed}
    elif typed:
        sets[params.name] = typed
    if path:
        from_file = chosen(read_sets(path), params.sets, str(path))
        twice = sorted(set(sets) & set(from_file))
        if twice:
            raise StmlError(
                f"Two gene sets are called '{twice[0]}'", where=str(path),
                do="give your own set another name",
            )  # fmt: skip
        sets |= from_file
    if not sets:
        raise StmlError(
            "No genes were given", where="Genes", do="type genes, or choose a file of gene sets"
        )
    return sets


def _steps(
    log: csr_matrix, genes: tuple[str, ...], sets: tuple[Matched, ...], method: str, seed: int
) -> scoring.Scores:
    columns = [m.columns for m in sets]
    if method == "rank":
        return scoring.mean_rank(log, columns)
    if method == "scanpy":
        return scoring.scanpy_score(log, genes, columns, seed)
    return scoring.mean_of_z(log, columns)
