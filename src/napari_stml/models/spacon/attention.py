"""Graph attention with sigmoid scores, as sparse products with a written-out gradient.

torch's own gradient of a sparse product is slow where links are few, and messages laid out edge
by edge are slow where they are many.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from napari_stml.models.spacon.edges import Edges

GAIN = 1.414
DROPOUT = 0.1


class _Attend(torch.autograd.Function):
    """Weighted sum of the sources' values; weights are a softmax over the edges of a target."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, at_source: Tensor, at_target: Tensor, edges: Edges,
        kept: Tensor | None,
    ) -> Tensor:  # fmt: skip
        values = values.contiguous()
        score = torch.sigmoid(edges.at_sources(at_source) + edges.at_targets(at_target))
        weight = torch.exp(score)  # scores lie in (0, 1): no maximum has to be taken away
        weight = weight / edges.at_targets(edges.sum_at_target(weight))
        used = weight if kept is None else weight * kept
        ctx.edges, ctx.kept = edges, kept
        ctx.save_for_backward(values, score, weight, used)
        return edges.gathered(used, values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        values, score, weight, used = ctx.saved_tensors
        edges: Edges = ctx.edges
        gradient = gradient.contiguous()
        of_values = edges.spread(used, gradient) if ctx.needs_input_grad[0] else None
        of_weight = edges.products(gradient, values)
        if ctx.kept is not None:
            of_weight = of_weight * ctx.kept
        mean = edges.sum_at_target(weight * of_weight)
        of_score = weight * (of_weight - edges.at_targets(mean)) * score * (1 - score)
        return of_values, edges.sum_at_source(of_score), edges.sum_at_target(of_score), None, None


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
        return self.wide(h @ self.lin_src, edges)

    def wide(self, z: Tensor, edges: Edges) -> Tensor:
        """Aggregate what has been multiplied by the weights."""
        return self.attend(z, z @ self.att_src.view(-1), z @ self.att_dst.view(-1), edges)

    def narrow(self, h: Tensor, edges: Edges) -> Tensor:
        """Aggregate before the weights are multiplied."""
        source = h @ (self.lin_src @ self.att_src.view(-1))
        target = h @ (self.lin_src @ self.att_dst.view(-1))
        return self.attend(h, source, target, edges)

    def attend(self, values: Tensor, source: Tensor, target: Tensor, edges: Edges) -> Tensor:
        """Aggregate by the scores of both ends; dropout as in training."""
        kept = None
        if self.training and self.dropout:
            drawn = torch.rand(len(edges), device=values.device, generator=self.generator)
            stays = drawn >= self.dropout
            kept = stays.to(values.dtype) / (1 - self.dropout)
        found: Tensor = _Attend.apply(values, source, target, edges, kept)
        return found
