"""How much a gene's map hangs together in space, and whether a prediction's does alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 6
BEST = 50


def morans_i(
    xy: NDArray[Any], values: NDArray[Any], neighbours: int = NEIGHBOURS
) -> NDArray[np.float64]:
    """Moran's I of each column with the nearest neighbours at equal weight.

    A constant column is 0; so are all where there are too few spots.
    """
    from scipy.spatial import cKDTree

    table = np.asarray(values, dtype=np.float64)
    if len(table) < neighbours + 1:
        return np.zeros(table.shape[1])
    _, near = cKDTree(xy).query(xy, k=neighbours + 1)
    centred = table - table.mean(axis=0)
    lag = centred[near[:, 1:]].mean(axis=1)
    power = (centred**2).sum(axis=0)
    alike = (centred * lag).sum(axis=0)
    out: NDArray[np.float64] = np.zeros_like(power)
    np.divide(alike, power, out=out, where=power > 1e-12)
    return out


def coherence(
    xy: NDArray[Any], found: NDArray[Any], wanted: NDArray[Any], best: int = BEST
) -> float:
    """Pearson r of Moran's I between prediction and truth over the truth's ``best`` genes."""
    true = morans_i(xy, wanted)
    top = np.argsort(-true, kind="stable")[:best]
    a, b = morans_i(xy, np.asarray(found)[:, top]), true[top]
    if len(top) < 2 or a.std() < 1e-12 or b.std() < 1e-12:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
