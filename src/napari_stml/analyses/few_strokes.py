"""Learn classes from a few drawn regions and predict them everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from napari_stml.analyses._regions.stroke_features import StrokeFeatures, features_of, links_of
from napari_stml.analyses._shared.charts import sizes
from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Column, Outlines
from napari_stml.core.params import param
from napari_stml.core.results import Model, Result, Table
from napari_stml.methods.expression.gene_sets import split
from napari_stml.methods.strokes import linear
from napari_stml.methods.strokes.learning import Ground
from napari_stml.regions.inside import by_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._regions.stroke_features import Features
    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

NEXT = 5


class FewStrokesParams(StrokeFeatures):
    column: str = param(
        "", title="Examples", source="category",
        help="A column with labels on some spots; empty takes the drawn regions' classes.",
    )  # fmt: skip
    ignore: str = param(
        "Ignore", title="Not a class", rare=True,
        help="Classes that are no examples, between commas.",
    )  # fmt: skip


@register
class FewStrokes:
    """Paint examples of two classes or more; the rest of the section is predicted."""

    name = "few-strokes"
    title = "Learn from a few strokes"
    tab = "regions"
    order = 30
    sections = "one"
    context = "inside"
    Params = FewStrokesParams

    def needs(self, params: FewStrokesParams) -> Mapping[str, Need]:
        examples: Need = Column(params.column) if params.column else Outlines()
        return {"examples": examples, **params.feature_needs()}

    @limited
    def run(self, inputs: Inputs, params: FewStrokesParams) -> Steps:
        section = inputs.one
        yield at(0, "reading")
        found = yield from features_of(section, params, (2, 55))
        spots = found.spots
        codes, names = _examples(spots, params)
        yield at(60, "directions")
        links = links_of(spots) if params.smooth else None
        ground = Ground.of(found.values, links, params.smooth, standardise=found.standardise)
        yield at(75, "learning")
        rows = np.flatnonzero(codes >= 0)
        learnt = ground.learn(rows, codes[rows], len(names))
        yield at(90, "where to look next")
        labelled = codes >= 0
        xy = section.xy[spots.rows]
        ask = linear.look_next(learnt.uncertainty, ground.points, xy, labelled, NEXT)
        table = Table("look next", {
            "spot": tuple(str(section.names[spots.rows[i]]) for i in ask),
            "uncertainty": learnt.uncertainty[ask],
            "taken for": tuple(names[learnt.codes[i]] for i in ask),
        })  # fmt: skip
        counts = np.bincount(codes[rows], minlength=len(names))
        notes = (
            *found.notes,
            "examples: " + ", ".join(f"{n} {c}" for n, c in zip(names, counts, strict=True)),
            _checked(learnt.checked),
            f"linear classifier, {ground.points.shape[1]} directions, penalty "
            f"{learnt.model.penalty:g}, {params.smooth} rounds of averaging",
        )
        return Result.of(
            section.section,
            spots.labels("predicted", learnt.codes, names),
            spots.values("uncertainty", learnt.uncertainty),
            spots.matrix("chance", learnt.chances, names),
            spots.labels("examples", codes, names),
            table, sizes("sizes", "Predicted spots", "predicted", names, learnt.codes),
            _model(found, ground, learnt.model, names, params),
            shows="predicted", notes=notes,
        )  # fmt: skip


def _examples(spots: Inside, params: FewStrokesParams) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Codes of the labelled rows (-1 elsewhere) and the classes that have any."""
    ignored = set(split(params.ignore))
    if params.column:
        codes, names = spots.categories("examples", params.column)
    else:
        some = [r for r in spots.section["examples"] if r.kind and r.kind not in ignored]
        outlines = [shapely.from_wkb(r.outline) for r in some]
        xy = spots.section.xy[spots.rows]
        codes, names, _ = by_class(xy, outlines, [r.kind for r in some])
    kept = [i for i, n in enumerate(names) if n not in ignored and (codes == i).any()]
    if len(kept) < 2:
        known = ", ".join(names[i] for i in kept) or "none"
        raise StmlError(
            f"Examples of two classes are needed; there are spots of: {known}",
            where=spots.section.section, do="draw a region of another class, and give it one",
        )  # fmt: skip
    place = np.full(len(names) + 1, -1, dtype=np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    return place[codes], tuple(names[i] for i in kept)


def _checked(value: float) -> str:
    if np.isnan(value):
        return "too few examples to hold some out; draw more of each class"
    return (f"held-out examples: balanced accuracy {value:.2f} (spots of one stroke are alike, so "
            "elsewhere it is lower)")  # fmt: skip


def _model(
    found: Features, ground: Ground, model: linear.Linear, names: tuple[str, ...],
    params: FewStrokesParams,
) -> Model:  # fmt: skip
    tensors = {
        "centre": ground.directions.centre,
        "spread": np.where(np.isfinite(ground.directions.spread), ground.directions.spread, 0.0),
        "axes": ground.directions.axes, "weights": model.weights,
    }  # fmt: skip
    if found.loadings is not None:
        tensors["loadings"] = found.loadings
    card = {
        "what": "linear classifier learnt from a few strokes", "classes": list(names),
        "features": params.embedding or "expression", "smooth": params.smooth,
        "standardise": found.standardise, "penalty": model.penalty,
        "together": bool(params.embedding and params.with_expression), "genes": list(found.genes),
        "use": "research use only; on sections of the same kind, made in the same way",
    }  # fmt: skip
    return Model("classifier", tensors, card)
