"""One layer over pathways and spots, without any tokens x tokens matrix where spots are apart.

With ``h2h`` off a spot sees the pathways and itself: P + 1 keys. That, and the pathways' rows, is
all there is to compute: time and memory grow with the number of spots, exactly, not as its square.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from napari_stml.models.blocks import Block, softmax_over

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 8192
"""Spots at once where they do not see each other."""


@dataclass(frozen=True)
class LayerAttention:
    """Softmax weights of one layer, by who looks at whom (batch, heads, queries, keys).

    ``spots_self`` (batch, heads, spots) is each spot's weight on itself where spots are apart;
    ``spots_spots`` the whole matrix where they see each other.
    """

    pathways: Tensor
    spots_pathways: Tensor
    spots_self: Tensor | None = None
    spots_spots: Tensor | None = None

    def full(self) -> Tensor:
        """All of it, (batch, heads, T, T)."""
        if self.spots_spots is None:
            assert self.spots_self is not None
            right = torch.diag_embed(self.spots_self)
        else:
            right = self.spots_spots
        below = torch.cat([self.spots_pathways, right], dim=-1)
        return torch.cat([self.pathways, below], dim=-2)

    def head_mean(self) -> LayerAttention:
        def mean(weights: Tensor | None) -> Tensor | None:
            return None if weights is None else weights.mean(dim=1, keepdim=True)

        first, second = self.pathways.mean(1, keepdim=True), self.spots_pathways.mean(1, True)
        return LayerAttention(first, second, mean(self.spots_self), mean(self.spots_spots))


class PathwayBlock(Block):
    """The shared block on two kinds of tokens."""

    def __init__(
        self, width: int, heads: int, dropout: float, interactions: tuple[str, ...]
    ) -> None:
        super().__init__(width, heads, 4 * width, dropout, pre_norm=True, activation="relu")
        self.sees = frozenset(interactions)

    def both(
        self, pathways: Tensor, spots: Tensor, padding: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Both kinds of tokens after this layer, (B, P, D) and (B, S, D)."""
        p_qkv = self.attn.heads(self.norm1(pathways))
        whole = "h2h" in self.sees
        step = spots.shape[1] if whole else CHUNK
        chunks = list(torch.split(spots, step, dim=1))
        masks: list[Tensor | None] = [None] * len(chunks)
        if padding is not None:
            masks = list(torch.split(padding, step, dim=1))
        kept = [self._run(self._keys, c) for c in chunks]
        after = self._pathways(pathways, p_qkv, kept, padding)
        moved = [
            self._run(self._spots, c, p_qkv[1], p_qkv[2], m)
            for c, m in zip(chunks, masks, strict=True)
        ]
        return after, torch.cat(moved, dim=1) if len(moved) > 1 else moved[0]

    def weights(self, pathways: Tensor, spots: Tensor, padding: Tensor | None) -> LayerAttention:
        """What this layer attends to, for the same input; no dropout."""
        p_q, p_k, _ = self.attn.heads(self.norm1(pathways))
        h_q, h_k, _ = self.attn.heads(self.norm1(spots))
        p_q, h_q = p_q * self.attn.scale, h_q * self.attn.scale
        keys = torch.cat([p_k, h_k], dim=2)
        rows = softmax_over(p_q @ keys.mT, self._blocked_for_pathways(p_q, h_k, padding))
        count, gone = p_k.shape[2], None if padding is None else padding[:, None, :, None]
        to_p = h_q @ p_k.mT
        if "h2p" not in self.sees:
            to_p = to_p.fill_(float("-inf"))
        if "h2h" in self.sees:
            to_h = h_q @ h_k.mT
            if padding is not None:
                to_h = to_h.masked_fill(padding[:, None, None, :], float("-inf"))
            both = torch.nan_to_num(torch.cat([to_p, to_h], dim=-1).softmax(dim=-1))
            return LayerAttention(rows, both[..., :count], spots_spots=both[..., count:])
        own = (h_q * h_k).sum(dim=-1, keepdim=True)
        if gone is not None:
            own = own.masked_fill(gone, float("-inf"))
        both = torch.nan_to_num(torch.cat([to_p, own], dim=-1).softmax(dim=-1))
        return LayerAttention(rows, both[..., :count], spots_self=both[..., count])

    def _run(self, part: Callable[..., Tensor], chunk: Tensor, *more: Tensor | None) -> Tensor:
        """Compute a chunk; in training a long slide's chunks are computed again going back."""
        again = chunk.shape[1] == CHUNK and torch.is_grad_enabled() and "h2h" not in self.sees
        if not again:
            return part(chunk, *more)
        out: Tensor = checkpoint(part, chunk, *more, use_reentrant=False)
        return out

    def _keys(self, spots: Tensor) -> Tensor:
        """Keys and values of spots, (2, B, H, n, k)."""
        _, key, value = self.attn.heads(self.norm1(spots))
        return torch.stack([key, value])

    def _pathways(
        self, pathways: Tensor, qkv: tuple[Tensor, Tensor, Tensor], kept: list[Tensor],
        padding: Tensor | None,
    ) -> Tensor:  # fmt: skip
        query, key, value = qkv
        if "p2h" in self.sees:
            spots = torch.cat(kept, dim=3) if len(kept) > 1 else kept[0]
            blocked = self._blocked_for_pathways(query, spots[0], padding)
            key, value = torch.cat([key, spots[0]], dim=2), torch.cat([value, spots[1]], dim=2)
        else:
            blocked = self._alone(query)
        mixed = self._mixed(query, key, value, blocked)
        return self.fed(pathways + self.drop(self.attn.joined(mixed)))

    def _alone(self, query: Tensor) -> Tensor | None:
        """Among pathways: each sees itself only, unless p2p."""
        if "p2p" in self.sees:
            return None
        return ~torch.eye(query.shape[2], dtype=torch.bool, device=query.device)

    def _blocked_for_pathways(
        self, query: Tensor, spots: Tensor, padding: Tensor | None
    ) -> Tensor | None:
        count, many = query.shape[2], spots.shape[2]
        among = self._alone(query)
        reads = "p2h" in self.sees
        if among is None and reads and padding is None:
            return None
        blocked = torch.zeros(len(query), 1, count, count + many, dtype=torch.bool,
                              device=query.device)  # fmt: skip
        if among is not None:
            blocked[..., :count] = among
        if not reads:
            blocked[..., count:] = True
        elif padding is not None:
            blocked[..., count:] = padding[:, None, None, :]
        return blocked

    def _spots(
        self, spots: Tensor, p_key: Tensor, p_value: Tensor, padding: Tensor | None
    ) -> Tensor:
        query, key, value = self.attn.heads(self.norm1(spots))
        if "h2h" in self.sees:
            mixed = self._together(query, key, value, p_key, p_value, padding)
        else:
            mixed = self._apart(query, key, value, p_key, p_value)
        if padding is not None:
            mixed = mixed.masked_fill(padding[:, None, :, None], 0.0)
        return self.fed(spots + self.drop(self.attn.joined(mixed)))

    def _together(
        self, query: Tensor, key: Tensor, value: Tensor, p_key: Tensor, p_value: Tensor,
        padding: Tensor | None,
    ) -> Tensor:  # fmt: skip
        gone = padding
        if "h2p" in self.sees:
            key, value = torch.cat([p_key, key], dim=2), torch.cat([p_value, value], dim=2)
            if gone is not None:
                gone = nn.functional.pad(gone, (p_key.shape[2], 0), value=False)
        if gone is None:
            return self._mixed(query, key, value, None)
        empty = gone.all(dim=1)[:, None, None, None]
        blocked = gone[:, None, None, :] & ~empty  # a slide of padding alone stays finite
        return self._mixed(query, key, value, blocked)

    def _apart(
        self, query: Tensor, key: Tensor, value: Tensor, p_key: Tensor, p_value: Tensor
    ) -> Tensor:
        if "h2p" not in self.sees:
            own: Tensor = self.attn.attn_drop(torch.ones_like(value[..., :1]))
            return value * own
        query = query * self.attn.scale
        scores = torch.cat([query @ p_key.mT, (query * key).sum(dim=-1, keepdim=True)], dim=-1)
        weights: Tensor = self.attn.attn_drop(scores.softmax(dim=-1))
        return weights[..., :-1] @ p_value + weights[..., -1:] * value

    def _mixed(self, query: Tensor, key: Tensor, value: Tensor, blocked: Tensor | None) -> Tensor:
        share = self.attn.attn_drop.p if self.training else 0.0
        seen = None if blocked is None else ~blocked
        mixed: Tensor = scaled_dot_product_attention(query, key, value, seen, share)
        return mixed
