"""Graph attention with sigmoid scores, with a written-out gradient.

torch's own gradient of a sparse product is slow where links are few, and messages laid out edge
by edge are slow where they are many.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_stml.models.spacon import kernel

if TYPE_CHECKING:
    from napari_stml.models.spacon.edges import Edges

GAIN = 1.414
DROPOUT = 0.1


def drawn_seed(generator: torch.Generator | None) -> int:
    """A seed for the dropout of one layer."""
    return int(torch.randint(1 << 32, (1,), generator=generator))


class _Attend(torch.autograd.Function):
    """Weighted sum of the sources' values; weights are a softmax over the edges of a target.

    An edge's score is what its source and its target add, inner products of their values with
    two vectors.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, of_source: Tensor, of_target: Tensor, edges: Edges,
        dropout: float, generator: torch.Generator | None,
    ) -> Tensor:  # fmt: skip
        values = values.contiguous()
        loops = kernel.loops() if kernel.fits(values) else None
        ctx.edges, ctx.loops, ctx.dropout = edges, loops, dropout
        if loops is not None:
            seed = drawn_seed(generator) if dropout else 0
            vectors = (of_source.numpy(), of_target.numpy())
            out, ctx.found = kernel.forward(
                loops, values.numpy(), vectors, *edges.arrays, (seed, dropout),
                torch.get_num_threads(),
            )  # fmt: skip
            ctx.save_for_backward(values, of_source, of_target)
            return torch.from_numpy(out)
        score = torch.sigmoid(
            edges.at_sources(values @ of_source) + edges.at_targets(values @ of_target)
        )
        weight = torch.exp(score)  # scores lie in (0, 1): no maximum has to be taken away
        weight = weight / edges.at_targets(edges.sum_at_target(weight))
        used = weight
        if dropout:
            drawn = torch.rand(len(edges), device=values.device, generator=generator)
            used = weight * ((drawn >= dropout).to(values.dtype) / (1 - dropout))
        ctx.save_for_backward(values, of_source, of_target, score, weight, used)
        return edges.gathered(used, values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        values, of_source, of_target, *more = ctx.saved_tensors
        gradient = gradient.contiguous()
        if ctx.loops is not None:
            vectors = (of_source.numpy(), of_target.numpy())
            source, start = ctx.edges.arrays
            arrays = kernel.backward(
                ctx.loops, gradient.numpy(), values.numpy(), vectors, ctx.found, source, start,
                ctx.dropout, torch.get_num_threads(),
            )  # fmt: skip
            return *(torch.from_numpy(a) for a in arrays), None, None, None
        of_values, at_source, at_target = _backward(ctx, gradient, values, *more)
        if ctx.needs_input_grad[0]:
            of_values.addr_(at_source, of_source).addr_(at_target, of_target)
        return of_values, at_source @ values, at_target @ values, None, None, None


def _backward(
    ctx: Any, gradient: Tensor, values: Tensor, score: Tensor, weight: Tensor, used: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    edges: Edges = ctx.edges
    of_values = edges.spread(used, gradient)
    of_weight = edges.products(gradient, values) * (used != 0) / (1 - ctx.dropout)
    mean = edges.sum_at_target(weight * of_weight)
    of_score = weight * (of_weight - edges.at_targets(mean)) * score * (1 - score)
    return of_values, edges.sum_at_source(of_score), edges.sum_at_target(of_score)


class GraphAttention(nn.Module):
    """One head, no bias; a node that nobody sends to gets zeros."""

    def __init__(self, inner: int, outer: int, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.lin_src = nn.Parameter(torch.empty(inner, outer))
        self.att_src = nn.Parameter(torch.empty(1, 1, outer))
        self.att_dst = nn.Parameter(torch.empty(1, 1, outer))
        self.dropout = dropout
        self.generator: torch.Generator | None = None
        nn.init.xavier_normal_(self.lin_src, gain=GAIN)
        for vector in (self.att_src, self.att_dst):
            nn.init.normal_(vector, std=GAIN / math.sqrt(outer))

    def forward(self, h: Tensor, edges: Edges) -> Tensor:
        """Aggregate on the narrow side: A (h W) = (A h) W."""
        inner, outer = self.lin_src.shape
        if outer > inner:
            return self.narrow(h, edges) @ self.lin_src
        return self._attend(h @ self.lin_src, self.att_src.view(-1), self.att_dst.view(-1), edges)

    def narrow(self, h: Tensor, edges: Edges) -> Tensor:
        """Aggregate before the weights are multiplied."""
        source, target = (self.lin_src @ a.view(-1) for a in (self.att_src, self.att_dst))
        return self._attend(h, source, target, edges)

    def _attend(self, values: Tensor, source: Tensor, target: Tensor, edges: Edges) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        found: Tensor = _Attend.apply(values, source, target, edges, dropout, self.generator)
        return found
