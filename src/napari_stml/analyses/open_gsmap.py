"""Results that gsMap computed elsewhere, laid on the section: joined by barcode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._gsmap import parts as made
from napari_stml.analyses._gsmap.live import TraitLive
from napari_stml.analyses._gsmap.params import TraitLiveParams
from napari_stml.analyses._gsmap.tell import regions_of
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Column, File, Outlines
from napari_stml.core.params import Params, param
from napari_stml.core.results import Result, Table
from napari_stml.io.gsmap.results import open_results

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.core.analysis import Live, Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.io.gsmap.results import Opened, SpotTable


class OpenGsmapParams(Params):
    path: str = param(
        title="Result", source="file",
        help="A spatial_ldsc table of gsMap (or any table of barcodes with p or -log10 p); or "
        "type the folder of a sample.",
    )  # fmt: skip
    trait: str = param("", title="Trait", help="Only tables whose name has this in it.")
    version: str = param(
        "", title="Version of gsMap", pattern=r"^[\w.+-]*$",
        help="Numbers differ between versions; empty takes what a log or report beside it says.",
    )  # fmt: skip
    annotation: str = param(
        "", title="Annotation", source="category",
        help="Domains or layers, each given a p of its own. May be left out.",
    )  # fmt: skip
    regions: bool = param(
        False, title="Drawn regions", help="Also combine the p-values of each class drawn."
    )


@register
class OpenGsmap:
    """A trait map that gsMap computed, with threshold and combination by annotation."""

    name = "open-gsmap"
    title = "Open gsMap results"
    tab = "gwas"
    order = 20
    sections = "one"
    context = "inside"
    Params = OpenGsmapParams
    LiveParams = TraitLiveParams

    def needs(self, params: OpenGsmapParams) -> Mapping[str, Need]:
        path = Path(params.path).expanduser()
        wanted: dict[str, Need] = {}
        for i, file in enumerate(_files(path)):
            wanted[f"file {i + 1}"] = File(str(file))
        if params.annotation:
            wanted["annotation"] = Column(params.annotation)
        if params.regions:
            wanted["regions"] = Outlines()
        return wanted

    def run(self, inputs: Inputs, params: OpenGsmapParams) -> Steps:
        section = inputs.one
        spots = inside(section)
        yield at(0, "reading the result")
        opened = open_results(Path(params.path).expanduser(), params.trait)
        yield at(40, "joining by barcode")
        traits, notes = [], []
        for table in opened.tables:
            trait, said = _joined(table, spots)
            traits.append(trait)
            notes.append(said)
        groups = []
        if params.annotation:
            codes, names = spots.categories("annotation", params.annotation)
            labels = spots.labels(made.ANNOTATION, codes, names)
            groups.append(made.Groups(made.ANNOTATION, np.asarray(labels.codes, np.int32), names))
        if params.regions:
            groups.append(regions_of(section))
        yield at(70, "combining")
        parts, charts, told = made.parts_of(section, traits, groups)
        version = params.version or opened.version
        notes.append(f"computed by gsMap, version {version}")
        parts += _genes(opened)
        return Result.of(
            section.section, *parts, *charts, shows=made.p_name(traits[0].name),
            notes=(*told, *notes),
        )  # fmt: skip

    def live(self, result: Result, inputs: Inputs) -> Live:
        return TraitLive(result, inputs.one)


def _files(path: Path) -> list[Path]:
    """What decides the result: the tables, not the whole working folder."""
    if path.is_dir():
        found = sorted(p for p in path.rglob("spatial_ldsc/*.csv*") if p.is_file())
        return found or sorted(path.glob("*.csv*")) or [path]
    return [path]


def _joined(table: SpotTable, spots: Inside) -> tuple[made.TraitSpots, str]:
    """Put values at the section's rows; barcodes may be written differently."""
    from napari_stml.io.bring_in.matching import SectionNames, best_treatment

    section = spots.section
    names = SectionNames(section.names)
    best = best_treatment(table.spots, names)
    if best is None:
        raise StmlError(
            "No spot of the table belongs to this section", where=table.path,
            do="open the table of this sample",
        )  # fmt: skip
    keys = names.known(best.in_section)
    place = {key: i for i, key in enumerate(names.keys(best.in_section)) if key in keys}
    rows = np.array([place.get(k, -1) for k in best.of_file(table.spots)], dtype=np.int64)
    known = rows >= 0
    z, p = (np.full(len(section.names), np.nan) for _ in range(2))
    z[rows[known]], p[rows[known]] = table.z[known], table.p[known]
    outside = np.ones(len(p), dtype=bool)
    outside[spots.rows] = False
    z[outside] = p[outside] = np.nan
    said = f"{table.trait}: {int(known.sum())} of {len(rows)} spots of {table.path.name} joined"
    return made.TraitSpots(table.trait, z, p), said


def _genes(opened: Opened) -> list[Any]:
    """The gene tables of the report, as gsMap wrote them."""
    import pandas as pd

    rows: dict[str, list[NDArray[Any]]] = {}
    for trait, path in (opened.genes or {}).items():
        table = pd.read_csv(path).head(200)
        if {"Gene", "Annotation", "Median_GSS", "PCC"} <= set(table.columns):
            columns = {
                "trait": np.full(len(table), trait, dtype=object),
                "gene": table["Gene"].to_numpy(dtype=object),
                "correlation": table["PCC"].to_numpy(dtype=np.float64),
                "label": table["Annotation"].astype(str).to_numpy(dtype=object),
                "median_specificity": table["Median_GSS"].to_numpy(dtype=np.float64),
            }
            for name, column in columns.items():
                rows.setdefault(name, []).append(column)
    if not rows:
        return []
    joined = {name: np.concatenate(parts) for name, parts in rows.items()}
    return [
        Table(made.GENES, {n: c if c.dtype.kind == "f" else tuple(map(str, c))
                           for n, c in joined.items()})
    ]  # fmt: skip
