"""Which spots are significant: as they are, or corrected for how many were tested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rule = Literal["nominal", "Bonferroni", "FDR"]


def cut_off(p: NDArray[np.float64], level: float, rule: Rule) -> float:
    """The largest p that counts as significant; missing values were not tested.

    FDR is that of Benjamini and Hochberg; 0 where nothing passes.
    """
    tested = np.sort(p[np.isfinite(p)])
    if not len(tested):
        return 0.0
    if rule == "nominal":
        return level
    if rule == "Bonferroni":
        return level / len(tested)
    line = level * np.arange(1, len(tested) + 1) / len(tested)
    below = np.flatnonzero(tested <= line)
    return float(tested[below[-1]]) if len(below) else 0.0
