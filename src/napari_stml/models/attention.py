"""The attention weights of a vision transformer, also where a fused kernel hides them.

The weights are recomputed from each block's own queries and keys (the output of its ``qkv``
projection is caught, so that nothing is projected twice); the forward pass itself stays fused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from napari_stml.models.rollout import Heads, fused_heads, relevance_row, rollout_row

Target = Callable[[Tensor], Tensor]


def attention_modules(model: nn.Module) -> list[nn.Module]:
    """The self-attention modules in order; an error where there are none that can be read."""
    found = [
        m for m in model.modules()
        if isinstance(getattr(m, "qkv", None), nn.Linear) and hasattr(m, "num_heads")
        and hasattr(m, "attn_drop")
    ]  # fmt: skip
    windows = [m for m in found if hasattr(m, "relative_position_bias_table")]
    turned = [m for m in found if hasattr(m, "rope") and m.rope is not None]
    if not found or windows or turned:
        why = (
            "it attends within windows only" if windows
            else "it turns its keys by their places" if turned else "it has no attention"
        )  # fmt: skip
        raise ValueError(f"attention cannot be read from this model: {why}")
    return found


def weights_of(module: Any, qkv: Tensor) -> Tensor:
    """Softmax weights (batch, heads, tokens, tokens) out of a block's ``qkv`` output."""
    batch, tokens, width = qkv.shape
    heads = module.num_heads
    parts = qkv.reshape(batch, tokens, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4)
    query, key = parts[0], parts[1]
    query = getattr(module, "q_norm", nn.Identity())(query)
    key = getattr(module, "k_norm", nn.Identity())(key)
    scale = getattr(module, "scale", query.shape[-1] ** -0.5)
    return torch.softmax((query * scale) @ key.transpose(-2, -1), dim=-1)


@contextmanager
def recorded(model: nn.Module, heads: Heads | None = "mean") -> Iterator[list[Tensor]]:
    """Fill the list with one tensor per layer while the model runs inside the context.

    With ``heads`` they are averaged (or one is taken) at once, which needs a sixteenth of the
    memory on a large encoder; None keeps all.
    """
    layers: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor, *, owner: nn.Module) -> None:
        weights = weights_of(owner, output)
        kept = weights if heads is None else fused_heads(weights, heads).unsqueeze(1)
        layers.append(kept)

    hooks = []
    for module in attention_modules(model):

        def hook(m: nn.Module, i: Any, o: Tensor, owner: nn.Module = module) -> None:
            keep(m, i, o, owner=owner)

        projection: Any = module.qkv
        hooks.append(projection.register_forward_hook(hook))
    try:
        yield layers
    finally:
        for each in hooks:
            each.remove()


@torch.inference_mode()
def rollout_rows(
    model: nn.Module, images: Tensor, start: Tensor | int = 0, heads: Heads = "mean",
    layer: int | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The rollout row of each image, (batch, tokens) in float32, and the model's output."""
    with recorded(model, heads) as layers:
        output = model(images)
    row = rollout_row([a.float() for a in layers], start, layer=layer)
    return row, output


def relevance_rows(
    model: nn.Module, images: Tensor, target: Target, start: Tensor | int = 0
) -> Tensor:
    """The gradient-weighted relevance row of each image for ``target`` of the model's output.

    ``target`` turns the output into one number per image.
    """
    layers, gradients, _ = weights_and_gradients(model, images, target)
    return relevance_row(layers, gradients, start)


def weights_and_gradients(
    model: nn.Module, images: Tensor, target: Target, run: Target | None = None
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Weights (batch, heads, tokens, tokens) by layer, their gradients, and what ``run`` gave.

    One pass forward and one back, which begins at the first layer's weights and needs no gradient
    of pixels or parameters. Fused kernels are put aside, for the weights must be part of the
    graph. ``run`` is what is called with the images (the model itself).
    """
    modules: list[Any] = attention_modules(model)
    layers: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not output.requires_grad:
            output.requires_grad_()
        layers.append(output)

    fused = [m.fused_attn for m in modules]
    needed = [p.requires_grad for p in model.parameters()]
    hooks = [m.attn_drop.register_forward_hook(keep) for m in modules]
    try:
        for module in modules:
            module.fused_attn = False
        for p in model.parameters():
            p.requires_grad_(False)
        with torch.enable_grad():
            output = (run or model)(images)
            gradients = torch.autograd.grad(target(output).sum(), layers)
    finally:
        for each in hooks:
            each.remove()
        for module, was in zip(modules, fused, strict=True):
            module.fused_attn = was
        for p, was in zip(model.parameters(), needed, strict=True):
            p.requires_grad_(was)
    return [a.detach() for a in layers], list(gradients), output.detach()


@torch.inference_mode()
def occlusion(
    model: Target, image: Tensor, target: Target, grid: tuple[int, int], *, fill: Tensor,
    batch: int = 32,
) -> Tensor:  # fmt: skip
    """How much ``target`` falls when each cell of the grid is covered: (rows, columns).

    Causal where attention is not. ``image`` is (channels, h, w), ``fill`` one value per channel.
    """
    height, width = image.shape[-2] // grid[0], image.shape[-1] // grid[1]
    whole = target(model(image.unsqueeze(0)))[0]
    cells = [(r, c) for r in range(grid[0]) for c in range(grid[1])]
    falls = []
    for i in range(0, len(cells), batch):
        covered = image.unsqueeze(0).repeat(len(cells[i : i + batch]), 1, 1, 1)
        for k, (r, c) in enumerate(cells[i : i + batch]):
            covered[k, :, r * height : (r + 1) * height, c * width : (c + 1) * width] = (
                fill.reshape(-1, 1, 1)
            )
        falls.append(whole - target(model(covered)))
    return torch.cat(falls).reshape(grid)


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy whose weight matrices are drawn anew with the spread they had: the control.

    A map that looks the same on this model shows the picture or the architecture, not what was
    learned (Adebayo et al. 2018, arXiv 1810.03292).
    """
    copy = deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in copy.parameters():
            if p.ndim > 1:
                spread = float(p.float().std()) if p.numel() > 1 else 0.02
                drawn = torch.randn(p.shape, generator=generator) * (spread or 0.02)
                p.copy_(drawn.to(p))
    return copy


def patch_grid(model: Any, image: Tensor) -> tuple[int, int]:
    """Rows and columns of patches of an image (..., h, w)."""
    size = model.patch_embed.patch_size
    h, w = (size, size) if isinstance(size, int) else size
    return image.shape[-2] // h, image.shape[-1] // w


def prefix_tokens(model: Any) -> int:
    """Class and register tokens before the patches, by the model's own count."""
    return int(getattr(model, "num_prefix_tokens", 1))
