"""The steps of a training: what is learned from, the baseline, the networks, their checkpoints."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._expression.params import FEATURES, TILES
from napari_stml.analyses._expression.seen import (
    PIXELS,
    Around,
    basic_around,
    basic_settings,
    of_run,
    tiles_around,
)
from napari_stml.analyses._shared.inside import Inside, inside
from napari_stml.analyses._shared.progress import at
from napari_stml.core.errors import StmlError
from napari_stml.core.progress import Progress
from napari_stml.core.results import Model
from napari_stml.io import model_folder
from napari_stml.methods.expression_models import linear
from napari_stml.methods.expression_models.lattice import in_steps
from napari_stml.methods.expression_models.samples import Slide, checked
from napari_stml.methods.expression_models.scores import scored
from napari_stml.methods.expression_models.splits import HELD, STOP, TRAIN, block_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_stml.analyses._expression.params import TrainParams
    from napari_stml.core.inputs import Inputs, SectionInputs
    from napari_stml.methods.expression_models.fitting import Checkpoint
    from napari_stml.methods.expression_models.recipe import Recipe
    from napari_stml.methods.expression_models.scores import Scores
    from napari_stml.methods.expression_models.splits import Split
    from napari_stml.methods.expression_models.start import Started, StartKind
    from napari_stml.methods.expression_models.stored import Trained
    from napari_stml.methods.expression_models.targets import Targets

KEEP_EVERY_S = 5.0
LEAST = 40
SETTLED = 5
"""Epochs after the warm-up before a flat map is worth a word."""


@dataclass(frozen=True)
class Material:
    """All sections ready to learn from; ``looks`` says how they were seen.

    ``pitch_um`` is the distance of neighbouring spots (of the last section).
    """

    spots: tuple[Inside, ...]
    slides: tuple[Slide, ...]
    genes: tuple[str, ...]
    looks: dict[str, Any]
    pitch_um: float
    notes: tuple[str, ...]


def material(inputs: Inputs, params: TrainParams) -> Generator[Progress, None, Material]:
    """Read expression, tiles or features; genes that all sections share."""
    count = len(inputs.sections)
    looks: dict[str, Any] = {}
    notes: list[str] = []
    pitch_um = 1.0
    read = []
    for section in inputs.sections:
        spots = inside(section, least=1)
        read.append((spots, *spots.expression("counts", counts=True)))
    genes = _shared([g for _, _, g in read])
    slides = []
    for i, (spots, counts, own) in enumerate(read):
        low, high = 2 + 26 * i / count, 2 + 26 * (i + 1) / count
        here = Around.spots(spots.section, spots.rows, inputs.threads)
        pitch = here.pitch_px()
        xy = in_steps(here.xy, pitch)
        pitch_um = pitch * here.seen.scale.mean
        place = {g: k for k, g in enumerate(own)}
        counts = counts[:, [place[g] for g in genes]] if own != genes else counts
        name, patient = spots.section.section, _patient(spots.section)
        features = tiles = None
        if params.network in TILES:
            tiles = yield from tiles_around(here, params.tile_um, low, high)
            looks = {"tiles": {"pixels": PIXELS, "um": params.tile_um}}
        if params.network in FEATURES:
            features, looks = yield from _features(here, spots, params, looks, low, high)
        slides.append(Slide(name, xy, features, tiles, counts.tocsr(), patient))
    checked(slides, genes, least=LEAST)
    if len(genes) < len(read[0][2]):
        notes.append(f"{len(genes):,} genes are in all {count} sections")
    return Material(tuple(r[0] for r in read), tuple(slides), genes, looks, pitch_um, tuple(notes))


def _features(
    here: Around, spots: Inside, params: TrainParams, looks: dict[str, Any], low: float,
    high: float,
) -> Generator[Progress, None, tuple[NDArray[np.float32], dict[str, Any]]]:  # fmt: skip
    if params.features:
        values, columns, said = of_run(spots.section, spots.rows, params.features)
    else:
        said = looks.get("features") or basic_settings(here.seen)
        coarsest = max(float(said["um per pixel"]), here.seen.scale.mean)
        if looks and coarsest > float(said["um per pixel"]) * 1.05:
            raise StmlError(
                "The sections' pictures have very different resolutions",
                where=spots.section.section,
                do="compute 'Features' with equal settings for all of them and choose that Run",
            )  # fmt: skip
        values, columns = yield from basic_around(here, said, low, high)
    return values, {"features": {**said, "columns": len(columns)}}


@dataclass(frozen=True)
class Baseline:
    """What is predicted without a network, and from what."""

    title: str
    found: tuple[NDArray[np.float32], ...]
    model: linear.Linear
    scores: Scores


def baseline(
    slides: Sequence[Slide], targets: Targets, split: Split, kind: str, title: str
) -> Baseline:
    """Fit a linear model on training and stopping spots together."""
    masks = split.mask(TRAIN, STOP)
    x = np.concatenate([_looks(s)[m] for s, m in zip(slides, masks, strict=True)])
    y = np.concatenate([w[m] for w, m in zip(targets.values, masks, strict=True)])
    if targets.counts:
        y = np.log1p(y)
    groups = np.concatenate([g[m] for g, m in zip(inner_folds(slides, masks), masks, strict=True)])
    fits: dict[str, Callable[..., linear.Linear]] = {
        "ridge": linear.fit_ridge, "reduced rank": linear.fit_reduced, "pls": linear.fit_pls,
    }  # fmt: skip
    model = fits[kind](x, y, groups) if kind in fits else linear.fit_mean(x, y)
    found = tuple(model(_looks(s)) for s in slides)
    scores = scored(found, targets.values, split.mask(HELD))
    return Baseline(title, found, model, scores)


def inner_folds(
    slides: Sequence[Slide], masks: Sequence[NDArray[np.bool_]]
) -> list[NDArray[np.intp]]:
    """Fold of every masked spot: sections, or within a single one blocks of it."""
    folds = [np.full(len(s), i, dtype=np.intp) for i, s in enumerate(slides)]
    used = [i for i, m in enumerate(masks) if m.any()]
    if len(used) == 1:
        (i,) = used
        cell = block_of(slides[i].xy[masks[i]], 5)
        folds[i][masks[i]] = (cell[:, 0] + 2 * cell[:, 1]) % 5
    return folds


def started(slides: Sequence[Slide], targets: Targets, split: Split, kind: StartKind) -> Started:
    """The linear prediction that a network is to correct."""
    from napari_stml.methods.expression_models.start import fit_start

    groups = inner_folds(slides, split.mask(TRAIN, STOP))
    return fit_start(kind, slides, targets.values, split.mask(TRAIN), split.mask(STOP), groups)


@dataclass(frozen=True)
class Kept:
    """Where a training keeps its checkpoints, as a folder that can be predicted with."""

    folder: Path
    key: str
    resume: bool

    @classmethod
    def of(cls, params: TrainParams, inputs: Inputs, material: Material, targets: Targets) -> Kept:
        digest = hashlib.blake2b(digest_size=16)
        plain = params.model_dump(mode="json", exclude={"resume", "folder", "samples", "members"})
        digest.update(repr((sorted(plain.items()), inputs.seed, targets.genes)).encode())
        for slide, wanted in zip(material.slides, targets.values, strict=True):
            for array in (slide.xy, slide.features, slide.tiles, wanted):
                if array is not None:
                    digest.update(np.ascontiguousarray(array).data.cast("B"))
        key = digest.hexdigest()
        name = f"{params.network.replace(' ', '-')}-{key[:8]}"
        return cls(model_folder.trainings_folder() / name, key, params.resume)

    def state(self, member: int) -> Checkpoint | None:
        """Where member ``member`` stood, if it was interrupted."""
        import torch

        from napari_stml.methods.expression_models.fitting import Checkpoint

        if not self.resume:
            return None
        found = model_folder.read_state(self.folder / f"member-{member}")
        if found is None or found[1].get("key") != self.key:
            return None
        return Checkpoint.read({k: torch.from_numpy(v) for k, v in found[0].items()}, found[1])

    def put(self, member: int, state: Checkpoint) -> None:
        tensors = {k: v.numpy() for k, v in state.tensors().items()}
        model_folder.write_state(
            self.folder / f"member-{member}", tensors, {**state.said(), "key": self.key}
        )

    def forget(self, members: int) -> None:
        for member in range(members):
            model_folder.forget_state(self.folder / f"member-{member}")


def train_networks(
    recipe: Recipe, slides: Sequence[Slide], targets: Targets, split: Split, kept: Kept,
    as_model: Callable[[list[Any]], Trained], *, members: int, device: str,
    membership: NDArray[np.float32] | None, base: Sequence[NDArray[np.float32]] | None = None,
) -> Generator[Progress, None, tuple[list[Any], list[Any], list[str]]]:  # fmt: skip
    """Train every network; yields live curves, gives networks, their histories and notes."""
    import torch

    from napari_stml.methods.expression_models.fitting import ALIKE, Watched, fit
    from napari_stml.methods.expression_models.recipe import learner_of

    sets = None if membership is None else torch.from_numpy(membership)
    train, stop = split.mask(TRAIN), split.mask(STOP)
    nets: list[Any] = []
    histories: list[Any] = []
    notes: list[str] = []
    for member in range(members):
        own = recipe.seeded(recipe.plan.seed + member)
        learner = learner_of(
            own, slides, targets.values, train, membership=sets, device=device, base=base
        )
        enough = split.count(STOP) >= 3
        watched = Watched(slides, targets.values, stop, base) if enough else None
        if watched is not None and recipe.name in TILES:
            watched = watched.alone()
        start = kept.state(member)
        if start is not None and start.done:
            notes.append(f"network {member + 1} went on at epoch {start.done + 1}")
        keeper = _Keeper(kept, member, learner.net, nets, as_model)
        steps = fit(learner, own.plan, watched, start, keeper)
        while True:
            try:
                epoch = next(steps)
            except StopIteration as end:
                state = end.value
                break
            share = (member + (epoch.number + 1) / own.plan.epochs) / members
            curves = [("loss", epoch.loss)]
            if np.isfinite(epoch.r):
                curves.append(("r, stopping spots", epoch.r))
            curves += [(name, value) for name, value in (
                ("variance ratio", epoch.variance), ("likeness of pathway tokens", epoch.alike)
            ) if np.isfinite(value)]  # fmt: skip
            which = f", network {member + 1} of {members}" if members > 1 else ""
            text = f"epoch {epoch.number + 1} of {own.plan.epochs}{which}"
            late = epoch.number >= own.plan.warmup + SETTLED
            if late and epoch.collapsed():
                text += f"; {epoch.collapsed()}"
            yield Progress(round(35 + 55 * share), 100, text, tuple(curves))
        kept.put(member, state)
        if base is not None and state.best_epoch < 0:
            notes.append(f"network {member + 1} adds nothing to its start: its corrections made "
                         "the stopping spots worse, so that they are left out")  # fmt: skip
        last = state.history[-1] if state.history else None
        if last is not None and last.alike > ALIKE:
            notes.append(f"network {member + 1}: {last.collapsed()}")
        histories.append(state.history)
        nets.append(learner.net)
    return nets, histories, notes


class _Keeper:
    """Writes the state of a training now and then: a kill costs seconds, not the training."""

    def __init__(
        self, kept: Kept, member: int, net: Any, before: list[Any],
        as_model: Callable[[list[Any]], Trained],
    ) -> None:  # fmt: skip
        self.kept, self.member, self.net, self.before = kept, member, net, before
        self.as_model, self.at = as_model, -1e9

    def __call__(self, state: Checkpoint) -> None:
        if time.monotonic() - self.at < KEEP_EVERY_S:
            return
        self.at = time.monotonic()
        self.kept.put(self.member, state)
        now = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.net.load_state_dict(state.best)
        trained = self.as_model([*self.before, self.net])
        model_folder.write_model(
            self.kept.folder, Model("checkpoint", trained.tensors(), trained.card)
        )
        self.net.load_state_dict(now)


def _shared(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    common = set(lists[0]).intersection(*lists[1:])
    if not common:
        raise StmlError(
            "The sections have no gene in common", where="genes",
            do="use sections with the same kind of gene names",
        )  # fmt: skip
    return tuple(g for g in lists[0] if g in common)


def _patient(section: SectionInputs) -> str:
    """The letters before a number: A1 and A2 are of one patient."""
    name = section.section
    stem = name.rstrip("0123456789").rstrip("-_ .")
    return stem or name


def _looks(slide: Slide) -> NDArray[np.float32]:
    assert slide.features is not None
    return slide.features


__all__ = [
    "Baseline", "Kept", "Material", "at", "baseline", "inner_folds", "material",
    "started", "train_networks",
]  # fmt: skip
