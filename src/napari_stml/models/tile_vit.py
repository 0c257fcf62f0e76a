"""A small vision transformer from one tile of H&E to genes, trained from nothing.

With the defaults and 16 genes it has 118,160 parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_stml.models.blocks import Block


class PatchEmbed(nn.Module):
    """Non-overlapping patches of a tile as tokens, by one strided convolution."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.patch_size = (patch, patch)
        self.proj = nn.Conv2d(3, width, kernel_size=patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.proj(images).flatten(2).transpose(1, 2)
        return tokens


class TileViT(nn.Module):
    """Tiles (n, 3, side, side) in 0..1 to (n, genes), from the class token."""

    num_prefix_tokens = 1

    def __init__(
        self, genes: int, *, side: int = 64, patch: int = 8, width: int = 64, layers: int = 3,
        heads: int = 4, hidden: int = 128, dropout: float = 0.1,
    ) -> None:  # fmt: skip
        super().__init__()
        if side % patch:
            raise ValueError(f"tiles of {side} px cannot be cut into patches of {patch}")
        self.side = side
        self.patch_embed = PatchEmbed(patch, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (side // patch) ** 2, width))
        self.blocks = nn.ModuleList(
            Block(width, heads, hidden, dropout, pre_norm=False, activation="gelu")
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, genes)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward_features(self, images: Tensor) -> Tensor:
        """All tokens after the last layer norm, the class token first."""
        if images.shape[-2:] != (self.side, self.side):
            given = f"{images.shape[-2]} x {images.shape[-1]}"
            raise ValueError(f"this network takes tiles of {self.side} px, not {given}")
        x = self.patch_embed(images)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out

    def forward(self, images: Tensor) -> Tensor:
        genes: Tensor = self.head(self.forward_features(images)[:, 0])
        return genes
