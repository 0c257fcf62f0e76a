"""One training from its material to a trained model, in steps that can be watched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._expression import training
from napari_stml.analyses._expression.params import TILES
from napari_stml.analyses._expression.parts import UNIT, curve_chart
from napari_stml.analyses._expression.recipe import (
    chosen_genes,
    pathways_of,
    recipe_of,
    sets_of,
    start_of,
)
from napari_stml.analyses._expression.seen import quick_features
from napari_stml.analyses._shared.progress import at
from napari_stml.methods.expression_models.networks import LINEAR
from napari_stml.methods.expression_models.samples import with_surroundings
from napari_stml.methods.expression_models.scores import bootstrap, scored
from napari_stml.methods.expression_models.splits import HELD, NAMES, STOP, TRAIN, split
from napari_stml.methods.expression_models.standing import FeatureScale
from napari_stml.methods.expression_models.stored import FORMAT, KIND, Trained
from napari_stml.methods.expression_models.targets import make_targets

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_stml.analyses._expression.params import TrainParams
    from napari_stml.analyses._expression.training import Baseline, Material
    from napari_stml.core.charts import Chart
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.progress import Progress
    from napari_stml.methods.expression_models.membership import Membership
    from napari_stml.methods.expression_models.samples import Slide
    from napari_stml.methods.expression_models.scores import Scores
    from napari_stml.methods.expression_models.splits import Split
    from napari_stml.methods.expression_models.start import Started
    from napari_stml.methods.expression_models.targets import Targets


@dataclass(frozen=True)
class Study:
    """Everything before a network is trained.

    ``seen`` are the slides with all that the model looks at, ``ready`` those on its scale.
    """

    params: TrainParams
    inputs: Inputs
    found: Material
    split: Split
    targets: Targets
    members: Membership | None
    seen: tuple[Slide, ...]
    ready: tuple[Slide, ...]
    scale: FeatureScale
    other: Baseline
    said: tuple[str, ...]

    @property
    def tiles(self) -> bool:
        return self.params.network in TILES

    def card(self) -> dict[str, Any]:
        """What the model's card says whatever the network."""
        params, targets, members = self.params, self.targets, self.members
        return {
            "kind": KIND, "format": FORMAT, "genes": list(targets.genes),
            "unit": "counts" if targets.counts else UNIT, "smoothed": params.smooth,
            "looks": self.found.looks, "feature scaling": params.feature_scaling,
            "surroundings": params.surroundings, "split": self.split.said,
            "seed": self.inputs.seed, "neighbours": params.neighbours,
            "pitch um": self.found.pitch_um,
            "sections": {s.name: len(s) for s in self.found.slides},
            "spots": {NAMES[k]: self.split.count(k) for k in (TRAIN, STOP, HELD)},
            "pathways": [] if members is None else list(members.names),
            "pathway members": [] if members is None
            else [int(n) for n in members.matrix.sum(axis=1)],
            "note": "research use only; not for diagnosis",
        }  # fmt: skip


def prepared(
    inputs: Inputs, params: TrainParams, found: Material
) -> Generator[Progress, None, Study]:
    """Split, genes, targets, and the linear baseline."""
    from scipy.sparse import vstack

    yield at(29, "choosing genes")
    parts = split(found.slides, params.split, seed=inputs.seed, left_out=params.left_out)
    train = parts.mask(TRAIN)
    sets = sets_of(params)
    rows = zip(found.slides, train, strict=True)
    teaching = vstack([s.counts[m] for s, m in rows if s.counts is not None]).tocsr()
    columns, notes = chosen_genes(params, teaching, found.genes, sets)
    targets = make_targets(
        found.slides, found.genes, columns, train, smooth=params.smooth,
        counts="zinb" in (params.loss, params.gene_head), standardise=params.standardise,
    )  # fmt: skip
    members = pathways_of(params, sets, targets.genes)
    yield at(31, "the linear baseline")
    seen, around = found.slides, params.surroundings
    if params.network in TILES:
        um = params.tile_um / found.looks["tiles"]["pixels"]
        seen, around = quick_features(found.slides, um), "spot"
    looked = tuple(with_surroundings(s, around) for s in seen)
    scale = FeatureScale.of(looked, train, params.feature_scaling)
    ready = tuple(scale(s) for s in looked)
    kind = "mean" if params.network == "ridge" else "ridge"
    other = training.baseline(ready, targets, parts, kind, kind)
    said = [*found.notes, *notes, parts.said]
    if members is not None:
        said.append(members.said())
    if targets.constant:
        said.append(f"{len(targets.constant)} genes do not vary between the training spots "
                    f"and were left out: {', '.join(targets.constant[:6])}")  # fmt: skip
    return Study(
        params, inputs, found, parts, targets, members, seen, ready, scale, other, tuple(said)
    )


def trained(
    study: Study,
) -> Generator[Progress, None, tuple[Trained, list[Chart], list[str], training.Kept | None]]:
    """The model, the chart of its training, what to say, and where its checkpoints lie."""
    params, targets, card = study.params, study.targets, study.card()
    if params.network in LINEAR:
        own = training.baseline(study.ready, targets, study.split, params.network, params.network)
        card["config"] = {"network": params.network}
        model = Trained(card, (), own.model, study.scale, targets.mean, targets.spread)
        said = [f"{params.network}: {own.model.chosen}"] if own.model.chosen else []
        return model, [], said, None
    features = study.ready[0].features
    recipe, told = recipe_of(
        params, len(targets.genes), 0 if features is None else features.shape[1],
        sum(map(len, study.found.slides)), 0 if study.members is None else
        len(study.members.names), study.inputs.seed, study.inputs.device,
    )  # fmt: skip
    card |= {"config": dict(recipe.network), "loss": recipe.loss,
             "pathway loss weight": recipe.pathway_weight,
             "supervision": recipe.supervision}  # fmt: skip

    kind, begun = start_of(params), None
    if kind is not None:
        yield at(33, f"solving the start, {kind}")
        begun = training.started(study.ready, targets, study.split, kind)
        card["start"] = begun.start.said()
        told = (*told, _start_said(kind, begun, study))
    start = None if begun is None else begun.start

    def as_model(nets: list[Any]) -> Trained:
        scale = None if study.tiles and start is None else study.scale
        whole = {**card, "members": len(nets)}
        return Trained(whole, tuple(nets), None, scale, targets.mean, targets.spread, start)

    kept = training.Kept.of(params, study.inputs, study.found, targets)
    nets, histories, went = yield from training.train_networks(
        recipe, study.ready, targets, study.split, kept, as_model, members=params.members,
        device=study.inputs.device,
        membership=None if study.members is None else study.members.matrix,
        base=None if begun is None else begun.base,
    )  # fmt: skip
    return as_model(nets), [curve_chart(histories[0])], [*told, *went], kept


def _start_said(kind: str, begun: Started, study: Study) -> str:
    masks = study.split.mask(HELD)
    alone = scored([begun.start(s) for s in study.ready], study.targets.values, masks).mean_r
    places = begun.start.places
    of = "" if places is None else f" and of the place in {places.section}"
    return (f"the network corrects a {kind} of the features{of} ({begun.start.model.chosen}), "
            f"whose own r on held-out spots is {alone:.3f}")  # fmt: skip


def judged(study: Study, model: Trained, own: Scores) -> tuple[Trained, str]:
    """The model with its scores in the card, and the verdict in one sentence."""
    other = study.other
    gain, low, high = bootstrap(own.r, other.scores.r, seed=study.inputs.seed)
    best = np.argsort(-own.r, kind="stable")
    card = {
        **model.card,
        "best genes": [study.targets.genes[i] for i in best],
        "scores": {"held-out mean r": own.mean_r, "gain": gain, "95 % interval": [low, high],
                   f"held-out mean r, {other.title}": other.scores.mean_r},
    }  # fmt: skip
    of = " on the default features of the same tiles" if study.tiles else ""
    verb = "beats" if low > 0 else "is worse than" if high < 0 else "does not clearly beat"
    said = (
        f"{study.params.network} {verb} {other.title}{of}: held-out mean r {own.mean_r:.3f} "
        f"against {other.scores.mean_r:.3f} ({gain:+.3f}, 95 % interval over genes {low:+.3f} to "
        f"{high:+.3f})"
    )
    if own.variance.size and np.nanmedian(own.variance) < 0.02:
        said += "; the predicted maps are nearly flat: the model has collapsed to the mean"
    return replace(model, card=card), said
