"""Batches drawn along the connections: seeds, then some of those that send to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

FANOUT = (20, 10, 10)
SEEDS = 64


@dataclass(frozen=True)
class Batch:
    """Spots of a batch, its seeds first, and the drawn links between them (places in ``nodes``)."""

    nodes: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    seeds: int


class Sampler:
    """Batches in the order of the spots; links are drawn anew in every pass.

    Each hop draws up to so many senders, without replacement, of the spots that were new in the
    hop before. Only drawn links are kept, so a spot reached last has none that lead to it.
    """

    def __init__(
        self, links: csr_matrix, seed: int, *, batch: int = SEEDS,
        fanout: tuple[int, ...] = FANOUT,
    ) -> None:  # fmt: skip
        by_target = links.T.tocsr()
        by_target.sort_indices()
        self.n = int(links.shape[0])
        self.batch, self.fanout = batch, fanout
        self._start = by_target.indptr.astype(np.int64)
        self._sender = by_target.indices.astype(np.int64)
        self._rng = np.random.default_rng(seed)
        self._place = np.full(self.n, -1, dtype=np.int64)

    def __len__(self) -> int:
        return -(-self.n // self.batch)

    def state(self) -> dict[str, Any]:
        """Where its random numbers stand, as plain JSON."""
        return dict(self._rng.bit_generator.state)

    def resume(self, state: Mapping[str, Any]) -> None:
        self._rng.bit_generator.state = dict(state)

    def batches(self) -> Iterator[Batch]:
        for start in range(0, self.n, self.batch):
            yield self.around(np.arange(start, min(start + self.batch, self.n)))

    def around(self, seeds: NDArray[np.int64]) -> Batch:
        place = self._place
        place[seeds] = np.arange(len(seeds))
        known, fresh = [seeds], seeds
        count = len(seeds)
        sources, targets = [], []
        for most in self.fanout:
            target, source = self._drawn(fresh, most)
            new = np.unique(source[place[source] < 0])
            place[new] = np.arange(count, count + len(new))
            count += len(new)
            known.append(new)
            sources.append(place[source])
            targets.append(place[target])
            fresh = new
        nodes = np.concatenate(known)
        place[nodes] = -1
        return Batch(nodes, np.concatenate(sources), np.concatenate(targets), len(seeds))

    def _drawn(
        self, nodes: NDArray[np.int64], most: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        start = self._start[nodes]
        degree = self._start[nodes + 1] - start
        few = degree <= most
        taken = np.repeat(nodes[few], degree[few])
        within = np.arange(len(taken)) - np.repeat(
            np.cumsum(degree[few]) - degree[few], degree[few]
        )
        edge = np.repeat(start[few], degree[few]) + within
        some = self._some(degree[~few], most)
        target = np.concatenate([taken, np.repeat(nodes[~few], most)])
        edges = np.concatenate([edge, (start[~few][:, None] + some).ravel()])
        return target, self._sender[edges]

    def _some(self, degree: NDArray[np.int64], most: int) -> NDArray[np.int64]:
        """Different numbers below each degree, (m, most): Floyd's algorithm on all rows at once."""
        chosen = np.full((len(degree), most), -1, dtype=np.int64)
        for j in range(most):
            last = degree - most + j
            drawn = (self._rng.random(len(degree)) * (last + 1)).astype(np.int64)
            again = (chosen[:, :j] == drawn[:, None]).any(axis=1)
            chosen[:, j] = np.where(again, last, drawn)
        return chosen
