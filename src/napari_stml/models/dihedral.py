"""The eight ways to lay a square upon itself, for pictures and coordinates alike.

0 as it is; 1 to 3 quarter turns counter-clockwise; 4 left-right; 5 up-down; 6 transposed;
7 anti-transposed. Coordinates are (x, y) with y downwards, as in pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

WAYS = 8
_MATRIX = (
    ((1, 0), (0, 1)), ((0, 1), (-1, 0)), ((-1, 0), (0, -1)), ((0, -1), (1, 0)),
    ((-1, 0), (0, 1)), ((1, 0), (0, -1)), ((0, 1), (1, 0)), ((0, -1), (-1, 0)),
)  # fmt: skip


def turned_xy(xy: Tensor, way: int) -> Tensor:
    """Coordinates (..., 2) about the origin."""
    return xy @ torch.tensor(_MATRIX[way], dtype=xy.dtype, device=xy.device).T


def turned(images: Tensor, way: int) -> Tensor:
    """Pictures (..., h, w)."""
    if way < 4:
        return torch.rot90(images, way, dims=(-2, -1))
    if way == 4:
        return images.flip(-1)
    if way == 5:
        return images.flip(-2)
    return images.mT if way == 6 else images.mT.flip(-2, -1)
