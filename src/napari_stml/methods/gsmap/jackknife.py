"""Block jackknife of many regressions at once, from the sums of their blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

SINGULAR = 1e-11
"""A column of which less than this share is left beside the others says nothing of its own."""


def block_bounds(rows: int, blocks: int) -> NDArray[np.int64]:
    """First row of each block, and the end: contiguous, over all chromosomes."""
    return np.floor(np.linspace(0, rows, blocks + 1)).astype(np.int64)


def pseudovalue_mean(xtx: Mapping[tuple[int, int], F64], xty: Mapping[int, F64]) -> tuple[F64, F64]:
    """Bias-corrected estimate and standard error of the first coefficient of every regression.

    Parameters
    ----------
    xtx, xty
        Sums of each block, (blocks, regressions), of columns i <= j, and of column i with y.

    Returns
    -------
    Mean of the pseudovalues, and its standard error; NaN where the design is singular.
    """
    blocks = len(xty[0])
    whole = {key: part.sum(axis=0) for key, part in xtx.items()}
    right = {key: part.sum(axis=0) for key, part in xty.items()}
    estimate, good = first_coefficient(dict(whole), dict(right))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        without, _ = first_coefficient(
            {key: whole[key] - part for key, part in xtx.items()},
            {key: right[key] - part for key, part in xty.items()},
        )
        pseudo = blocks * estimate - (blocks - 1) * without
        mean = np.where(good, pseudo.mean(axis=0), np.nan)
        error = np.where(good, np.sqrt(pseudo.var(axis=0, ddof=1) / blocks), np.nan)
    return mean, error


def first_coefficient(
    a: dict[tuple[int, int], F64], y: dict[int, F64]
) -> tuple[F64, NDArray[np.bool_]]:
    """Solve symmetric systems for their first unknown, and say where they can be solved.

    Columns are eliminated from the last (the intercept) to the second; the arguments are used up.
    """
    k = len(y)
    diagonal = [a[i, i] for i in range(k)]
    good = np.ones(y[0].shape, dtype=bool)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for j in range(k - 1, 0, -1):
            good &= a[j, j] > SINGULAR * diagonal[j]
            for i in range(j):
                factor = a[i, j] / a[j, j]
                for m in range(i, j):
                    a[i, m] = a[i, m] - factor * a[m, j]
                y[i] = y[i] - factor * y[j]
        good &= a[0, 0] > SINGULAR * diagonal[0]
        found = y[0] / a[0, 0]
    return found, good & np.isfinite(found)
