"""Use a classifier that was learnt from strokes on another section."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.analyses._regions.stroke_features import links_of
from napari_stml.analyses._shared.charts import sizes
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Embedding, File
from napari_stml.core.params import param
from napari_stml.core.results import Result
from napari_stml.io.run_parts.model_file import read_model
from napari_stml.methods.strokes import linear

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.core.results import Model

CLIP = 10.0
LEAST_GENES = 0.5


class ApplyStrokesParams(FromTable):
    file: str = param(
        title="Classifier", source="file", help="A .safetensors file saved from such a Run."
    )
    embedding: str = param(
        "", title="Features", source="obsm",
        help="This section's features, of the kind that the classifier was learnt on; empty for "
        "one learnt on expression.",
    )  # fmt: skip


@register
class ApplyStrokes:
    """Predict classes with a stored classifier; features are standardised on this section."""

    name = "apply-strokes"
    title = "Apply a learnt classifier"
    tab = "regions"
    order = 35
    sections = "one"
    context = "inside"
    Params = ApplyStrokesParams

    def needs(self, params: ApplyStrokesParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"file": File(params.file)}
        if params.embedding:
            wanted["embedding"] = Embedding(params.embedding, params.table or None)
        else:
            wanted["expression"] = params.expression("log")
        return wanted

    @limited
    def run(self, inputs: Inputs, params: ApplyStrokesParams) -> Steps:
        section = inputs.one
        yield at(0, "reading")
        model = read_model(Path(section["file"]))
        card, names = model.card, tuple(map(str, model.card.get("classes", ())))
        if not {"axes", "weights", "centre", "spread"} <= set(model.tensors) or len(names) < 2:
            raise StmlError(
                "This file holds no classifier of strokes", where=Path(params.file).name
            )
        if card.get("together"):
            raise StmlError("A classifier on features and expression together stays with its "
                            "section", do="learn on one of them")  # fmt: skip
        spots = inside(section, least=4)
        yield at(20, "features")
        if params.embedding:
            spots, values, note = _stored(spots, model)
        else:
            spots, values, note = _components(spots, model)
        yield at(60, "predicting")
        rounds = int(card.get("smooth", 0))
        if rounds:
            values = linear.smoothed(values, links_of(spots), rounds)
        spread = values.std(axis=0) if card.get("standardise") else np.ones(values.shape[1])
        spread = np.where((spread > 1e-9) & (model.tensors["spread"] > 0), spread, np.inf)
        points = (values - values.mean(axis=0)) / spread @ model.tensors["axes"]
        chances = linear.Linear(np.asarray(model.tensors["weights"]), 0.0)(points)
        codes = chances.argmax(axis=1)
        notes = (note, "features standardised on this section: with other tissue in it than where "
                 "it was learnt, shares of classes shift")  # fmt: skip
        return Result.of(
            section.section, spots.labels("predicted", codes, names),
            spots.values("uncertainty", linear.uncertainty(chances)),
            spots.matrix("chance", chances, names),
            sizes("sizes", "Predicted spots", "predicted", names, codes),
            shows="predicted", notes=notes,
        )  # fmt: skip


def _stored(spots: Inside, model: Model) -> tuple[Inside, NDArray[np.float64], str]:
    values = np.asarray(spots.section["embedding"], dtype=np.float64)
    values = values.reshape(len(values), -1)
    wanted = len(model.tensors["centre"])
    if values.shape[1] != wanted or "loadings" in model.tensors:
        raise StmlError(
            f"The classifier was learnt on {model.card.get('features')} ({wanted} numbers); these "
            f"are {values.shape[1]}", do="choose the features it was learnt on",
        )  # fmt: skip
    kept = spots.only(np.asarray(np.isfinite(values[spots.rows]).all(axis=1)))
    return kept, values[kept.rows], f"features: {wanted} numbers per spot"


def _components(spots: Inside, model: Model) -> tuple[Inside, NDArray[np.float64], str]:
    """Project this section's standardised expression; genes it lacks count as average."""
    if "loadings" not in model.tensors:
        raise StmlError(f"The classifier was learnt on {model.card.get('features')}",
                        do="choose these features of this section")  # fmt: skip
    log, genes = spots.expression("expression")
    kept = np.diff(log.indptr) > 0
    log, spots = log[kept], spots.only(kept)
    wanted = [str(g) for g in model.card["genes"]]
    place = {g: i for i, g in enumerate(genes)}
    there = np.array([g in place for g in wanted])
    if there.mean() < LEAST_GENES:
        raise StmlError(f"Only {int(there.sum())} of the classifier's {len(wanted)} genes are here",
                        where=spots.section.section)  # fmt: skip
    some = log[:, [place[g] for g in np.array(wanted, dtype=object)[there]]].toarray()
    some = some.astype(np.float64)
    spread = some.std(axis=0, ddof=1)
    z = (some - some.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    values = np.clip(z, -CLIP, CLIP) @ model.tensors["loadings"][there]
    return spots, values, f"{int(there.sum())} of the classifier's {len(wanted)} genes"
