"""How attention mixes tokens over the layers: rollout, its CLS row, gradient-weighted relevance.

Rollout: Abnar and Zuidema 2020 (arXiv 2005.00928). Relevance: Chefer, Gur, Wolf 2021 (arXiv
2103.15679). Attention tensors are (batch, heads, tokens, tokens), one per layer, first layer first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

Heads = Literal["mean", "max", "min"] | int


def fused_heads(attention: Tensor, heads: Heads = "mean") -> Tensor:
    """One matrix per layer out of its heads, (batch, tokens, tokens)."""
    if isinstance(heads, int):
        return attention[:, heads]
    if heads == "max":
        return attention.amax(dim=1)
    return attention.amin(dim=1) if heads == "min" else attention.mean(dim=1)


def rollout(layers: Sequence[Tensor], heads: Heads = "mean", layer: int | None = None) -> Tensor:
    """Multiply (A + I, rows divided by their sum) over the layers, the later one on the left.

    ``layer`` stops after so many layers.
    """
    first = fused_heads(layers[0], heads)
    tokens = first.shape[-1]
    identity = torch.eye(tokens, dtype=first.dtype, device=first.device)
    product = identity.expand(first.shape[0], tokens, tokens)
    for attention in layers[:layer]:
        mixed = fused_heads(attention, heads) + identity
        product = (mixed / mixed.sum(dim=-1, keepdim=True)) @ product
    return product


def rollout_row(
    layers: Sequence[Tensor], start: Tensor | int = 0, heads: Heads = "mean",
    layer: int | None = None,
) -> Tensor:  # fmt: skip
    """One row of `rollout`, (batch, tokens), from vectors times matrices only.

    ``start`` is the token whose row is wanted, or weights over tokens (a head's own pooling).
    """
    first = fused_heads(layers[0], heads)
    if isinstance(start, int):
        row = torch.zeros(first.shape[:2], dtype=first.dtype, device=first.device)
        row[:, start] = 1
    else:
        row = start.to(first).expand(first.shape[:2])
    for attention in reversed(layers[:layer]):
        mixed = fused_heads(attention, heads)
        total = mixed.sum(dim=-1) + 1
        row = row / total
        row = torch.baddbmm(row.unsqueeze(1), row.unsqueeze(1), mixed).squeeze(1)
    return row


def relevance(layers: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """R <- R + C R with C the head mean of max(gradient * attention, 0), from the identity."""
    first = layers[0]
    tokens = first.shape[-1]
    identity = torch.eye(tokens, dtype=first.dtype, device=first.device)
    total = identity.expand(first.shape[0], tokens, tokens)
    for attention, gradient in zip(layers, gradients, strict=True):
        mixed = (gradient * attention).clamp(min=0).mean(dim=1)
        total = total + mixed @ total
    return total


def relevance_row(
    layers: Sequence[Tensor], gradients: Sequence[Tensor], start: Tensor | int = 0
) -> Tensor:
    """One row of `relevance`, (batch, tokens), from vectors times matrices only."""
    first = layers[0]
    if isinstance(start, int):
        row = torch.zeros(first.shape[0], first.shape[-1], dtype=first.dtype, device=first.device)
        row[:, start] = 1
    else:
        row = start.to(first).expand(first.shape[0], first.shape[-1])
    for attention, gradient in zip(reversed(layers), reversed(gradients), strict=True):
        mixed = (gradient * attention).clamp(min=0).mean(dim=1)
        row = row + (row.unsqueeze(1) @ mixed).squeeze(1)
    return row


def on_grid(row: Tensor, grid: tuple[int, int], prefix: int) -> Tensor:
    """The patches of token rows, (batch, height, width); prefix tokens are dropped."""
    patches = row[:, prefix:]
    if patches.shape[1] != grid[0] * grid[1]:
        raise ValueError(f"{patches.shape[1]} patches do not fill a grid of {grid}")
    return patches.reshape(-1, *grid)


def magnified(maps: Tensor, pixels: int) -> Tensor:
    """Each patch repeated over so many pixels each way."""
    return maps.repeat_interleave(pixels, dim=-2).repeat_interleave(pixels, dim=-1)


def relative(maps: Tensor) -> Tensor:
    """Over the value that equal attention to all patches would have: 1 is "as any other".

    This scale is shared by all tiles; a flat map stays flat.
    """
    return maps / maps.mean(dim=(-2, -1), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)


def outliers(norms: Tensor, times: float = 4.0) -> Tensor:
    """Patches whose output norm is far above the tile's median: sinks rather than findings.

    Darcet et al. 2024 (arXiv 2309.16588). ``norms`` is (batch, patches).
    """
    middle = norms.median(dim=1, keepdim=True).values
    spread = (norms - middle).abs().median(dim=1, keepdim=True).values
    return norms > torch.maximum(middle + 8 * 1.4826 * spread, middle * times)
