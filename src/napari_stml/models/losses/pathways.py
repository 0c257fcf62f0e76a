"""The auxiliary loss: scores of spots against the mean z-score of each pathway's genes."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_stml.models.losses.correlation import pcc_loss


@torch.no_grad()
def pathway_targets(target: Tensor, membership: Tensor, padding: Tensor | None = None) -> Tensor:
    """Mean z-score of the members, (B, N, P) or (B, P); ``membership`` is 0/1 (P, G).

    Genes are standardised over the valid spots of their own slide (sample deviation), single
    spots over the batch. A pathway without members is 0.
    """
    members = membership.to(target)
    if target.ndim == 2:
        if len(target) < 2:
            return torch.zeros(len(target), len(members), dtype=target.dtype, device=target.device)
        z = _standardised(target.unsqueeze(0), None)[0]
    else:
        z = _standardised(target, padding)
    return (z @ members.T) / members.sum(dim=1).clamp(min=1)


def pathway_loss(
    scores: Tensor, target: Tensor, membership: Tensor, padding: Tensor | None = None
) -> Tensor:
    return pcc_loss(scores, pathway_targets(target, membership, padding), padding)


def _standardised(target: Tensor, padding: Tensor | None) -> Tensor:
    valid = torch.ones_like(target[..., :1], dtype=torch.bool)
    if padding is not None:
        valid = (~padding).unsqueeze(-1)
    kept = target.masked_fill(~valid, 0.0)
    count = valid.sum(dim=1, keepdim=True)
    centred = (kept - kept.sum(dim=1, keepdim=True) / count.clamp(min=1)).masked_fill(~valid, 0.0)
    variance = centred.square().sum(dim=1, keepdim=True) / (count - 1).clamp(min=1)
    return centred / variance.sqrt().clamp(min=1e-6)
