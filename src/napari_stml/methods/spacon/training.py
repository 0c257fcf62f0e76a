"""Training, sampled as in the reference or on the whole graph, and the features of both views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.methods.spacon.sampling import SEEDS, Sampler

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix
    from torch import Tensor

    from napari_stml.models.spacon.joined import Joined
    from napari_stml.models.spacon.network import Fusion, SpaCon

Mode = Literal["sampled", "whole graph"]
CLIP = 5.0


@dataclass(frozen=True)
class Plan:
    """How the network is built and trained.

    ``sampled`` follows the reference: batches of 64 spots with some of those that send to them,
    an epoch is one pass over all spots. Larger batches reach hardly more spots, so that an epoch
    costs less in proportion, and has fewer steps. ``whole graph`` takes every link in every step
    and one step is one epoch: another objective, for sections on which the first takes too long.
    """

    hidden: tuple[int, int, int] = (256, 64, 16)
    fusion: Fusion = "concat"
    mode: Mode = "sampled"
    epochs: int = 10
    rate: float = 1e-4
    decay: float = 1e-4
    seed: int = 42
    device: str = "cpu"
    batch: int = SEEDS


@dataclass(frozen=True)
class Step:
    """One step of the optimiser; ``loss`` is the squared error per value."""

    done: int
    total: int
    epoch: int
    loss: float


@dataclass(frozen=True)
class Trained:
    """Features of both views over the whole graph, the weights, and the loss of every epoch."""

    con: NDArray[np.float32]
    spa: NDArray[np.float32]
    tensors: Mapping[str, NDArray[Any]]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class State:
    """A training at the end of an epoch: enough to go on with the same bits."""

    epoch: int
    losses: tuple[float, ...]
    draws: Mapping[str, Any]
    tensors: Mapping[str, NDArray[Any]]


class Training:
    """A network on one set of spots.

    Parameters
    ----------
    x
        Expression, log-normalised (n, genes).
    con, spa
        Links: rows send, columns receive.
    """

    def __init__(
        self, x: NDArray[np.float32], con: csr_matrix, spa: csr_matrix, plan: Plan
    ) -> None:
        import torch

        from napari_stml.models.spacon.edges import Edges
        from napari_stml.models.spacon.network import SpaCon
        from napari_stml.models.spacon.reconstruction import Moments

        if con.shape != spa.shape or con.shape[0] != len(x):
            raise ValueError("expression and both graphs must have the same spots")
        self.plan = plan
        self._con_links, self._spa_links = con, spa
        device = plan.device
        self.x = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).to(device)
        self.con, self.spa = Edges.of(con, device), Edges.of(spa, device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(plan.seed)
            self.model: SpaCon = SpaCon(x.shape[1], plan.hidden, plan.fusion)
        self.model.to(device)
        self._generator = torch.Generator(device=device).manual_seed(plan.seed)
        self.model.draw_from(self._generator)
        self._moments = Moments.of(self.x)

    def load(self, tensors: Mapping[str, Any]) -> None:
        """Go on from stored weights."""
        from napari_stml.models.spacon import names

        try:
            names.load(self.model, tensors)
        except RuntimeError as error:
            raise StmlError(
                "The stored network does not fit: genes, hidden layers or fusion differ",
                do="choose the settings of that Run, or begin anew",
            ) from error

    def features(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Both views of all spots, over all links, without dropout."""
        import torch

        self.model.eval()
        with torch.no_grad():
            views = self.model.views(self.x, self.con, self.spa)
        return views.con.cpu().numpy(), views.spa.cpu().numpy()

    def steps(
        self, start: State | None = None, keep: Callable[[State], None] | None = None
    ) -> Generator[Step, None, Trained]:
        """Train to the end; every step is a place to stop, ``keep`` is told of every epoch."""
        plan, model = self.plan, self.model
        optimiser = self.optimiser()
        sampler = None
        if plan.mode == "sampled":
            sampler = Sampler(self._con_links, plan.seed, batch=plan.batch)
        each = len(sampler) if sampler is not None else 1
        losses: list[float] = []
        if start is not None:
            losses = list(start.losses)
            self._restore(start, optimiser, sampler)
        total, done = plan.epochs * each, len(losses) * each
        for epoch in range(len(losses), plan.epochs):
            errors, size = 0.0, 0
            model.train()
            for loss, nodes in self._losses(sampler):
                optimiser.step(loss)
                value = float(loss.detach())
                if not np.isfinite(value):
                    raise StmlError("The loss is no longer a number", do="lower the learning rate")
                done += 1
                errors, size = errors + value, size + nodes * self.x.shape[1]
                yield Step(done, total, epoch + 1, value / (nodes * self.x.shape[1]))
            losses.append(errors / size)
            if keep is not None:
                keep(self._state(losses, optimiser, sampler))
        from napari_stml.models.spacon import names

        con, spa = self.features()
        return Trained(con, spa, names.tensors(model), tuple(losses))

    def optimiser(self) -> Joined:
        """Adam on the weights of the network, as the plan says."""
        from napari_stml.models.spacon.joined import Joined

        return Joined(self.model, self.plan.rate, self.plan.decay, CLIP)

    def _state(self, losses: list[float], optimiser: Joined, sampler: Sampler | None) -> State:
        from napari_stml.models.spacon import names

        found = {f"network/{k}": v for k, v in names.tensors(self.model).items()}
        for name, moment in optimiser.state().items():
            found[f"moments/{name}"] = moment.cpu().numpy().copy()
        found["dropout"] = self._generator.get_state().numpy()
        draws = {} if sampler is None else sampler.state()
        return State(len(losses), tuple(losses), draws, found)

    def _restore(self, state: State, optimiser: Joined, sampler: Sampler | None) -> None:
        import torch

        parts: dict[str, dict[str, Any]] = {"network": {}, "moments": {}}
        for name, value in state.tensors.items():
            kind, _, rest = name.partition("/")
            if rest:
                parts[kind][rest] = value
        self.load(parts["network"])
        moments = {k: torch.from_numpy(np.array(v)) for k, v in parts["moments"].items()}
        optimiser.resume(moments)
        self._generator.set_state(torch.from_numpy(np.array(state.tensors["dropout"])))
        if sampler is not None:
            sampler.resume(state.draws)

    def _losses(self, sampler: Sampler | None) -> Generator[tuple[Tensor, int], None, None]:
        if sampler is None:
            yield self.model.loss(self.x, self.con, self.spa, self._moments), len(self.x)
            return
        for batch in sampler.batches():
            yield self.sampled_loss(batch.nodes, batch.source, batch.target), len(batch.nodes)

    def sampled_loss(
        self, nodes: NDArray[np.int64], source: NDArray[np.int64], target: NDArray[np.int64]
    ) -> Tensor:
        """Loss of one batch: drawn connections, and all tissue links among its spots."""
        import torch

        from napari_stml.models.spacon.edges import Edges

        device = self.plan.device
        if len(nodes) == len(self.x):  # nothing depends on the order of the spots: no copies
            con = Edges.of_pairs(nodes[source], nodes[target], len(nodes), device)
            return self.model.loss(self.x, con, self.spa, self._moments)
        con = Edges.of_pairs(source, target, len(nodes), device)
        spa = Edges.of(self._spa_links[nodes][:, nodes], device)
        x = self.x[torch.from_numpy(nodes).to(device)]
        return self.model.loss(x, con, spa)
