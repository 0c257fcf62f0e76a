"""Training: epoch by epoch, watched, stopped early, resumed with equal bits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_stml.core.errors import StmlError
from napari_stml.methods.expression_models.networks import silenced
from napari_stml.methods.expression_models.scores import scored
from napari_stml.models.schedule import learning_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from napari_stml.methods.expression_models.learners import Learner
    from napari_stml.methods.expression_models.samples import Slide

SEED_STEP = 100_003
ALIKE, FLAT = 0.9, 0.02


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how fast; ``patience`` epochs without a better stopping score end it."""

    epochs: int = 35
    rate: float = 1e-3
    weight_decay: float = 0.0
    warmup: int = 2
    patience: int = 15
    clip: float = 1.0
    seed: int = 0
    bf16: bool = False
    every: int = 1


@dataclass(frozen=True)
class Epoch:
    """One epoch done: mean loss of its steps, mean r on the stopping spots (NaN: not looked).

    ``variance`` is that of the prediction by that of the truth, ``alike`` the mean cosine between
    pathway tokens: near 0 and near 1 a network has collapsed.
    """

    number: int
    loss: float
    r: float
    variance: float = float("nan")
    alike: float = float("nan")

    def collapsed(self) -> str:
        """What has gone flat, in words; empty where nothing has."""
        if self.alike > ALIKE:
            return f"the pathway tokens have become one (mean cosine {self.alike:.2f})"
        if self.variance < FLAT:
            return f"the predicted maps are nearly flat (variance ratio {self.variance:.3f})"
        return ""


@dataclass
class Checkpoint:
    """All that is needed to go on: weights, the best ones so far, the optimiser, the history."""

    net: dict[str, Tensor]
    best: dict[str, Tensor]
    adam: dict[str, Tensor]
    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = -1

    @property
    def done(self) -> int:
        return len(self.history)

    def tensors(self) -> dict[str, Tensor]:
        """As flat named tensors."""
        parts = {"net": self.net, "best": self.best, "adam": self.adam}
        return {f"{p}:{k}": v for p, d in parts.items() for k, v in d.items()}

    def said(self) -> dict[str, Any]:
        """The rest, as plain JSON."""
        rows = [
            [None if np.isnan(v) else v for v in (e.number, e.loss, e.r, e.variance, e.alike)]
            for e in self.history
        ]
        return {"history": rows, "best_epoch": self.best_epoch}

    @classmethod
    def read(cls, tensors: Mapping[str, Tensor], said: Mapping[str, Any]) -> Checkpoint:
        parts: dict[str, dict[str, Tensor]] = {"net": {}, "best": {}, "adam": {}}
        for name, value in tensors.items():
            part, _, key = name.partition(":")
            parts[part][key] = value
        history = [
            Epoch(int(n), *(np.nan if v is None else float(v) for v in rest))
            for n, *rest in said["history"]
        ]
        return cls(parts["net"], parts["best"], parts["adam"], history, int(said["best_epoch"]))


@dataclass(frozen=True)
class Watched:
    """The spots on which training is judged: never those that are scored in the end.

    ``base`` is what the network corrects; without, it says everything itself.
    """

    slides: Sequence[Slide]
    wanted: Sequence[NDArray[np.float32]]
    masks: Sequence[NDArray[np.bool_]]
    base: Sequence[NDArray[np.float32]] | None = None

    def floor(self) -> float:
        """What is reached without the network; -2 where it corrects nothing."""
        if self.base is None:
            return -2.0
        return scored(self.base, self.wanted, self.masks).mean_r

    def alone(self) -> Watched:
        """Only these spots, for networks to which no other spot matters."""
        used = [i for i, m in enumerate(self.masks) if m.any()]
        return Watched(
            [self.slides[i].only(self.masks[i]) for i in used],
            [self.wanted[i][self.masks[i]] for i in used],
            [self.masks[i][self.masks[i]] for i in used],
            None if self.base is None else [self.base[i][self.masks[i]] for i in used],
        )


def fit(
    learner: Learner, plan: TrainingPlan, watched: Watched | None = None,
    start: Checkpoint | None = None, keep: Callable[[Checkpoint], None] | None = None,
) -> Generator[Epoch, None, Checkpoint]:  # fmt: skip
    """Train; yields after every epoch, and leaves the network with its best weights.

    ``keep`` is given the state after each epoch. Random numbers depend on seed and epoch alone,
    so that a resumed training computes what an uninterrupted one would have.
    """
    net = learner.net
    adam = torch.optim.AdamW(
        [p for p in net.parameters() if p.requires_grad], lr=plan.rate,
        weight_decay=plan.weight_decay,
    )  # fmt: skip
    state = start or Checkpoint(_copied(net.state_dict()), _copied(net.state_dict()), {})
    floor = -2.0 if watched is None else watched.floor()
    if start is not None:
        net.load_state_dict(state.net)
        _load_adam(adam, state.adam)
    for number in range(state.done, plan.epochs):
        may_stop = state.best_epoch >= 0 or floor > -1
        if number - state.best_epoch > plan.patience and may_stop:
            break
        loss = _epoch(learner, adam, plan, number)
        r = flat = np.nan
        if watched is not None and (number + 1) % plan.every == 0:
            r, flat = _judged(learner, watched)
        state.history.append(Epoch(number, loss, r, flat, _alike(net)))
        state.net, state.adam = _copied(net.state_dict()), _adam_tensors(adam)
        earlier = [e.r for e in state.history[:-1] if not np.isnan(e.r)]
        if (np.isnan(r) and watched is None) or (not np.isnan(r) and r > max([floor, *earlier])):
            state.best, state.best_epoch = state.net, number
        elif state.best_epoch < 0 and floor > -1:
            state.best = silenced(net)  # so far it only spoils what it starts from
        if keep is not None:
            keep(state)
        yield state.history[-1]
    net.load_state_dict(state.best)
    net.eval()
    return state


def _epoch(learner: Learner, adam: torch.optim.Optimizer, plan: TrainingPlan, number: int) -> float:
    seed = plan.seed * SEED_STEP + number
    torch.manual_seed(seed)  # dropout
    generator = torch.Generator().manual_seed(seed)
    rate = learning_rate(number, plan.epochs, plan.rate, plan.warmup)
    for group in adam.param_groups:
        group["lr"] = rate
    learner.net.train()
    total = []
    device = next(learner.net.parameters()).device.type
    steps = learner.losses(generator)
    while True:
        with torch.autocast(device, torch.bfloat16, enabled=plan.bf16):
            loss = next(steps, None)
        if loss is None:
            break
        value = float(loss.detach())
        if not np.isfinite(value):
            raise StmlError(
                f"The training has diverged in epoch {number + 1}", where="loss",
                do="lower the learning rate, or check the features for extreme values",
            )  # fmt: skip
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if plan.clip:
            torch.nn.utils.clip_grad_norm_(learner.net.parameters(), plan.clip)
        adam.step()
        total.append(value)
    return float(np.mean(total)) if total else float("nan")


def _alike(net: nn.Module) -> float:
    from napari_stml.models.stf import Stf

    return net.token_similarity() if isinstance(net, Stf) else float("nan")


def _judged(learner: Learner, watched: Watched) -> tuple[float, float]:
    """Mean r and median variance ratio on the watched spots."""
    learner.net.eval()
    found = learner.predict(watched.slides)
    if watched.base is not None:
        found = [f + b for f, b in zip(found, watched.base, strict=True)]
    scores = scored(found, watched.wanted, watched.masks)
    known = scores.variance[np.isfinite(scores.variance)]
    return scores.mean_r, float(np.median(known)) if len(known) else float("nan")


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().cpu().clone() for k, v in tensors.items()}


def _adam_tensors(adam: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = adam.state_dict()["state"]
    return {f"{i}.{k}": v.detach().cpu().clone() for i, s in state.items() for k, v in s.items()}


def _load_adam(adam: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    whole = adam.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    adam.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
