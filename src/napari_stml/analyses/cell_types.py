"""Cell types: an existing column renamed through a dictionary, or marker genes scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._shared.charts import fitting, sizes, table_of
from napari_stml.analyses._shared.gene_set_files import read_sets
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at, span
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.analyses.scores import coverage, coverage_notes
from napari_stml.core.analysis import register
from napari_stml.core.charts import Link
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Column, File
from napari_stml.core.params import param
from napari_stml.core.results import Result
from napari_stml.methods.cell_types import calling
from napari_stml.methods.expression import scoring
from napari_stml.methods.expression.checks import not_scaled
from napari_stml.methods.expression.gene_sets import matched, split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs, SectionInputs
    from napari_stml.core.needs import Need

UNCERTAIN = "uncertain"
VALUE = "cell_type"


class CellTypesParams(FromTable):
    way: Literal["markers", "rename"] = param(
        "markers", title="Way",
        help="markers: score marker genes of each type. rename: give the classes of an existing "
        "column other names.",
    )  # fmt: skip
    column: str = param(
        "", title="Column", source="category",
        help="rename: the column to rename. markers: give one type to each class or cluster of "
        "this column; empty gives one to every spot.",
    )  # fmt: skip
    mapping: tuple[tuple[str, str], ...] = param(
        (), title="Dictionary", help="rename: old name and new name; several may become one.",
        when={"way": "rename"},
    )  # fmt: skip
    unmapped: Literal["keep", "missing"] = param(
        "keep", title="Names not in the dictionary", help="Keep their name, or become missing.",
        when={"way": "rename"},
    )  # fmt: skip
    markers: tuple[tuple[str, str], ...] = param(
        calling.COMMON, title="Marker genes",
        help="Type and its genes, separated by commas. The defaults are common markers of human "
        "tissue; a file below replaces them.",
        when={"way": "markers"},
    )  # fmt: skip
    file: str = param(
        "", title="Marker genes from file", source="file",
        help="A GMT, or lines such as T cells: CD3D, CD3E.",
        when={"way": "markers"},
    )  # fmt: skip
    confidence: float = param(
        0.25, title="Uncertain below", ge=0, le=5, step=0.05,
        help="Lead of the best type over the second, in standard deviations of all scores.",
        when={"way": "markers"},
    )  # fmt: skip


@register
class CellTypes:
    """One cell type per spot or per cluster."""

    name = "cell-types"
    title = "Cell types"
    tab = "prepare"
    order = 50
    sections = "one"
    context = "inside"
    gives = (VALUE, "confidence", "scores")
    Params = CellTypesParams

    def needs(self, params: CellTypesParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {}
        if params.column:
            wanted["column"] = Column(params.column, params.table or None)
        if params.way == "markers":
            wanted["expression"] = params.expression("log")
            if params.file:
                wanted["markers"] = File(params.file)
        return wanted

    def run(self, inputs: Inputs, params: CellTypesParams) -> Steps:
        if params.way == "rename":
            yield at(0, "renaming")
            return _renamed(inputs.one, params)
        return (yield from _scored(inputs.one, params))


def _renamed(section: SectionInputs, params: CellTypesParams) -> Result:
    if not params.column:
        raise StmlError("No column was chosen", where="Column", do="choose the column to rename")
    dictionary = _dictionary(params.mapping)
    spots = inside(section)
    codes, names = spots.categories("column", params.column)
    place, types = calling.mapped(names, dictionary, params.unmapped == "keep")
    if not types:
        raise StmlError(
            "The dictionary names none of the classes in the scope", where=params.column,
            do=f"map for example {', '.join(names[:3])}, or keep names that are not in it",
        )  # fmt: skip
    typed = np.where(codes < 0, -1, place[codes])
    left = [name for name in names if name not in dictionary]
    unused = [name for name in dictionary if name not in names]
    notes = [f"{params.column}: {len(names)} classes became {len(types)}"]
    if left:
        what = "kept" if params.unmapped == "keep" else "missing"
        notes.append(f"not in the dictionary ({what}): {', '.join(left)}")
    if unused:
        notes.append(f"in the dictionary, but not in the scope: {', '.join(unused)}")
    table = np.zeros((len(names), len(types)))
    known = typed >= 0
    np.add.at(table, (codes[known], typed[known]), 1)
    charts, too_large = fitting([
        sizes("sizes", "Spots per cell type", VALUE, types, typed),
        _heat("renamed", "Spots by old and new name", params.column, names, types, table),
    ])  # fmt: skip
    return Result.of(
        section.section, spots.labels(VALUE, typed, types),
        *charts, shows=VALUE, notes=(*notes, *too_large),
    )  # fmt: skip


def _scored(section: SectionInputs, params: CellTypesParams) -> Steps:
    spots = inside(section, least=2)
    yield at(0, "reading expression")
    path = section.data.get("markers")
    sets = read_sets(path) if path else {t: tuple(split(g)) for t, g in _pairs(params.markers)}
    if not sets or UNCERTAIN in sets:
        raise StmlError(
            f"A type may not be called '{UNCERTAIN}'" if sets else "No marker genes were given",
            where="Marker genes", do="give types with their genes",
        )  # fmt: skip
    log, genes = spots.expression("expression")
    not_scaled(log, section.section)
    filled = np.diff(log.indptr) > 0
    spots, log = spots.only(filled), log[filled]
    looked_up = matched(sets, genes)
    found = tuple(m for m in looked_up if m.columns)
    types = tuple(m.name for m in found)
    scores = yield from span(
        scoring.mean_of_z(log, [m.columns for m in found]), 10, 80, "scores of the markers"
    )
    yield at(80, "types")
    spread = float(scores.std())
    grouped = bool(params.column)
    if grouped:
        codes, names = spots.categories("column", params.column)
        means = calling.group_means(scores, codes, len(names))
        per_row, sure = _called(means, spread, params.confidence, len(types))
        typed = np.where(codes < 0, -1, per_row[codes])
        confidence = np.where(codes < 0, np.nan, sure[codes])
    else:
        typed, confidence = _called(scores, spread, params.confidence, len(types))
        names = (*types, UNCERTAIN)
        means = calling.group_means(scores, typed, len(names))
    categories = (*types, UNCERTAIN)
    unsure = int((typed == len(types)).sum())
    notes = [
        f"mean z of the markers of {len(types)} types, "
        + (f"per class of {params.column}" if grouped else "per spot"),
        f"{unsure} of {len(spots)} spots {UNCERTAIN}: lead below {params.confidence:g} sd, "
        "or no type above the average",
        *coverage_notes(looked_up),
    ]
    if not filled.all():
        notes.append(f"{int((~filled).sum())} spots without counts left out")
    charts, too_large = fitting([
        sizes("sizes", "Spots per cell type", VALUE, categories, typed),
        _heat("scores by class", "Mean scores", params.column or VALUE, names, types, means),
    ])  # fmt: skip
    return Result.of(
        section.section, spots.labels(VALUE, typed, categories),
        spots.values("confidence", confidence), spots.matrix("scores", scores, types),
        coverage(looked_up), *charts, shows=VALUE, notes=(*notes, *too_large),
    )  # fmt: skip


def _called(
    scores: NDArray[np.float64], spread: float, least: float, uncertain: int
) -> tuple[NDArray[np.int32], NDArray[Any]]:
    winner, sure = calling.best(scores, spread)
    unclear = (sure < least) | (scores.max(axis=1) <= 0)
    return np.where(unclear, uncertain, winner).astype(np.int32), sure


def _heat(
    name: str, title: str, column: str, rows: tuple[str, ...], types: tuple[str, ...],
    values: NDArray[Any],
) -> Any:  # fmt: skip
    links = (Link("category", rows, value=column), Link("category", types, value=VALUE))
    return table_of(name, title, (column, rows), ("cell type", types), values, links)


def _pairs(pairs: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    names = [name.strip() for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    if twice or "" in names:
        raise StmlError(
            f"'{twice[0]}' is listed twice" if twice else "A name is empty",
            where="Dictionary or marker genes", do="give every name once",
        )  # fmt: skip
    return [(name, other.strip()) for name, (_, other) in zip(names, pairs, strict=True)]


def _dictionary(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    dictionary = dict(_pairs(pairs))
    if not dictionary or not all(dictionary.values()):
        raise StmlError(
            "A new name is empty" if dictionary else "The dictionary is empty",
            where="Dictionary", do="give old and new names",
        )  # fmt: skip
    return dictionary
