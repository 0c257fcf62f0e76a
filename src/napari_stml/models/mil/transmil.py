"""TransMIL (Shao et al. 2021, arXiv 2106.00908) in the order of the reference system.

The positions are mixed in before the class token, and only where the spots fill a grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_stml.models.mil.nystrom import NystromAttention, square

if TYPE_CHECKING:
    from collections.abc import Mapping


class GridMixing(nn.Module):
    """Depthwise convolutions of three sizes on the grid that the spots are laid out to."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, width, k, padding=k // 2, groups=width) for k in (7, 5, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = square(x.shape[1])
        if rows * columns != x.shape[1]:
            return x
        plane = x.transpose(1, 2).reshape(len(x), x.shape[2], rows, columns)
        mixed = plane
        for convolve in self.convolutions:
            mixed = mixed + convolve(plane)
        return mixed.flatten(2).transpose(1, 2)


class NystromLayer(nn.Module):
    def __init__(self, width: int, landmarks: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attn = NystromAttention(width, landmarks=landmarks)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.attn(self.norm(x))
        return out


class TransMil(nn.Module):
    """One prediction per bag, (1, N, F) to (1, genes); bags of unequal length come one by one."""

    def __init__(self, features: int, genes: int, width: int = 512, landmarks: int = 256) -> None:
        super().__init__()
        self.reduce = nn.Linear(features, width)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.grid = GridMixing(width)
        self.layer1 = NystromLayer(width, landmarks)
        self.layer2 = NystromLayer(width, landmarks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, genes)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Genes, and roughly where the class token looks beside itself, (B, N)."""
        x = self.grid(torch.relu(self.reduce(features)))
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        looks = []
        for layer in (self.layer1, self.layer2):
            seen = layer.norm(x)
            towards = (seen[:, :1] @ seen.mT).squeeze(1)
            looks.append((towards * x.shape[-1] ** -0.5).softmax(dim=-1)[:, 1:])
            x = layer(x)
        genes: Tensor = self.head(self.norm(x)[:, 0])
        return genes, torch.stack(looks).mean(dim=0)


def from_reference(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a checkpoint of the reference system."""
    names = {"_fc1.0": "reduce", "_fc2": "head", "norm": "norm",
             **{f"pos_layer.proj{i or ''}": f"grid.convolutions.{i}" for i in range(3)},
             **{f"layer{i}.norm": f"layer{i}.norm" for i in (1, 2)},
             **{f"layer{i}.attn.to_out.0": f"layer{i}.attn.to_out" for i in (1, 2)}}  # fmt: skip
    renamed = {
        f"{ours}.{w}": weights[f"{theirs}.{w}"]
        for theirs, ours in names.items() for w in ("weight", "bias")
    }  # fmt: skip
    for i in (1, 2):
        renamed[f"layer{i}.attn.to_qkv.weight"] = weights[f"layer{i}.attn.to_qkv.weight"]
        renamed[f"layer{i}.attn.smooth.weight"] = weights[f"layer{i}.attn.res_conv.weight"]
    return renamed | {"cls_token": weights["cls_token"]}
