"""Where pathways look: attention of the last layer, and rollout through all of them.

Rollout as in `models.rollout` (head mean, identity added, rows renormalised, layers multiplied),
but for the pathways' rows alone, and without any spots x spots matrix where spots are apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_stml.models.stf.attention import LayerAttention


def pathway_rollout(layers: Sequence[LayerAttention]) -> Tensor:
    """Rows of the pathways over all tokens, (batch, P, P + S), pathways first."""
    first = layers[0].pathways.mean(dim=1)
    batch, count, tokens = first.shape
    row = torch.zeros(batch, count, tokens, dtype=first.dtype, device=first.device)
    row[:, :, :count] = torch.eye(count, dtype=first.dtype, device=first.device)
    for layer in reversed(layers):
        seen = layer.head_mean()
        p_rows, h_p = seen.pathways[:, 0], seen.spots_pathways[:, 0]
        p_part = row[:, :, :count] / (1 + p_rows.sum(dim=-1)).unsqueeze(1)
        if seen.spots_spots is not None:
            h_h = seen.spots_spots[:, 0]
            h_part = row[:, :, count:] / (1 + h_p.sum(-1) + h_h.sum(-1)).unsqueeze(1)
            own = h_part @ h_h
        else:
            assert seen.spots_self is not None
            alone = seen.spots_self[:, 0]
            h_part = row[:, :, count:] / (1 + h_p.sum(-1) + alone).unsqueeze(1)
            own = h_part * alone.unsqueeze(1)
        towards_p = p_part + p_part @ p_rows[:, :, :count] + h_part @ h_p
        towards_h = h_part + p_part @ p_rows[:, :, count:] + own
        row = torch.cat([towards_p, towards_h], dim=-1)
    return row


def last_layer(layers: Sequence[LayerAttention]) -> tuple[Tensor, Tensor]:
    """Head mean of the last layer: pathways to spots (batch, P, S), and back (batch, S, P)."""
    seen = layers[-1].head_mean()
    count = seen.pathways.shape[2]
    return seen.pathways[:, 0, :, count:], seen.spots_pathways[:, 0]
