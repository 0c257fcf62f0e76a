"""Errors averaged over valid spots and all genes; without any valid spot they are 0.

Tensors are (B, G), where ``padding`` has no meaning, or (B, N, G).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def mse(found: Tensor, wanted: Tensor, padding: Tensor | None = None) -> Tensor:
    return valid_mean((found - wanted).square(), padding)


def huber(found: Tensor, wanted: Tensor, padding: Tensor | None = None) -> Tensor:
    """Quadratic up to an error of 1, linear beyond."""
    return valid_mean(functional.huber_loss(found, wanted, reduction="none", delta=1.0), padding)


def log_cosh(found: Tensor, wanted: Tensor, padding: Tensor | None = None) -> Tensor:
    gap = found - wanted
    return valid_mean(gap + functional.softplus(-2 * gap) - 0.6931471805599453, padding)


def poisson(found: Tensor, wanted: Tensor, padding: Tensor | None = None) -> Tensor:
    """Negative log likelihood of counts when the network gives the log of their mean."""
    each = functional.poisson_nll_loss(found, wanted, log_input=True, reduction="none")
    return valid_mean(each, padding)


def weighted_mse(
    found: Tensor, wanted: Tensor, weights: Tensor, padding: Tensor | None = None
) -> Tensor:
    """Squared error with one weight per column (last axis)."""
    each = weights.to(found).expand_as(found)
    if padding is not None and found.ndim == 3:
        each = each * (~padding).unsqueeze(-1).to(found)
    return ((found - wanted).square() * each).sum() / each.sum().clamp(min=1e-12)


def valid_mean(values: Tensor, padding: Tensor | None) -> Tensor:
    """Mean over valid spots and all columns."""
    if padding is None or values.ndim == 2:
        return values.mean()
    kept = values.masked_fill(padding.unsqueeze(-1), 0.0)
    count = (~padding).sum().clamp(min=1) * values.shape[-1]
    return kept.sum() / count


def detached_zero(like: Tensor) -> Tensor:
    """A loss of 0 that nothing can be learned from."""
    return torch.zeros((), dtype=like.dtype, device=like.device)
