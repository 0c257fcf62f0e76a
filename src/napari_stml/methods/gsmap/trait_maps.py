"""Maps of several traits over all spots, computed spot by spot group, in threads."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.methods.gsmap.halves import by_gene
from napari_stml.methods.gsmap.regression import SPOTS, Estimate, regress
from napari_stml.methods.gsmap.spot_scores import ROWS, Stored, Weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from numpy.typing import NDArray

    from napari_stml.methods.gsmap.regression import Design, SpotScores
    from napari_stml.methods.gsmap.spot_scores import Weights

    F64 = NDArray[np.float64]


def trait_maps(
    weights: Weights, specificity: NDArray[np.floating], designs: Sequence[Design],
    *, threads: int = 1, device: str = "cpu",
) -> Generator[float, None, list[Estimate]]:  # fmt: skip
    """Regress every trait on every spot.

    Parameters
    ----------
    specificity
        (spots, genes), genes in the order of the weights' columns; may lie on disk.

    The memory it takes depends on neither SNPs nor spots, but for the weights themselves.
    """
    people = np.zeros((weights.shape[0], len(designs)), np.float32)
    for t, design in enumerate(designs):
        people[design.rows, t] = design.people
    of_genes = weights.summed(people)
    if device.startswith("cuda"):
        from napari_stml.methods.gsmap.on_device import device_maps

        return (yield from device_maps(weights, specificity, designs, of_genes, device))

    def scores(first: int, last: int) -> tuple[SpotScores, F64]:
        found = Weighted(weights, by_gene(specificity[first:last]))
        return found, found.sums(of_genes)

    return (yield from _all_spots(scores, len(specificity), designs, threads))


def maps_of_scores(
    stored: NDArray[np.floating], designs: Sequence[Design], *, threads: int = 1
) -> Generator[float, None, list[Estimate]]:
    """Regress on LD scores (SNPs, spots) that were computed before."""
    people = np.zeros((len(stored), len(designs)))
    for t, design in enumerate(designs):
        people[design.rows, t] = design.people

    def scores(first: int, last: int) -> tuple[SpotScores, F64]:
        found = Stored(stored[:, first:last])
        return found, found.sums(people)

    return (yield from _all_spots(scores, stored.shape[1], designs, threads))


def _all_spots(
    scores: Callable[[int, int], tuple[SpotScores, F64]], spots: int,
    designs: Sequence[Design], threads: int,
) -> Generator[float, None, list[Estimate]]:  # fmt: skip
    beta = np.full((len(designs), spots), np.nan)
    se = np.full((len(designs), spots), np.nan)
    groups = [(i, min(i + SPOTS, spots)) for i in range(0, spots, SPOTS)]

    def work(first: int, last: int) -> Generator[float, None, list[Estimate]]:
        found, sums = scores(first, last)
        return regress(found, designs, sums, last - first, step=ROWS)

    def keep(group: tuple[int, int], found: list[Estimate]) -> None:
        for t, estimate in enumerate(found):
            beta[t, slice(*group)], se[t, slice(*group)] = estimate.beta, estimate.se

    if threads <= 1:
        for k, group in enumerate(groups):
            steps = work(*group)
            while True:
                try:
                    fraction = next(steps)
                except StopIteration as end:
                    keep(group, end.value)
                    break
                yield (k + fraction) / len(groups)
    else:
        yield from _in_threads(work, keep, groups, threads)
    return [Estimate(b, s) for b, s in zip(beta, se, strict=True)]


def _in_threads(
    work: Callable[[int, int], Generator[float, None, list[Estimate]]],
    keep: Callable[[tuple[int, int], list[Estimate]], None],
    groups: list[tuple[int, int]], threads: int,
) -> Generator[float, None, None]:  # fmt: skip
    """Groups of spots side by side, few at a time; a cancel stops after the running ones."""

    def whole(group: tuple[int, int]) -> list[Estimate]:
        steps = work(*group)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: list[Estimate] = end.value
                return found

    waiting, running, done = (
        deque(groups),
        deque[tuple[tuple[int, int], Future[list[Estimate]]]](),
        0,
    )
    with ThreadPoolExecutor(threads) as pool:
        while waiting or running:
            while waiting and len(running) < 2 * threads:
                group = waiting.popleft()
                running.append((group, pool.submit(whole, group)))
            group, future = running.popleft()
            keep(group, future.result())
            done += 1
            yield done / len(groups)
