"""Where a spot is, added to what it looks like."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Sinusoidal(nn.Module):
    """Sines and cosines of both coordinates, as they are given (steps of the lattice)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, xy: Tensor, padding: Tensor | None = None) -> Tensor:
        each = self.width // 2
        return torch.cat(
            [_axis(xy[..., 0], each), _axis(xy[..., 1], self.width - each)], dim=-1
        )  # fmt: skip


def _axis(values: Tensor, channels: int) -> Tensor:
    index = torch.arange(0, channels, 2, device=values.device, dtype=torch.float32)
    angle = values.unsqueeze(-1).float() * torch.exp(index * (-math.log(10_000.0) / channels))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


class Learned(nn.Module):
    """A small network of coordinates centred and scaled within each slide's own spots.

    Coordinates that span less than one step are not blown up. Padding takes no part; with
    ``padding_counts`` it does, as in the reference system.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.padding_counts = False
        self.mlp = nn.Sequential(nn.Linear(2, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, xy: Tensor, padding: Tensor | None = None) -> Tensor:
        placed: Tensor = self.mlp(self.normalised(xy, padding))
        return placed

    def normalised(self, xy: Tensor, padding: Tensor | None = None) -> Tensor:
        if padding is None or self.padding_counts:
            valid = torch.ones_like(xy[..., :1])
        else:
            valid = (~padding).unsqueeze(-1).to(xy)
        count = valid.sum(dim=-2, keepdim=True).clamp(min=1)
        centred = (xy - (xy * valid).sum(dim=-2, keepdim=True) / count) * valid
        reach = centred.abs().amax(dim=(-2, -1), keepdim=True)
        return centred / reach.clamp(min=1.0)
