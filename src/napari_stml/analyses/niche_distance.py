"""Distance of every cell or spot to a niche, a type or a drawn region, in um and in cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._niche.selected import touching
from napari_stml.analyses._niche.tissue import Tissue
from napari_stml.analyses._shared.charts import fitting, numbers
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis, Chart
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Categories
from napari_stml.core.needs import Column, Outlines
from napari_stml.core.params import Params, param
from napari_stml.core.results import Result
from napari_stml.methods.niches import hops

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs, Region
    from napari_stml.core.needs import Need

BINS = 20


class DistanceParams(Params):
    to: Literal["a niche or type", "a drawn region"] = param(
        "a niche or type", title="Distance to", help="Cells of one label, or a drawn boundary."
    )
    column: str = param(
        "", title="Labels", source="category", when={"to": "a niche or type"},
        help="The column of niches, types or domains.",
    )  # fmt: skip
    label: str = param(
        "", title="Which", when={"to": "a niche or type"},
        help="One of the labels; several with commas between them.",
    )  # fmt: skip
    region: str = param(
        "", title="Region", source="region_class", when={"to": "a drawn region"},
        help="Class of the drawn regions.",
    )  # fmt: skip
    of: str = param(
        "", title="Compare", source="category", rare=True,
        help="Types whose numbers are shown against the distance; empty leaves the chart out.",
    )  # fmt: skip


@register
class NicheDistance:
    """How far each cell is from a niche or a boundary: outside positive, inside negative."""

    name = "niche-distance"
    title = "Distance to a niche or region"
    tab = "niches"
    order = 30
    sections = "one"
    context = "around"
    Params = DistanceParams

    def needs(self, params: DistanceParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {}
        if params.to == "a drawn region":
            wanted["outlines"] = Outlines((params.region,) if params.region else None)
        elif params.column:
            wanted["labels"] = Column(params.column)
        if params.of:
            wanted["of"] = Column(params.of)
        return wanted

    def run(self, inputs: Inputs, params: DistanceParams) -> Steps:
        section = inputs.one
        yield at(0, "reading")
        spots = inside(section)
        xy = section.xy_um()
        if not np.isfinite(xy).all():
            raise StmlError("Some cells have no position", where=section.section)
        drawn = params.to == "a drawn region"
        member = _in_regions(section.xy, section["outlines"]) if drawn else _members(spots, params)
        yield at(20, "distances")
        if drawn:
            scale = section.um_per_px
            assert scale is not None  # xy_um has asked
            away = _to_boundary(xy, section["outlines"], (scale.x, scale.y), member)
        else:
            away = _to_members(xy, member)
        yield at(60, "steps from cell to cell")
        codes = np.zeros(len(xy), dtype=np.int32)
        edges, _ = touching(Tissue(spots, xy, "um", ("",), codes, None, None, section.array))
        steps = hops.hops(edges, len(xy), member) - hops.hops(edges, len(xy), ~member)
        steps = np.where(np.isfinite(steps), steps, np.nan)
        rows = spots.rows
        what = (params.region or "all regions") if drawn else params.label
        charts, too_large = fitting(_curve(spots, away, params, what))
        notes = (
            f"{int(member.sum()):,} cells or spots belong to {what}",
            "negative inside: the distance to the boundary, or to the nearest cell outside",
            *too_large,
        )
        return Result.of(
            section.section, spots.values("distance", away[rows], "um", scale="diverging"),
            spots.values("steps", steps[rows], "cells", scale="diverging"), *charts,
            shows="distance", notes=notes,
        )  # fmt: skip


def _members(spots: Inside, params: DistanceParams) -> NDArray[np.bool_]:
    section = spots.section
    wanted = [w.strip() for w in params.label.split(",") if w.strip()]
    if not params.column or not wanted:
        raise StmlError(
            "No label was chosen", where="Labels and Which", do="choose a column, name a label"
        )
    labels: Any = section["labels"]
    if not isinstance(labels, Categories):
        raise StmlError("This column holds no categories", where=params.column)
    missing = [w for w in wanted if w not in labels.names]
    if missing:
        raise StmlError(
            f"There is no label '{missing[0]}'", where=params.column,
            do=f"choose among {', '.join(labels.names[:12])}",
        )  # fmt: skip
    chosen = [labels.names.index(w) for w in wanted]
    member = np.isin(labels.codes, chosen)
    if not member.any() or member.all():
        raise StmlError(
            "Every cell has this label" if member.all() else "No cell has this label",
            where=params.column, do="choose another one",
        )  # fmt: skip
    return member


def _to_members(xy: NDArray[np.float64], member: NDArray[np.bool_]) -> NDArray[np.float64]:
    from scipy.spatial import cKDTree

    away = np.empty(len(xy))
    away[~member] = cKDTree(xy[member]).query(xy[~member])[0]
    away[member] = -cKDTree(xy[~member]).query(xy[member])[0]
    return away


def _in_regions(xy: NDArray[np.float64], outlines: tuple[Region, ...]) -> NDArray[np.bool_]:
    import shapely

    joined = shapely.union_all(shapely.from_wkb([r.outline for r in outlines]))
    shapely.prepare(joined)
    return np.asarray(shapely.intersects_xy(joined, xy[:, 0], xy[:, 1]))


def _to_boundary(
    xy_um: NDArray[np.float64], outlines: tuple[Region, ...], scale: tuple[float, float],
    member: NDArray[np.bool_],
) -> NDArray[np.float64]:  # fmt: skip
    import shapely
    import shapely.affinity

    joined = shapely.union_all(shapely.from_wkb([r.outline for r in outlines]))
    edge = shapely.affinity.scale(joined, *scale, origin=(0, 0)).boundary
    shapely.prepare(edge)
    away = np.asarray(shapely.distance(shapely.points(xy_um), edge))
    return np.where(member, -away, away)


def _curve(
    spots: Inside, away: NDArray[np.float64], params: DistanceParams, what: str
) -> list[Chart]:
    """Share of every type by distance."""
    if not params.of:
        return []
    codes, types = spots.categories("of", params.of)
    here = away[spots.rows]
    edges = np.linspace(np.percentile(here, 1), np.percentile(here, 99), BINS + 1)
    place = np.clip(np.searchsorted(edges, here) - 1, 0, BINS - 1)
    known = codes >= 0
    table = np.zeros((BINS, len(types)))
    np.add.at(table, (place[known], codes[known]), 1)
    total = table.sum(axis=1, keepdims=True)
    share = np.where(total > 0, table / np.maximum(total, 1), np.nan)
    data: dict[str, Any] = {"distance": numbers((edges[1:] + edges[:-1]) / 2)}
    data |= {name: numbers(share[:, i]) for i, name in enumerate(types)}
    return [Chart("types by distance", "line", f"Who is how far from {what}",
                  Axis("distance", "um"), Axis("share"), data)]  # fmt: skip
