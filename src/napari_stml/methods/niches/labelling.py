"""Niches: neighbourhoods of like composition get the same label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.methods.agreement import partitions
from napari_stml.methods.clusters import judging, leiden, mixtures, naming
from napari_stml.methods.neighbours import nearest

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

Way = Literal["k-means", "mini-batch", "mixture", "leiden"]

LARGE = 200_000
"""From here on k-means looks at batches."""
LEIDEN_MOST = 60_000
"""The graph of similar neighbourhoods grows with the square of the cells."""
SIMILAR = 15
STARTS = 5
BATCH = 4096


def prepared(shares: NDArray[Any], root: bool) -> NDArray[np.float64]:
    """What is compared: shares, or their square roots, which let rare types count."""
    values = np.asarray(shares, dtype=np.float64)
    return np.sqrt(np.maximum(values, 0)) if root else values


def niches(
    points: NDArray[np.float64], way: Way, k: int, *, seed: int, resolution: float = 1.0
) -> Generator[float, None, NDArray[np.int32]]:
    """One label per row, 0 the largest; yields the fraction done."""
    different = len(np.unique(points.round(9), axis=0))
    if way != "leiden" and k > different:
        raise StmlError(
            f"{k} niches were asked for, but only {different} neighbourhoods differ",
            do="ask for fewer niches or choose a wider scope",
        )  # fmt: skip
    match way:
        case "leiden":
            codes = yield from _leiden(points, resolution, seed)
        case "mixture":
            codes = yield from mixtures.parted(points, k, seed, "mixture")
        case _:
            codes = k_means(points, k, seed, batches=way == "mini-batch" or len(points) > LARGE)
            yield 1.0
    return naming.by_size(codes)


def k_means(
    points: NDArray[np.float64], k: int, seed: int, *, batches: bool = False, starts: int = STARTS
) -> NDArray[np.int32]:
    """The best of several starts; with ``batches`` as MiniBatchKMeans."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    small = points.astype(np.float32)
    if batches:
        model: Any = MiniBatchKMeans(k, n_init=starts, random_state=seed, batch_size=BATCH)
    else:
        model = KMeans(k, n_init=starts, random_state=seed, max_iter=1000)
    return np.asarray(model.fit(small).labels_, dtype=np.int32)


def _leiden(
    points: NDArray[np.float64], resolution: float, seed: int
) -> Generator[float, None, NDArray[np.int32]]:
    n = len(points)
    if n > LEIDEN_MOST:
        raise StmlError(
            f"Leiden compares every neighbourhood with every other; {n:,} are too many",
            where=f"at most {LEIDEN_MOST:,}", do="use k-means or mini-batch",
        )  # fmt: skip
    steps = nearest.nearest(points, min(SIMILAR, n - 1))
    while True:
        try:
            yield 0.9 * next(steps)
        except StopIteration as end:
            indices, distances = end.value
            break
    graph = leiden.Communities(nearest.weights(indices, distances))
    return graph.at(resolution, seed)


def guide(
    points: NDArray[np.float64], numbers: tuple[int, ...], seed: int
) -> Generator[float, None, list[dict[str, float]]]:
    """For each number of niches its silhouette, and how far other starts agree (mean ARI)."""
    found = []
    for i, k in enumerate(numbers):
        runs = [k_means(points, k, seed + 101 * j, starts=1) for j in range(4)]
        pairs = [(a, b) for a in range(4) for b in range(a)]
        agreement = float(np.mean([agreed(runs[a], runs[b]) for a, b in pairs]))
        found.append({
            "niches": k, "silhouette": judging.silhouette(points, runs[0], seed),
            "agreement": agreement,
        })  # fmt: skip
        yield (i + 1) / len(numbers)
    return found


def agreed(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Adjusted Rand index of two ways to label the same rows."""
    return partitions.adjusted_rand(partitions.contingency(a, b))


def centres(points: NDArray[np.float32], codes: NDArray[Any], groups: int) -> NDArray[np.float32]:
    """Mean point of every group; a group without points keeps to the mean of all."""
    number = np.bincount(codes, minlength=groups)
    sums = [np.bincount(codes, weights=column, minlength=groups) for column in points.T]
    found = np.stack(sums, axis=1).astype(np.float64) / np.maximum(number, 1)[:, None]
    found[number == 0] = points.mean(axis=0)
    return found.astype(np.float32)


def settled(
    points: NDArray[np.float32], start: NDArray[np.float32], rounds: int
) -> NDArray[np.int32]:
    """Lloyd's rounds from given centres, until hardly a row changes; group i stays group i."""
    centre = start
    codes = np.full(len(points), -1, dtype=np.int32)
    for _ in range(rounds):
        away = points @ (-2 * centre.T)
        away += (centre**2).sum(axis=1)
        new = away.argmin(axis=1).astype(np.int32)
        changed = int((new != codes).sum())
        codes = new
        if changed <= len(points) // 1000:
            break
        centre = centres(points, codes, len(start))
    return codes
