"""Bring in values made elsewhere, joined by barcode; they become values of the section."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import File
from napari_stml.core.params import Params, param
from napari_stml.core.results import Labels, Matrix, Result, Values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.core.results import Part
    from napari_stml.io.bring_in import BroughtIn

NAMES_BESIDE = (".txt", "_names.txt", "_barcodes.txt")
"""Endings of the file that names the rows of an array."""


class BringInParams(Params):
    file: str = param(
        title="File", source="file",
        help="CSV, TSV or XLSX with barcodes; an .h5ad or .npy for proportions and embeddings.",
    )  # fmt: skip
    kind: Literal["categories", "scores", "proportions", "embedding"] = param(
        "categories", title="As",
        help="categories: classes; scores: numbers; proportions: shares of cell types; embedding: "
        "coordinates of each spot in some space.",
    )  # fmt: skip
    columns: tuple[str, ...] = param(
        (), title="Columns", help="Empty takes all that fit.",
        when={"kind": ("categories", "scores", "proportions")},
    )  # fmt: skip
    name: str = param(
        "", title="Name",
        help="What proportions or an embedding are called; empty takes the file's name.",
        when={"kind": ("proportions", "embedding")},
    )  # fmt: skip
    normalise: bool = param(
        False, title="Make shares sum to 1", help="Proportions: divide every row by its sum.",
        when={"kind": "proportions"},
    )  # fmt: skip
    barcodes: str = param(
        "", title="Column of barcodes", rare=True,
        help="Empty takes the column that agrees best with the section.",
    )  # fmt: skip
    sheet: str = param(
        "", title="Sheet", help="Of a workbook; empty takes the one with barcodes.", rare=True
    )
    sample: str = param(
        "", title="Sample", rare=True,
        help="Which sample of the file is this section, where several share their barcodes.",
    )  # fmt: skip
    key: str = param("", title="Entry", help="Of an .h5ad: the obsm entry.", rare=True)
    in_order: bool = param(
        False, title="Rows are in order", rare=True,
        help="An array without names: its rows are the section's spots, in their order.",
    )  # fmt: skip


@register
class BringIn:
    """Categories, scores, proportions or an embedding from a file."""

    name = "bring-in"
    title = "Bring in"
    tab = "prepare"
    order = 90
    sections = "one"
    context = "inside"
    Params = BringInParams

    def needs(self, params: BringInParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"file": File(params.file)}
        names = _names_of(Path(params.file))
        if names is not None and not params.in_order:
            wanted["names"] = File(str(names))
        return wanted

    def run(self, inputs: Inputs, params: BringInParams) -> Steps:
        section = inputs.one
        spots = inside(section)
        yield at(0, "reading the file")
        found = _read(section["file"], section.names, params, section.data.get("names"))
        yield at(80, "joining by barcode")
        if not found.report.matched:
            raise StmlError(
                "No barcode of the file belongs to this section", where=found.report.source,
                do="name the column of barcodes",
            )  # fmt: skip
        outside = np.ones(len(section.names), dtype=bool)
        outside[spots.rows] = False
        parts = _parts(found, params, outside)
        notes = tuple(found.report.text().splitlines())
        return Result.of(section.section, *parts, shows=parts[0].name, notes=notes)


def _read(
    file: Path, names: NDArray[np.object_], params: BringInParams, beside: Path | None
) -> BroughtIn:
    from napari_stml.io import bring_in

    columns: Any = list(params.columns) or None
    common: dict[str, Any] = {"barcodes": params.barcodes or None, "sample": params.sample or None}
    sheet: dict[str, Any] = {"sheet": params.sheet or None, "columns": columns, **common}
    match params.kind:
        case "categories":
            return bring_in.bring_in_categories(file, names, **sheet)
        case "scores":
            return bring_in.bring_in_scores(file, names, **sheet)
        case "proportions":
            return bring_in.bring_in_proportions(
                file, names, key=params.key or None, normalise=params.normalise, **sheet
            )
        case "embedding":
            return bring_in.bring_in_embedding(
                file, names, key=params.key or None, in_order=params.in_order, names_file=beside,
                **common,
            )  # fmt: skip


def _parts(found: BroughtIn, params: BringInParams, outside: NDArray[np.bool_]) -> tuple[Part, ...]:
    frame = found.values
    if params.kind == "categories":
        labels = []
        for column in frame.columns:
            codes = np.array(frame[column].cat.codes, dtype=np.int32)
            codes[outside] = -1
            names = tuple(str(c) for c in frame[column].cat.categories)
            labels.append(Labels(str(column), codes, names))
        return tuple(labels)
    numbers = frame.to_numpy(dtype=np.float64, copy=True)
    numbers[outside] = np.nan
    if params.kind == "scores":
        return tuple(Values(str(c), numbers[:, i]) for i, c in enumerate(frame.columns))
    name = params.name or Path(params.file).name.partition(".")[0] or params.kind
    return (Matrix(name, numbers, tuple(map(str, frame.columns))),)


def _names_of(file: Path) -> Path | None:
    """The names beside an array: their content decides what its rows are, as the array does."""
    if file.suffix.lower() != ".npy":
        return None
    named = (file.with_name(file.stem + ending) for ending in NAMES_BESIDE)
    return next((p for p in named if p.is_file()), None)
