"""Links between nodes, sorted by the node they lead to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Edges:
    """Messages from ``source`` to ``target``, ordered by target, each pair once.

    ``start`` are the first edges of the targets (n + 1). The rest is worked out where torch does
    the sums; the compiled loops need no more.
    """

    n: int
    source: Tensor
    start: Tensor

    @classmethod
    def of(cls, links: csr_matrix, device: str = "cpu") -> Edges:
        """From a matrix whose rows are sources and whose columns are targets; values are ignored.

        Stored zeros are links too.
        """
        by_source = links.tocsr()
        by_source.sum_duplicates()
        count = np.diff(by_source.indptr)
        source = np.repeat(np.arange(links.shape[0]), count)
        return cls.of_pairs(source, by_source.indices, links.shape[0], device)

    @classmethod
    def of_pairs(
        cls, source: NDArray[np.integer], target: NDArray[np.integer], n: int, device: str = "cpu"
    ) -> Edges:
        """From pairs, of which none may stand twice."""
        sender = source[_order(target, n)].astype(np.int64, copy=False)
        start = np.zeros(n + 1, dtype=np.int64)
        np.cumsum(np.bincount(target, minlength=n), out=start[1:])
        return cls(n, torch.from_numpy(sender).to(device), torch.from_numpy(start).to(device))

    def __len__(self) -> int:
        return int(self.source.shape[0])

    @cached_property
    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Sources and starts, as the compiled loops take them."""
        return self.source.numpy().astype(np.int32), self.start.numpy()

    @cached_property
    def target(self) -> Tensor:
        return torch.repeat_interleave(self.start.diff())

    @cached_property
    def _back(self) -> tuple[Tensor, Tensor, Tensor]:
        """The same links ordered by source: starts, targets, which edge each one is."""
        edge = torch.argsort(self.source, stable=True)
        counts = torch.bincount(self.source, minlength=self.n)
        start = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return start, self.target[edge], edge

    def gathered(self, weights: Tensor, values: Tensor) -> Tensor:
        """Sum of the sources' values at every target; (n, d)."""
        return _sums(values, self.source, self.start, weights)

    def spread(self, weights: Tensor, values: Tensor) -> Tensor:
        """Transposed: sum of the targets' values at every source."""
        start, target, edge = self._back
        return _sums(values, target, start, weights.index_select(0, edge))

    def products(self, at_target: Tensor, at_source: Tensor) -> Tensor:
        """Inner product of the two rows that every edge joins."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR", category=UserWarning)
            pattern = torch.sparse_csr_tensor(
                self.start, self.source, at_target.new_zeros(len(self)), (self.n, self.n),
                check_invariants=False,
            )  # fmt: skip
        found = torch.sparse.sampled_addmm(pattern, at_target, at_source.T, beta=0.0)
        products: Tensor = found.values()
        return products

    def sum_at_target(self, values: Tensor) -> Tensor:
        """Sum over the edges into every node."""
        return torch.segment_reduce(values, "sum", offsets=self.start, unsafe=True)

    def sum_at_source(self, values: Tensor) -> Tensor:
        """Sum over the edges out of every node."""
        return values.new_zeros(self.n).index_add_(0, self.source, values)

    def at_targets(self, values: Tensor) -> Tensor:
        """Every edge's value of its target, from values of the nodes."""
        return values.index_select(0, self.target)

    def at_sources(self, values: Tensor) -> Tensor:
        """Every edge's value of its source."""
        return values.index_select(0, self.source)


def _sums(values: Tensor, rows: Tensor, start: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of rows: of all ways in torch the quickest (a sparse product takes twice)."""
    return embedding_bag(
        rows, values, start, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


def _order(ids: NDArray[np.integer], n: int) -> NDArray[np.intp]:
    """Stable order; up to 65,536 nodes by numpy's radix sort, ten times as quick."""
    short = ids.astype(np.uint16) if n <= 1 << 16 else ids
    return np.argsort(short, kind="stable")
