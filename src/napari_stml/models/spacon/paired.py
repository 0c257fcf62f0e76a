"""Both encoders in one pass: rows 2i and 2i + 1 are spot i in the two views.

Small graphs cost calls rather than arithmetic, and this halves the calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import batch_norm, elu

from napari_stml.models.spacon.edges import Edges

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_stml.models.spacon.attention import GraphAttention
    from napari_stml.models.spacon.network import Encoder

Two = tuple["Encoder", "Encoder"]


def paired(con: Edges, spa: Edges) -> Edges:
    """Both graphs as one of twice the nodes, without a link between them."""
    device = str(con.source.device)
    source, target = (
        np.concatenate([2 * a.cpu().numpy(), 2 * b.cpu().numpy() + 1])
        for a, b in ((con.source, spa.source), (con.target, spa.target))
    )
    return Edges.of_pairs(source, target, 2 * con.n, device)


def encoded(x: Tensor, encoders: Two, edges: Edges) -> tuple[Tensor, Tensor, Tensor]:
    """The three layers, each (n, 2, width): connections, then tissue."""
    n = len(x)
    first = [e.conv1 for e in encoders]
    if first[0].lin_src.shape[0] < first[0].lin_src.shape[1]:
        both = x.unsqueeze(1).expand(n, 2, x.shape[1]).reshape(2 * n, -1)
        h = _layer(both, first, edges)
    else:
        z = x @ torch.cat([c.lin_src for c in first], dim=1)
        h = _attended(z.view(2 * n, -1), first, edges)
    h1 = elu(_normed(h, [e.bn1 for e in encoders]))
    h2 = elu(_normed(_layer(h1, [e.conv2 for e in encoders], edges), [e.bn2 for e in encoders]))
    h3 = _normed(_layer(h2, [e.conv3 for e in encoders], edges), [e.bn3 for e in encoders])
    one, two, three = (h.view(n, 2, -1) for h in (h1, h2, h3))
    return one, two, three


def _layer(h: Tensor, convs: list[GraphAttention], edges: Edges) -> Tensor:
    """Aggregate on the narrow side."""
    inner, outer = convs[0].lin_src.shape
    weights = torch.stack([c.lin_src for c in convs])
    if outer > inner:
        of_source, of_target = (
            torch.stack([c.lin_src @ a.view(-1) for c, a in zip(convs, side, strict=True)])
            for side in _sides(convs)
        )
        found = convs[0].attend(h, _scores(h, of_source), _scores(h, of_target), edges)
        return _times(found, weights)
    return _attended(_times(h, weights), convs, edges)


def _attended(z: Tensor, convs: list[GraphAttention], edges: Edges) -> Tensor:
    of_source, of_target = (torch.stack([a.view(-1) for a in side]) for side in _sides(convs))
    return convs[0].attend(z, _scores(z, of_source), _scores(z, of_target), edges)


def _sides(convs: list[GraphAttention]) -> tuple[list[Tensor], list[Tensor]]:
    return [c.att_src for c in convs], [c.att_dst for c in convs]


def _scores(values: Tensor, vectors: Tensor) -> Tensor:
    both = values.view(-1, 2, values.shape[1])
    return torch.stack([both[:, i] @ vectors[i] for i in (0, 1)], dim=1).view(-1)


def _times(h: Tensor, weights: Tensor) -> Tensor:
    """Two products: torch's batched one is several times slower here."""
    both = h.view(-1, 2, h.shape[1])
    products = [both[:, i] @ weights[i] for i in (0, 1)]
    return torch.stack(products, dim=1).view(len(h), -1)


def _normed(h: Tensor, norms: list[nn.BatchNorm1d]) -> Tensor:
    """Batch norm of each view by itself, with its own statistics."""
    width, one = h.shape[1], norms[0]
    mean, variance = (
        torch.cat([getattr(b, f"running_{k}") for b in norms]) for k in ("mean", "var")
    )
    out = batch_norm(
        h.view(-1, 2 * width), mean, variance, torch.cat([b.weight for b in norms]),
        torch.cat([b.bias for b in norms]), one.training,
        one.momentum if one.momentum is not None else 0.1, one.eps,
    )  # fmt: skip
    if one.training:
        for i, b in enumerate(norms):
            own = slice(i * width, (i + 1) * width)
            assert b.running_mean is not None
            assert b.running_var is not None
            b.running_mean.copy_(mean[own])
            b.running_var.copy_(variance[own])
            if b.num_batches_tracked is not None:
                b.num_batches_tracked.add_(1)
    return out.view(-1, width)
