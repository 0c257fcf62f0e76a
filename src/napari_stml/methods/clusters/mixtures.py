"""k-means and Gaussian mixtures, started several times; the best start wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

STARTS = 10
Kind = Literal["k-means", "mixture"]


def parted(
    points: NDArray[np.float64], k: int, seed: int, kind: Kind
) -> Generator[float, None, NDArray[np.int32]]:
    """Part the rows into ``k`` groups; yields the fraction done after every start."""
    different = len(np.unique(points, axis=0))
    if k > different:
        raise StmlError(
            f"{k} clusters were asked for, but only {different} spots differ",
            do="ask for fewer clusters or choose a wider scope",
        )  # fmt: skip
    best, codes = -np.inf, np.zeros(len(points), dtype=np.int32)
    for start in range(STARTS):
        score, found = (_k_means if kind == "k-means" else _mixture)(points, k, seed + start)
        if score > best:
            best, codes = score, found
        yield (start + 1) / STARTS
    return codes


def at_once(points: NDArray[np.float64], k: int, seed: int, kind: Kind) -> NDArray[np.int32]:
    """`parted` without looking at its progress."""
    steps = parted(points, k, seed, kind)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            codes: NDArray[np.int32] = end.value
            return codes


def _k_means(points: NDArray[np.float64], k: int, seed: int) -> tuple[float, NDArray[np.int32]]:
    from sklearn.cluster import KMeans

    model = KMeans(k, n_init=1, random_state=seed).fit(points)
    return -float(model.inertia_), np.asarray(model.labels_, dtype=np.int32)


def _mixture(points: NDArray[np.float64], k: int, seed: int) -> tuple[float, NDArray[np.int32]]:
    """One covariance for all groups ("tied"): groups of equal shape, any orientation."""
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(
        k, covariance_type="tied", random_state=seed, reg_covar=1e-5, max_iter=300, tol=1e-3
    )
    codes = model.fit_predict(points)
    return float(model.lower_bound_), np.asarray(codes, dtype=np.int32)
