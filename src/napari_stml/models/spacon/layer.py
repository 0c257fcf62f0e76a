"""A layer while training on the processor: weights, attention, batch norm and ELU in one.

What `attention` and torch's batch norm compute one after the other, with the whole gradient
written out: small graphs cost calls rather than arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import elu

from napari_stml.models.spacon import kernel
from napari_stml.models.spacon.attention import GraphAttention, drawn_seed
from napari_stml.models.spacon.reconstruction import momentum_of, running_of

if TYPE_CHECKING:
    from napari_stml.models.spacon.edges import Edges


def layer(h: Tensor, conv: GraphAttention, norm: nn.BatchNorm1d, edges: Edges, *, bent: bool = True
          ) -> Tensor:  # fmt: skip
    """Attention, batch norm and, where ``bent``, ELU."""
    loops = kernel.loops() if kernel.fits(h) and norm.training else None
    if loops is None:
        found = norm(conv(h, edges))
        return elu(found) if bent else found
    given = (h, conv.lin_src, conv.att_src, conv.att_dst, norm.weight, norm.bias)
    out: Tensor = _Layer.apply(*given, edges, loops, conv, norm, bent)
    return out


class _Layer(torch.autograd.Function):
    """Aggregates on the narrow side: A (h W) = (A h) W."""

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, weights: Tensor, by_source: Tensor, by_target: Tensor, scale: Tensor,
        bias: Tensor, edges: Edges, loops: kernel.Loops, conv: GraphAttention,
        norm: nn.BatchNorm1d, bent: bool,
    ) -> Tensor:  # fmt: skip
        by_source, by_target = by_source.view(-1), by_target.view(-1)
        narrow = weights.shape[1] > weights.shape[0]
        values = h.contiguous() if narrow else h @ weights
        if narrow:
            by_source, by_target = weights @ by_source, weights @ by_target
        dropout = (drawn_seed(conv.generator), conv.dropout) if conv.dropout else (0, 0.0)
        vectors = (by_source.numpy(), by_target.numpy())
        sums, found = kernel.forward(
            loops, values.numpy(), vectors, *edges.arrays, dropout, torch.get_num_threads()
        )
        gathered = torch.from_numpy(sums)
        before = gathered @ weights if narrow else gathered
        running = running_of(norm)
        out, moments = kernel.normed(
            loops, before.numpy(), scale.numpy(), bias.numpy(), norm.eps, bent,
            (running[0].numpy(), running[1].numpy()), momentum_of(norm),
        )  # fmt: skip
        ctx.rest = (edges, loops, dropout[1], narrow, bent, vectors, found, moments)
        after = torch.from_numpy(out)
        ctx.save_for_backward(h, weights, scale, values, gathered, before, after)
        ctx.ends = (conv.att_src.detach().view(-1), conv.att_dst.detach().view(-1))
        return after

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        edges, loops, dropout, narrow, bent, vectors, found, moments = ctx.rest
        h, weights, scale, values, gathered, before, after = ctx.saved_tensors
        slope, of_scale, of_bias = (
            torch.from_numpy(a) for a in kernel.normed_back(
                loops, gradient.contiguous().numpy(), before.numpy(), after.numpy(),
                scale.numpy(), moments, bent,
            )
        )  # fmt: skip
        source, start = edges.arrays
        into = slope @ weights.T if narrow else slope
        of_values, of_source, of_target = (
            torch.from_numpy(a) for a in kernel.backward(
                loops, into.numpy(), values.numpy(), vectors, found, source, start, dropout,
                torch.get_num_threads(),
            )
        )  # fmt: skip
        if narrow:
            of_weights = gathered.T @ slope
            of_weights.addr_(of_source, ctx.ends[0]).addr_(of_target, ctx.ends[1])
            of_source, of_target = of_source @ weights, of_target @ weights
            of_h = of_values
        else:
            of_weights = h.T @ of_values
            of_h = of_values @ weights.T if ctx.needs_input_grad[0] else of_values
        ends = (of_source.view(1, 1, -1), of_target.view(1, 1, -1))
        of_input = of_h if ctx.needs_input_grad[0] else None
        return of_input, of_weights, *ends, of_scale, of_bias, None, None, None, None, None
