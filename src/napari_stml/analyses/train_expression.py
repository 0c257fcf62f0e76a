"""Learn expression from what the tissue looks like: networks, and the baselines beside them.

Tile ViT: a small vision transformer on tiles. STF: the SpatialTranscriptFormer, written from its
description (B. I. Wilson; its interactions derive from SurvPath, Jaume et al., CVPR 2024).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.analyses._expression.live import ExpressionLive, ExpressionLiveParams
from napari_stml.analyses._expression.looks import pathway_looks
from napari_stml.analyses._expression.params import TILES, TrainParams
from napari_stml.analyses._expression.parts import maps, pathway_maps, score_chart, score_table
from napari_stml.analyses._expression.study import judged, prepared, trained
from napari_stml.analyses._expression.training import material
from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import File, Pixels, Stored
from napari_stml.core.results import SHARED, Model, Part, Result
from napari_stml.methods.expression_models.scores import scored
from napari_stml.methods.expression_models.splits import HELD, NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.analyses._expression.study import Study
    from napari_stml.core.analysis import Live, Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.methods.expression_models.stored import Predicted, Trained

ROUNDING = 1e-5
"""A zero that was standardised and put back is not quite one."""


@register
class TrainExpression:
    """A model from morphology to genes, scored on spots it never saw."""

    name = "train-expression"
    title = "Train expression model"
    tab = "predict"
    order = 10
    sections = "many"
    context = "inside"
    uses_gpu = True
    Params = TrainParams
    LiveParams = ExpressionLiveParams

    def needs(self, params: TrainParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"counts": params.expression("counts"), "pixels": Pixels()}
        if params.features and params.network not in TILES:
            wanted["features"] = Stored(params.features, "features")
            wanted["feature settings"] = Stored(params.features, "tile settings")
        files = {"gene sets": params.gene_sets, "gene file": params.gene_file,
                 "weights": params.weights}  # fmt: skip
        return wanted | {name: File(path) for name, path in files.items() if path}

    @limited
    def run(self, inputs: Inputs, params: TrainParams) -> Steps:
        import torch

        torch.set_num_threads(max(1, inputs.threads))
        yield at(0, "reading expression")
        found = yield from material(inputs, params)
        study = yield from prepared(inputs, params, found)
        model, charts, told, kept = yield from trained(study)
        yield at(91, "predicting all spots")
        predicted = []
        for slide in study.seen:
            predicted.append(model.predict(slide, samples=params.samples, seed=inputs.seed,
                                           device=inputs.device))  # fmt: skip
            yield at(91 + 5 * len(predicted) / len(study.seen), "predicting all spots")
        targets = study.targets
        units = [(p.values - targets.mean) / targets.spread for p in predicted]
        own = scored(units, targets.values, study.split.mask(HELD))
        model, verdict = judged(study, model, own)
        said = [verdict, *study.said, *told]
        stored = Model("model", model.tensors(), model.card)
        if params.folder:
            from napari_stml.io.model_folder import write_model

            write_model(Path(params.folder).expanduser(), stored)
            said.append(f"the model was written to {params.folder}")
        yield at(97, "putting it together")
        other = study.other
        names = (params.network, other.title)
        table = score_table(targets.genes, own, other.scores, other.title)
        charts = [score_chart(targets.genes, own, other.scores, names), *charts]
        best = [int(i) for i in np.argsort(-own.r, kind="stable")]
        parts = _maps(study, model, predicted, best)
        if params.network == "stf" and params.return_attention:
            parts, looked = _attention(study, model, parts)
            said.append(looked)
        if kept is not None:
            kept.forget(params.members)
        shown = f"predicted {targets.genes[best[0]]}"
        return Result({**parts, SHARED: (*charts, table, stored)}, shown, tuple(said))

    def live(self, result: Result, inputs: Inputs) -> Live:
        return ExpressionLive(result)


def _attention(
    study: Study, model: Trained, parts: dict[str, tuple[Part, ...]]
) -> tuple[dict[str, tuple[Part, ...]], str]:
    """The parts with what the pathways looked at; a map that cannot be made is only told."""
    said = ""
    for spots, slide in zip(study.found.spots, study.seen, strict=True):
        try:
            looks, said = pathway_looks(model, slide, spots, study.inputs.device)
        except StmlError as error:
            return parts, f"no attention was kept: {error.what}"
        name = spots.section.section
        parts = {**parts, name: (*parts[name], *looks)}
    return parts, said


def _maps(
    study: Study, model: Trained, predicted: list[Predicted], best: list[int]
) -> dict[str, tuple[Part, ...]]:
    """By section: predicted, measured, difference, pathways, and which part each spot had."""
    targets, card = study.targets, model.card
    found: dict[str, tuple[Part, ...]] = {}
    for spots, p, wanted, which in zip(
        study.found.spots, predicted, targets.values, study.split.parts, strict=True
    ):
        measured = wanted * targets.spread + targets.mean
        measured[np.abs(measured) < ROUNDING] = 0.0
        own = maps(spots, p.values, measured, targets.genes, best, p.spread, card["unit"])
        own += pathway_maps(spots, p.pathways, model.pathways, card["pathway members"])
        own.append(spots.labels("part", which, NAMES))
        found[spots.section.section] = tuple(own)
    return found
