"""Every model of the table: predictions of the test sections of a fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from her2st_task import TARGETS, Arrays, Task, kept

from napari_stml.io.gene_sets import aliases, hallmark
from napari_stml.methods.expression.gene_sets import from_text
from napari_stml.methods.expression_models import linear
from napari_stml.methods.expression_models.fitting import TrainingPlan, Watched, fit
from napari_stml.methods.expression_models.membership import membership
from napari_stml.methods.expression_models.recipe import Recipe, learner_of
from napari_stml.methods.expression_models.seeing import as_images, seen_by
from napari_stml.methods.expression_models.splits import apart, block_of
from napari_stml.methods.expression_models.start import fit_start
from napari_stml.models.stf import StfConfig

if TYPE_CHECKING:
    from napari_stml.methods.expression_models.samples import Slide

TAKEN = [(s, k) for s in ("spot", "spot and neighbours", "neighbourhood")
         for k in ("each section", "ranks in each section")]  # fmt: skip
LINEAR = ("mean", "ridge", "pls", "reduced rank")
TILES = ("tile vit", "he2rna", "vit_st")
NETWORKS = ("tile vit", "stf", "stf from reduced rank", "stf on vit", "attention mil", "transmil",
            "he2rna", "vit_st")  # fmt: skip
ON_FEATURES = ("stf", "stf from reduced rank")
VERSION = 1


def linear_model(task: Task, kind: str, target: str) -> Arrays:
    """Predictions of all genes; every gene list is fitted by itself."""
    said = (VERSION, "linear", task.title, kind, target)
    return kept(said, lambda: {target: _fit_linear(task, kind, target)})[target]


def network(task: Task, kind: str, target: str, seed: int) -> Arrays:
    """Predictions of a network trained on the union of the gene lists.

    Networks of tiles learn raw and smoothed values together, at half the cost.
    """
    if kind in TILES:
        recipe = _tile_recipe(kind, 2 * len(task.genes), seed)
        said = (VERSION, task.title, kind, recipe)
        return kept(said, lambda: _fit_tiles(task, recipe))[target]
    if kind == "stf on vit":
        vit = _tile_recipe("tile vit", 2 * len(task.genes), seed)
        tokens = kept((VERSION, task.title, "tokens", vit), lambda: _fit_tiles(task, vit, True))
        slides, around = task.relooked(tokens["tokens"]), "spot"
    else:
        slides = task.slides
        around = "neighbourhood" if target == "smoothed" else "spot and neighbours"
    scaling = "ranks in each section" if kind in ON_FEATURES else "each section"
    around = around if kind in ON_FEATURES else "spot"
    ready = task.ready(around, scaling, slides)
    recipe = _feature_recipe(kind, ready[0], task, seed)
    said = (VERSION, task.title, kind, target, around, scaling, recipe)
    start = kind == "stf from reduced rank"
    return kept(said, lambda: {target: _fit_features(task, recipe, ready, target, start)})[target]


def _fit_linear(task: Task, kind: str, target: str) -> Arrays:
    out = [np.zeros((len(task.slides[i]), len(task.genes))) for i in task.tests]
    groups, spread = task.groups(), task.spread[target]
    fits = {"ridge": linear.fit_ridge, "pls": linear.fit_pls, "reduced rank": linear.fit_reduced}
    for name in reversed(task.lists):  # a gene of several lists is kept as the last one says
        at = task.columns(name)
        for found in out:
            found[:, at] = 0
        y = task.taught([v[:, at] / spread[at] for v in task.centred[target]])
        taken = [("spot", "each section")]
        if kind == "reduced rank":
            taken = _best_taken(task, y, groups)
        for around, scaling in taken:
            ready = task.ready(around, scaling)
            x = task.taught([s.features for s in ready])
            model = fits[kind](x, y, groups) if kind in fits else linear.fit_mean(x, y)
            print(f"  {task.title}, {target}, {kind}, {name}: {around}, {scaling}, {model.chosen}",
                  flush=True)  # fmt: skip
            for found, i in zip(out, task.tests, strict=True):
                found[:, at] += model(ready[i].features) * spread[at] / len(taken)
    return out


def _best_taken(task: Task, y: np.ndarray, groups: np.ndarray) -> list[tuple[str, str]]:
    """The three ways to take features with the best inner score; their predictions are averaged."""
    tried = []
    for around, scaling in TAKEN:
        x = task.taught([s.features for s in task.ready(around, scaling)])
        tried.append((linear.inner_score(_fixed(x, y, groups), x, y, groups), around, scaling))
    return [(around, scaling) for _, around, scaling in sorted(tried, reverse=True)[:3]]


def _fixed(x: np.ndarray, y: np.ndarray, groups: np.ndarray):
    """Reduced rank at the rank and penalty that all groups together choose."""
    chosen = linear.fit_reduced(x, y, groups).chosen.replace(",", "").split()
    rank, penalty = int(chosen[1]), float(chosen[3])
    return lambda a, b, g: linear.fit_reduced(a, b, g, [penalty], [rank])


def _tile_recipe(kind: str, genes: int, seed: int) -> Recipe:
    if kind == "tile vit":
        plan = TrainingPlan(25, 1e-3, 0.0, 2, 8, seed=seed)
        return Recipe({"network": kind, "genes": genes}, "mse_pcc", plan=plan)
    small = {"he2rna": "resnet18", "vit_st": "vit_tiny_patch16_224"}[kind]  # weights at random
    return Recipe({"network": kind, "genes": genes, "backbone": small, "side": 64}, "mse_pcc",
                  plan=TrainingPlan(6, 3e-4, 1e-2, 1, 6, seed=seed))  # fmt: skip


def _feature_recipe(kind: str, slide: Slide, task: Task, seed: int) -> Recipe:
    genes, features = len(task.genes), slide.features.shape[1]
    if kind.startswith("stf"):
        sets = _sets(task)
        config = StfConfig(features, genes, len(sets), width=64, heads=4, layers=2, dropout=0.2,
                           init="binary")  # fmt: skip
        plan = TrainingPlan(60, 2e-3, 1e-2, 3, 15, seed=seed)
        return Recipe({"network": "stf", **config.card()}, "mse_pcc", pathway_weight=0.5,
                      noise=0.1, steps=3, plan=plan)  # fmt: skip
    sizes = {"network": kind, "genes": genes, "features": features, "width": 128}
    more = {"landmarks": 8} if kind == "transmil" else {}
    return Recipe({**sizes, **more}, "mse_pcc",
                  plan=TrainingPlan(20, 1e-3, 1e-2, 2, 8, seed=seed))  # fmt: skip


def _sets(task: Task) -> np.ndarray:
    named = from_text(hallmark(), "Hallmark", gmt=True)
    return membership(named, task.genes, aliases()).matrix


def _fit_tiles(task: Task, recipe: Recipe, tokens: bool = False) -> dict[str, Arrays]:
    both = [np.concatenate(p, axis=1) for p in zip(*map(task.wanted, TARGETS), strict=True)]
    net = _trained(task, recipe, task.slides, both)
    if tokens:
        with torch.no_grad():
            return {"tokens": [
                torch.cat([net.forward_features(as_images(p))[:, 0]
                           for p in torch.split(torch.from_numpy(s.tiles), 256)]).numpy()
                for s in task.slides]}  # fmt: skip
    found = [seen_by(recipe.name, net, task.slides[i])[0] for i in task.tests]
    count = len(task.genes)
    raw = [f[:, :count] * task.spread["raw"] for f in found]
    return {"raw": raw, "smoothed": [f[:, count:] * task.spread["smoothed"] for f in found]}


def _fit_features(
    task: Task, recipe: Recipe, ready: list[Slide], target: str, start: bool
) -> Arrays:
    wanted, begun = task.wanted(target), None
    if start:
        folds = [np.full(len(s), i) for i, s in enumerate(ready)]
        train, stop = stopping(task, recipe.plan.seed)
        begun = fit_start("reduced rank", ready, wanted, train, stop, folds)
    net = _trained(task, recipe, ready, wanted, None if begun is None else begun.base)
    found = [seen_by(recipe.name, net, ready[i])[0] for i in task.tests]
    if begun is not None:
        found = [f + begun.start(ready[i]) for f, i in zip(found, task.tests, strict=True)]
    return [f * task.spread[target] for f in found]


def _trained(task: Task, recipe: Recipe, slides: list[Slide], wanted: Arrays, base=None):
    """Trained on the teaching sections; blocks of those stop it."""
    train, stop = stopping(task, recipe.plan.seed)
    sets = torch.from_numpy(_sets(task)) if recipe.name == "stf" else None
    learner = learner_of(recipe, slides, wanted, train, membership=sets, base=base)
    watched = Watched(slides, wanted, stop, base)
    if recipe.name in TILES:
        watched = watched.alone()
    for _ in fit(learner, recipe.plan, watched):
        pass
    return learner.net


def stopping(task: Task, seed: int) -> tuple[Arrays, Arrays]:
    """Spots that teach, and blocks of the same sections that stop, with a gap between them."""
    train, stop = [], []
    for slide, teaches in zip(task.slides, task.teaches, strict=True):
        cell = block_of(slide.xy, 7)
        chosen = teaches & ((cell[:, 0] + 3 * cell[:, 1] + seed) % 7 == 0)
        stop.append(chosen)
        train.append(apart(slide.xy, teaches & ~chosen, chosen, 1.1))
    return train, stop
