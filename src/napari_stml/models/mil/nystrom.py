"""Attention through landmarks (Xiong et al. 2021, arXiv 2102.03902): linear in the tokens."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class NystromAttention(nn.Module):
    """Heads attend through ``landmarks`` means of neighbouring tokens; values are also smoothed.

    Tokens are zero padded in front to a multiple of the landmarks.
    """

    def __init__(
        self, width: int, heads: int = 8, landmarks: int = 256, iterations: int = 6,
        kernel: int = 33, dropout: float = 0.1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_heads, self.landmarks, self.iterations = heads, landmarks, iterations
        self.scale = (width // heads) ** -0.5
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)
        self.smooth = nn.Conv2d(
            heads, heads, (kernel, 1), padding=(kernel // 2, 0), groups=heads, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        front = -tokens % self.landmarks
        x = functional.pad(x, (0, 0, front, 0))
        count = tokens + front
        each = width // self.num_heads
        parts = self.to_qkv(x).reshape(batch, count, 3, self.num_heads, each)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        query = query * self.scale
        size = count // self.landmarks
        q_mark = query.unflatten(2, (self.landmarks, size)).mean(dim=3)
        k_mark = key.unflatten(2, (self.landmarks, size)).mean(dim=3)
        first = (query @ k_mark.mT).softmax(dim=-1)
        middle = pseudo_inverse((q_mark @ k_mark.mT).softmax(dim=-1), self.iterations)
        last = (q_mark @ key.mT).softmax(dim=-1)
        mixed = (first @ middle) @ (last @ value) + self.smooth(value)
        out: Tensor = self.drop(self.to_out(mixed.transpose(1, 2).flatten(2)))
        return out[:, front:]


def pseudo_inverse(matrix: Tensor, iterations: int) -> Tensor:
    """Moore-Penrose inverse by the third-order iteration of the paper."""
    columns, rows = matrix.abs().sum(dim=-1), matrix.abs().sum(dim=-2)
    z = matrix.mT / (columns.max() * rows.max())
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    for _ in range(iterations):
        xz = matrix @ z
        z = 0.25 * z @ (13 * identity - xz @ (15 * identity - xz @ (7 * identity - xz)))
    return z


def square(count: int) -> tuple[int, int]:
    """Rows and columns of the nearest grid of so many tokens."""
    rows = math.isqrt(count)
    return rows, count // rows if rows else 0
