"""Learning rates: a linear warm-up, then half a cosine."""

from __future__ import annotations

import math

START_SHARE = 0.01
LEAST = 1e-6


def learning_rate(epoch: int, epochs: int, peak: float, warmup: int) -> float:
    """Rate of an epoch (from 0): from a hundredth of the peak up to it, then down to 1e-6."""
    if epoch < warmup:
        return peak * (START_SHARE + (1 - START_SHARE) * epoch / warmup)
    share = (epoch - warmup) / max(1, epochs - warmup)
    return LEAST + (peak - LEAST) * (1 + math.cos(math.pi * share)) / 2
