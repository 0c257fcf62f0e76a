"""A model from its choices: network, loss and how it is trained, with defaults that work."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_stml.methods.expression_models.fitting import TrainingPlan
from napari_stml.methods.expression_models.networks import FROM_BAGS, build, hushed, takes_tiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from numpy.typing import NDArray

    from napari_stml.methods.expression_models.learners import Learner
    from napari_stml.methods.expression_models.samples import Slide
    from napari_stml.models.losses import LossName

Supervision = Literal["each spot", "whole slides", "patches"]


@dataclass(frozen=True)
class Recipe:
    """One network and its training.

    Attributes
    ----------
    network
        What `networks.build` takes: the name and the sizes.
    window, noise, steps
        Of networks that see slides: cut of the slide in steps of the array, noise added to the
        features, and steps of training per slide and epoch.
    neighbours
        Of networks that see bags, and of an stf that sees patches.
    supervision
        What an stf is compared on: every spot, the mean of windows, or the centre of a spot and
        its neighbours.
    """

    network: Mapping[str, Any]
    loss: LossName = "mse"
    pcc_weight: float = 1.0
    pathway_weight: float = 0.0
    plan: TrainingPlan = field(default_factory=TrainingPlan)
    batch: int = 64
    augment: bool = True
    window: float = 0.0
    noise: float = 0.0
    steps: int = 4
    neighbours: int = 8
    supervision: Supervision = "each spot"

    @property
    def name(self) -> str:
        return str(self.network["network"])

    def seeded(self, seed: int) -> Recipe:
        return replace(self, plan=replace(self.plan, seed=seed))


def learner_of(
    recipe: Recipe, slides: Sequence[Slide], wanted: Sequence[NDArray[Any]],
    train: Sequence[NDArray[Any]], *, membership: torch.Tensor | None = None,
    device: str = "cpu", base: Sequence[NDArray[Any]] | None = None,
) -> Learner:  # fmt: skip
    """The network with fresh weights of the recipe's seed, and what it learns from.

    With ``base`` (a prediction of every spot) it begins by adding nothing to that.
    """
    import torch

    from napari_stml.methods.expression_models.learners import (
        BagLearner,
        PatchLearner,
        SlideLearner,
        TileLearner,
    )
    from napari_stml.models.losses import Objective
    from napari_stml.models.stf import Stf

    torch.manual_seed(recipe.plan.seed)
    net = build(recipe.network, membership)
    if base is not None:
        hushed(net)
    there = None if membership is None else membership.to(device)
    objective = Objective(recipe.loss, recipe.pcc_weight, recipe.pathway_weight, there)
    if takes_tiles(recipe.name):
        return TileLearner(
            net, slides, wanted, train, objective, batch=recipe.batch, augment=recipe.augment,
            device=device, base=base,
        )  # fmt: skip
    if recipe.name in FROM_BAGS:
        return BagLearner(
            net, slides, wanted, train, objective, neighbours=recipe.neighbours,
            batch=recipe.batch, device=device, base=base,
        )  # fmt: skip
    assert isinstance(net, Stf)
    if recipe.supervision == "patches":
        return PatchLearner(
            net, slides, wanted, train, objective, neighbours=recipe.neighbours,
            batch=recipe.batch, augment=recipe.augment, device=device, base=base,
        )  # fmt: skip
    if recipe.supervision == "whole slides" and base is not None:
        raise ValueError("means of slides cannot correct a start of single spots")
    return SlideLearner(
        net, slides, wanted, train, objective, steps=recipe.steps, window=recipe.window,
        noise=recipe.noise, augment=recipe.augment, device=device, base=base,
        means=recipe.supervision == "whole slides",
    )  # fmt: skip
