"""Every region in numbers: size, spots, composition, mean of any value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from napari_stml.analyses._shared.charts import boxes, five_numbers, table_of
from napari_stml.analyses._shared.inside import Inside
from napari_stml.analyses._shared.progress import at
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis, Link
from napari_stml.core.inputs import Categories
from napari_stml.core.needs import Column, Outlines
from napari_stml.core.params import Params, param
from napari_stml.core.results import Labels, Result, Table
from napari_stml.methods.expression.gene_sets import split
from napari_stml.regions.inside import by_class, memberships
from napari_stml.regions.measuring import extent, shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs, Region, SectionInputs
    from napari_stml.core.needs import Need

NO_CLASS = "no class"


class RegionMeasuresParams(Params):
    composition: str = param(
        "", title="Composition by", source="category",
        help="Share of each class of this column in every region: cell types, clusters, niches.",
    )  # fmt: skip
    values: str = param(
        "", title="Mean of", help="Columns or genes, between commas: ERBB2, total_counts"
    )


@register
class RegionMeasures:
    """A table of all regions, their composition, and the class of every spot."""

    name = "region-measures"
    title = "Measure regions"
    tab = "regions"
    order = 5
    sections = "one"
    context = "inside"
    Params = RegionMeasuresParams

    def needs(self, params: RegionMeasuresParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"regions": Outlines()}
        if params.composition:
            wanted["composition"] = Column(params.composition)
        wanted |= {f"value {i}": Column(name) for i, name in enumerate(split(params.values))}
        return wanted

    def run(self, inputs: Inputs, params: RegionMeasuresParams) -> Steps:
        section = inputs.one
        regions: Sequence[Region] = section["regions"]
        outlines = [shapely.from_wkb(r.outline) for r in regions]
        kinds = [r.kind or NO_CLASS for r in regions]
        yield at(10, "spots in regions")
        rows = [r[section.inside[r]] for r in memberships(section.xy, outlines)]
        unit = "um" if section.um_per_px is not None else "px"
        sizes = [extent(o, section.um_per_px) for o in outlines]
        columns: dict[str, Any] = {
            "region": tuple(range(1, len(regions) + 1)),
            "name": tuple(r.name for r in regions), "class": tuple(kinds),
            f"area {unit}2": np.array([s.area for s in sizes]),
            f"perimeter {unit}": np.array([s.perimeter for s in sizes]),
        }  # fmt: skip
        parts: list[Any] = []
        charts: list[Any] = []
        notes = [f"{len(regions)} regions of {len(set(kinds))} classes"]
        if len(section.names):
            columns["spots"] = np.array([len(r) for r in rows])
            codes, names, several = by_class(section.xy, outlines, kinds)
            codes[~section.inside] = -1
            parts.append(Labels("region class", codes, names))
            if several:
                notes.append(f"{several} spots lie in regions of several classes: the last drawn")
            yield at(40, "values")
            for i, name in enumerate(split(params.values)):
                mean, chart = _means(section[f"value {i}"], name, rows, codes, names)
                columns[f"mean {name}"] = mean
                charts += chart
            if params.composition:
                columns |= self._composition(section, params, rows, codes, names, charts)
                notes.append(
                    "spots are neighbours and thus no independent draws: shares have no p values"
                )
        table = Table("regions", columns)
        return Result.of(section.section, *parts, table, *charts,
                         shows="region class" if parts else "", notes=tuple(notes))  # fmt: skip

    @staticmethod
    def _composition(
        section: SectionInputs, params: RegionMeasuresParams, rows: Sequence[NDArray[np.intp]],
        codes: NDArray[np.int32], names: tuple[str, ...], charts: list[Any],
    ) -> dict[str, Any]:  # fmt: skip
        """Counts per region as columns; a chart and a table of shares per class."""
        spots = Inside(section, np.arange(len(section.names)))
        own, categories = spots.categories("composition", params.composition)
        if not isinstance(section["composition"], Categories):
            categories = tuple(categories)
        counted = np.array([shares(own[r], len(categories)) for r in rows])
        per_class = np.array([shares(own[codes == c], len(categories)) for c in range(len(names))])
        total = per_class.sum(axis=1, keepdims=True)
        share = 100 * np.divide(per_class, total, out=np.zeros_like(per_class), where=total > 0)
        links = (Link("category", names, value="region class"),
                 Link("category", categories, value=params.composition))  # fmt: skip
        charts.append(table_of("composition", "Share of the spots in %", ("class", names),
                               (params.composition, categories), share, links))  # fmt: skip
        said: dict[str, Any] = {"class": names}
        said |= {f"{c} %": share[:, j] for j, c in enumerate(categories)}
        said["spots"] = total.ravel()
        charts.append(Table("composition of classes", said))
        return {f"{params.composition} {c}": counted[:, j] for j, c in enumerate(categories)}


def _means(
    values: Any, name: str, rows: Sequence[NDArray[np.intp]], codes: NDArray[np.int32],
    names: tuple[str, ...],
) -> tuple[NDArray[np.float64], list[Any]]:  # fmt: skip
    if isinstance(values, Categories):
        return np.full(len(rows), np.nan), []
    column = np.asarray(values, dtype=np.float64)

    def mean(own: NDArray[np.intp]) -> float:
        known = column[own][np.isfinite(column[own])]
        return float(known.mean()) if len(known) else float("nan")

    drawn = []
    for c, kind in enumerate(names):
        own = column[(codes == c) & np.isfinite(column)]
        if len(own):
            drawn.append({"label": kind, **five_numbers(own)})
    marks = tuple(str(d["label"]) for d in drawn)
    chart = [boxes(name, f"{name} per class", Axis("class"), Axis(name), drawn,
                   (Link("category", marks, value="region class"),))] if drawn else []  # fmt: skip
    return np.array([mean(r) for r in rows]), chart
