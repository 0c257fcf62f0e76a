"""Several genes as one number per observation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Together = Literal["mean of z", "max"]
WAYS: tuple[Together, ...] = ("mean of z", "max")


def together(genes: NDArray[np.float32], how: Together) -> NDArray[np.float32]:
    """Combine columns (n, k): the mean of standardised values, or the largest value.

    Standardised over the observations that have a value; genes without variation count as 0.
    Where no gene has a value the answer is missing.
    """
    there = np.isfinite(genes)
    nothing = ~there.any(axis=1)
    if how == "max":
        out = np.where(there, genes, -np.inf).max(axis=1)
    else:
        count = np.maximum(there.sum(axis=0), 1)
        filled = np.where(there, genes, 0).astype(np.float64)
        mean = filled.sum(axis=0) / count
        away = np.where(there, genes - mean, 0)
        spread = np.sqrt((away**2).sum(axis=0) / count)
        z = away / np.where(spread > 0, spread, 1)
        out = z.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    result: NDArray[np.float32] = np.where(nothing, np.nan, out).astype(np.float32)
    return result


def title_of(names: Sequence[str], how: Together) -> str:
    few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{few} ({how})" if len(names) > 1 else few
