"""How well a partition fits the values it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = 2000


def silhouette(points: NDArray[np.float64], codes: NDArray[Any], seed: int) -> float:
    """Mean silhouette (-1 to 1) of at most 2,000 rows; NaN for one cluster or only single rows."""
    from sklearn.metrics import silhouette_score

    if len(codes) > SAMPLE:
        some = np.random.default_rng(seed).choice(len(codes), SAMPLE, replace=False)
        points, codes = points[some], codes[some]
    if not 2 <= len(np.unique(codes)) < len(codes):
        return float("nan")
    return float(silhouette_score(points, codes))
