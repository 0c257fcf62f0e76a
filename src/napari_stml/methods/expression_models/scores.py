"""How good a prediction is, gene by gene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Scores:
    """By gene: Pearson r (0 where either is constant), squared error, and how flat the map is.

    ``variance`` is the predicted variance over the true one: near 0 the map is flat.
    """

    r: NDArray[np.float64]
    mse: NDArray[np.float64]
    variance: NDArray[np.float64]

    @property
    def mean_r(self) -> float:
        return float(self.r.mean())


def pearson(found: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """Correlation of each column; 0 where a column is constant."""
    a = np.asarray(found, dtype=np.float64) - np.mean(found, axis=0, dtype=np.float64)
    b = np.asarray(wanted, dtype=np.float64) - np.mean(wanted, axis=0, dtype=np.float64)
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    out: NDArray[np.float64] = np.zeros(a.shape[1])
    np.divide((a * b).sum(axis=0), size, out=out, where=size > 1e-9)
    return out


def scored(
    found: Sequence[NDArray[Any]], wanted: Sequence[NDArray[Any]],
    masks: Sequence[NDArray[np.bool_]],
) -> Scores:  # fmt: skip
    """Scores per section on the masked spots, averaged over the sections that have any."""
    each = [(f[m], w[m]) for f, w, m in zip(found, wanted, masks, strict=True) if m.sum() >= 3]
    if not each:
        raise ValueError("no section has three spots to score")
    r = np.mean([pearson(f, w) for f, w in each], axis=0)
    mse = np.mean([((f - w) ** 2).mean(axis=0) for f, w in each], axis=0)
    true = np.mean([w.var(axis=0) for _, w in each], axis=0)
    made = np.mean([f.var(axis=0) for f, _ in each], axis=0)
    ratio = np.divide(made, true, out=np.full(len(true), np.nan), where=true > 1e-12)
    return Scores(r, np.asarray(mse, dtype=np.float64), ratio)


def bootstrap(
    one: NDArray[Any], other: NDArray[Any], *, seed: int = 0, times: int = 2000
) -> tuple[float, float, float]:
    """Mean difference of paired values (sections, genes) and its 95 % interval.

    Sections and genes are drawn again with replacement, the same for both.
    """
    gap = np.atleast_2d(np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64))
    rng = np.random.default_rng(seed)
    rows, columns = gap.shape
    drawn = [
        gap[rng.integers(rows, size=rows)][:, rng.integers(columns, size=columns)].mean()
        for _ in range(times)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(gap.mean()), float(low), float(high)
