"""The error of the decoder's last layer, without laying it out over all genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Moments:
    """Of every gene: the mean, and the sum of squares about it."""

    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Moments:
        mean = x.mean(dim=0)
        squares = x.square().sum(dim=0, dtype=torch.float64) - len(x) * mean.double().square()
        return cls(mean, squares)


def error(
    x: Tensor, h: Tensor, weights: Tensor, norm: nn.BatchNorm1d, moments: Moments | None = None
) -> Tensor:
    """Sum of (x - BN(h W))^2, exactly; the batch norm's running statistics follow."""
    known = moments if moments is not None else Moments.of(x)
    loss, middle, variance = _Error.apply(h, weights, norm.weight, norm.bias, x, known, norm.eps)
    with torch.no_grad():
        mean, squared = running_of(norm)
        mean.lerp_(middle @ weights, momentum_of(norm))
        squared.lerp_(variance * (len(x) / max(len(x) - 1, 1)), momentum_of(norm))
    found: Tensor = loss
    return found


def running_of(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Mean and variance that follow the batches; counts one more batch."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    return norm.running_mean, norm.running_var


def momentum_of(norm: nn.BatchNorm1d) -> float:
    return norm.momentum if norm.momentum is not None else 0.1


class _Error(torch.autograd.Function):
    """The error, the mean of h, and the variance of every gene's column of h W.

    With centred H, variances are the diagonal of W'H'H W / n, and the error of a gene is
    |x|^2 + n (mean x - b)^2 - 2 a w'H'x + a^2 w'H'H w, where a = scale / sd.
    """

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, weights: Tensor, scale: Tensor, bias: Tensor, x: Tensor,
        known: Moments, eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        n = len(x)
        middle = h.mean(dim=0)
        centred = h - middle
        square = centred.T @ centred
        with_x = centred.T @ x
        squares = square @ weights
        spread = (weights * squares).sum(dim=0)
        along = (weights * with_x).sum(dim=0)
        variance = spread / n
        inverse = torch.rsqrt(variance + eps)
        slope = scale * inverse
        shift = known.mean - bias
        by_gene = n * shift.square() - 2 * slope * along + slope.square() * spread
        ctx.save_for_backward(
            centred, weights, scale, x, with_x, squares, spread, along, inverse, shift
        )
        ctx.mark_non_differentiable(middle, variance)
        return by_gene.sum() + known.squares.sum().to(x.dtype), middle, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> Any:
        centred, weights, scale, x, with_x, squares, spread, along, inverse, shift = (
            ctx.saved_tensors
        )
        n = len(x)
        slope = scale * inverse
        of_slope = 2 * (slope * spread - along)
        of_spread = slope.square() - of_slope * slope * inverse.square() / (2 * n)
        of_spread, of_along = of_spread * gradient, -2 * slope * gradient
        spreading = weights * of_spread
        of_weights = 2 * of_spread * squares + of_along * with_x
        of_h = x @ (weights * of_along).T
        of_h.addmm_(centred, spreading @ weights.T, alpha=2)
        of_h -= of_h.mean(dim=0)
        of_scale = of_slope * inverse * gradient
        return of_h, of_weights, of_scale, -2 * n * shift * gradient, None, None, None
