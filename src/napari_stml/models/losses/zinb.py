"""Zero-inflated negative binomial: raw counts, with more zeros than their mean explains."""

from __future__ import annotations

import torch
from torch import Tensor

EPS = 1e-8
MOST = 1e6


def zinb(
    pi: Tensor, mu: Tensor, theta: Tensor, counts: Tensor, padding: Tensor | None = None
) -> Tensor:
    """Mean negative log likelihood over valid entries, in double precision.

    In single precision the log-gamma terms of a large ``theta`` lose whole units.
    """
    pi, counts = pi.double(), counts.double().clamp(min=0)
    mu, theta = mu.double().clamp(EPS, MOST), theta.double().clamp(EPS, MOST)
    both = (theta + mu + EPS).log()
    none = theta * ((theta + EPS).log() - both)
    some = (
        torch.lgamma(counts + theta) - torch.lgamma(theta) - torch.lgamma(counts + 1)
        + none + counts * ((mu + EPS).log() - both)
    )  # fmt: skip
    zero = (pi + (1 - pi) * none.exp()).clamp(EPS, 1.0).log()
    each = torch.where(counts == 0, zero, (1 - pi + EPS).log() + some)
    if padding is None or each.ndim == 2:
        return -each.mean()
    kept = each.masked_fill(padding.unsqueeze(-1), 0.0)
    return -kept.sum() / ((~padding).sum().clamp(min=1) * each.shape[-1])
