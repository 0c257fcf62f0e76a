"""The blend of the two views, and its scale: alpha, and what it does (f)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEEP = 4.0


def share(alpha: float) -> float:
    """f(alpha): how much of the blend are connections, 0 to 1; half at alpha 0.17."""
    return float(np.expm1(-STEEP * alpha) / np.expm1(-STEEP))


def alpha_of(share: float) -> float:
    """The alpha of a share f."""
    return float(-np.log1p(share * np.expm1(-STEEP)) / STEEP)


def standardised(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Columns of mean 0 and standard deviation 1 (n in the divisor); constant ones become 0."""
    values = np.asarray(values, dtype=np.float64)
    mean = values.mean(axis=0)
    sd = values.std(axis=0)
    even = sd <= 10 * np.finfo(np.float64).eps * np.maximum(np.abs(mean), 1e-300)
    return np.asarray(np.where(even, 0.0, (values - mean) / np.where(even, 1.0, sd)))


def blended(
    con: NDArray[np.float64], spa: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Add two standardised views, column by column."""
    return share * con + (1 - share) * spa
