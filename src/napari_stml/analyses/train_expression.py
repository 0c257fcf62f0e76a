"""Learn expression from what the tissue looks like: networks, and the baselines beside them.

Tile ViT: a small vision transformer on tiles. STF: the SpatialTranscriptFormer, written from its
description (B. I. Wilson; its interactions derive from SurvPath, Jaume et al., CVPR 2024).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses import _expression_training as training
from napari_stml.analyses._expression_live import ExpressionLive, ExpressionLiveParams
from napari_stml.analyses._expression_params import TILES, TrainParams
from napari_stml.analyses._expression_parts import (
    UNIT,
    curve_chart,
    maps,
    pathway_maps,
    score_chart,
    score_table,
)
from napari_stml.analyses._expression_recipe import (
    chosen_genes,
    pathways_of,
    recipe_of,
    sets_of,
)
from napari_stml.analyses._progress import at
from napari_stml.analyses._threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.needs import File, Pixels, Stored
from napari_stml.core.results import SHARED, Model, Part, Result
from napari_stml.methods.expression_models.networks import LINEAR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.analysis import Live, Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.methods.expression_models.stored import Trained


@register
class TrainExpression:
    """A model from morphology to genes, scored on spots it never saw."""

    name = "train-expression"
    title = "Train expression model"
    tab = "predict"
    order = 10
    sections = "many"
    context = "inside"
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

        from napari_stml.methods.expression_models.samples import with_surroundings
        from napari_stml.methods.expression_models.scores import bootstrap, scored
        from napari_stml.methods.expression_models.splits import HELD, NAMES, STOP, TRAIN, split
        from napari_stml.methods.expression_models.standing import FeatureScale
        from napari_stml.methods.expression_models.stored import FORMAT, KIND
        from napari_stml.methods.expression_models.stored import Trained as Model_
        from napari_stml.methods.expression_models.targets import make_targets

        torch.set_num_threads(max(1, inputs.threads))
        yield at(0, "reading expression")
        found = yield from training.material(inputs, params)
        parts = split(found.slides, params.split, seed=inputs.seed, left_out=params.left_out)
        train, held = parts.mask(TRAIN), parts.mask(HELD)
        yield at(29, "choosing genes")
        sets = sets_of(params)
        from scipy.sparse import vstack

        rows = zip(found.slides, train, strict=True)
        teaching = vstack([s.counts[m] for s, m in rows if s.counts is not None]).tocsr()
        columns, notes = chosen_genes(params, teaching, found.genes, sets)
        wants_counts = params.loss == "zinb" or params.gene_head == "zinb"
        targets = make_targets(
            found.slides, found.genes, columns, train, counts=wants_counts,
            smooth=params.smooth, standardise=params.standardise,
        )  # fmt: skip
        members = pathways_of(params, sets, targets.genes)
        yield at(31, "the linear baseline")
        network = params.network
        tiles = network in TILES
        if tiles:
            um = params.tile_um / found.looks["tiles"]["pixels"]
            looked = training.quick_features(found.slides, um)
        else:
            looked = tuple(with_surroundings(s, params.surroundings) for s in found.slides)
        scale = FeatureScale.of(looked, train, params.feature_scaling)
        ready = tuple(scale(s) for s in looked)
        only = network if network in LINEAR else "ridge"
        other = training.baseline(ready, targets, parts, "mean" if network == "ridge" else "ridge",
                                  "mean" if network == "ridge" else "ridge")  # fmt: skip
        spots = sum(map(len, found.slides))
        config: dict[str, Any] = {"network": network}
        card: dict[str, Any] = {
            "kind": KIND, "format": FORMAT, "genes": list(targets.genes), "unit": "counts"
            if targets.counts else UNIT, "smoothed": params.smooth, "looks": found.looks,
            "feature scaling": params.feature_scaling, "surroundings": params.surroundings, "split": parts.said, "seed": inputs.seed,
            "sections": {s.name: len(s) for s in found.slides},
            "spots": {NAMES[k]: parts.count(k) for k in (TRAIN, STOP, HELD)},
            "neighbours": params.neighbours, "pitch um": found.pitch_um,
            "pathways": list(members.names) if members is not None else [],
            "pathway members": [int(n) for n in members.matrix.sum(axis=1)]
            if members is not None else [],
            "note": "research use only; not for diagnosis",
        }  # fmt: skip
        charts: list[Part] = []
        said: list[str] = [*found.notes, *notes, parts.said]
        if network in LINEAR:
            own = training.baseline(ready, targets, parts, only, only)
            trained = Model_({**card, "config": config}, (), own.model, scale, targets.mean,
                             targets.spread)  # fmt: skip
            said.append(f"{network}: {own.model.chosen}" if own.model.chosen else network)
        else:
            recipe, told = recipe_of(
                params, len(targets.genes), ready[0].features.shape[1] if not tiles else 0,  # type: ignore[union-attr]
                spots, len(members.names) if members is not None else 0, inputs.seed,
                inputs.device,
            )  # fmt: skip
            said += told
            card |= {"config": dict(recipe.network), "loss": recipe.loss,
                     "pathway loss weight": recipe.pathway_weight}  # fmt: skip

            def as_model(nets: list[Any]) -> Trained:
                return Model_({**card, "members": len(nets)}, tuple(nets), None,
                              None if tiles else scale, targets.mean, targets.spread)  # fmt: skip

            kept = training.Kept.of(params, inputs, found, targets)
            nets, histories, went = yield from training.train_networks(
                recipe, ready, targets, parts, kept, as_model, members=params.members,
                device=inputs.device, membership=None if members is None else members.matrix,
            )  # fmt: skip
            said += went
            trained = as_model(nets)
            charts.append(curve_chart(histories[0]))
        if members is not None:
            said.append(members.said())
        if targets.constant:
            said.append(f"{len(targets.constant)} genes do not vary between the training spots "
                        f"and were left out: {', '.join(targets.constant[:6])}")  # fmt: skip
        yield at(91, "predicting all spots")
        predicted = []
        for slide in found.slides:
            predicted.append(trained.predict(slide, samples=params.samples, seed=inputs.seed,
                                             device=inputs.device))  # fmt: skip
            yield at(91 + 5 * len(predicted) / len(found.slides), "predicting all spots")
        units = [(p.values - targets.mean) / targets.spread for p in predicted]
        result = scored(units, targets.values, held)
        gain, low, high = bootstrap(result.r, other.scores.r, seed=inputs.seed)
        said += [_verdict(network, other.title, result.mean_r, other.scores.mean_r, gain, low, high,
                          tiles)]  # fmt: skip
        if result.variance.size and np.nanmedian(result.variance) < 0.02:
            said.append("the predicted maps are nearly flat: the model has collapsed to the mean")
        card_now = {**trained.card, "scores": {
            "held-out mean r": result.mean_r, f"held-out mean r, {other.title}":
            other.scores.mean_r, "gain": gain, "95 % interval": [low, high]}}  # fmt: skip
        best = [int(i) for i in np.argsort(-result.r, kind="stable")]
        card_now["best genes"] = [targets.genes[i] for i in best]
        trained = replace(trained, card=card_now)
        model = Model("model", trained.tensors(), trained.card)
        if params.folder:
            from napari_stml.io.model_folder import write_model

            write_model(Path(params.folder).expanduser(), model)
            said.append(f"the model was written to {params.folder}")
        yield at(97, "putting it together")
        names = (network, other.title)
        table = score_table(targets.genes, result, other.scores, other.title)
        charts = [score_chart(targets.genes, result, other.scores, names), *charts]
        by_section: dict[str, tuple[Part, ...]] = {}
        for spots_, p, wanted, which in zip(found.spots, predicted, targets.values, parts.parts,
                                            strict=True):  # fmt: skip
            measured = wanted * targets.spread + targets.mean
            own_parts = maps(spots_, p.values, measured, targets.genes, best, p.spread,
                             card["unit"])  # fmt: skip
            own_parts += pathway_maps(spots_, p.pathways, trained.pathways,
                                      card["pathway members"])  # fmt: skip
            own_parts.append(spots_.labels("part", which, NAMES))
            by_section[spots_.section.section] = tuple(own_parts)
        if network not in LINEAR:
            kept.forget(params.members)
        shown = f"predicted {targets.genes[best[0]]}"
        return Result({**by_section, SHARED: (table, *charts, model)}, shown, tuple(said))

    def live(self, result: Result, inputs: Inputs) -> Live:
        return ExpressionLive(result)


def _verdict(
    network: str, other: str, own: float, base: float, gain: float, low: float, high: float,
    tiles: bool,
) -> str:  # fmt: skip
    """Whether the model is worth its while, in one sentence."""
    of = " on the default features of the same tiles" if tiles and other == "ridge" else ""
    verb = "beats" if low > 0 else "is worse than" if high < 0 else "does not clearly beat"
    return (
        f"{network} {verb} {other}{of}: held-out mean r {own:.3f} against {base:.3f} "
        f"({gain:+.3f}, 95 % interval over genes {low:+.3f} to {high:+.3f})"
    )
