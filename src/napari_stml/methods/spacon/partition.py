"""Clusters of a blend at any share, and how spots keep to theirs over all of them."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from napari_stml.methods.clusters import naming
from napari_stml.methods.clusters.leiden import Communities
from napari_stml.methods.neighbours import nearest
from napari_stml.methods.spacon.blend import blended

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

T = TypeVar("T")
Parting = Literal["leiden", "louvain"]
REMEMBERED = 2
"""Graphs kept: moving the resolution at one place of the slider builds none."""
MAPPED = 10_000
"""A UMAP shows at most so many of the spots, drawn at random."""
COLD, WARM = 200, 60
"""Passes of a UMAP: the first one, and one that begins with that of another share."""


@dataclass(frozen=True)
class Cut:
    """How a graph of similar spots is parted."""

    method: Parting
    resolution: float
    seed: int

    def of(self, graph: Communities, start: NDArray[Any] | None = None) -> NDArray[np.int32]:
        if self.method == "louvain":
            return graph.multilevel(self.resolution, self.seed)
        return graph.at(self.resolution, self.seed, start)


@dataclass(frozen=True)
class _Alike:
    """The similar spots of a blend: links, and the same made ready to be parted."""

    links: csr_matrix
    parted: Communities


class Blends:
    """Two standardised views of the same spots; ``neighbours`` counts the spot itself."""

    def __init__(self, con: NDArray[np.float64], spa: NDArray[np.float64], neighbours: int) -> None:
        self.con, self.spa = con, spa
        self.neighbours = min(neighbours, len(con))
        self._graphs: OrderedDict[float, _Alike] = OrderedDict()
        self._map: tuple[float, NDArray[np.float32]] | None = None

    def building(self, share: float) -> Generator[float, None, Communities]:
        """The graph of similar spots at a share of connections; yields the fraction done."""
        key = round(share, 9)
        if key not in self._graphs:
            points = blended(self.con, self.spa, share)
            near = yield from nearest.nearest(points, self.neighbours - 1)
            links = nearest.weights(*near)
            self._graphs[key] = _Alike(links, Communities(links))
            while len(self._graphs) > REMEMBERED:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(key)
        return self._graphs[key].parted

    def graph(self, share: float) -> Communities:
        return _last(self.building(share))

    def map(self, share: float, seed: int) -> NDArray[np.float32]:
        """UMAP of the blend (n, 2), led over from that of the share before; NaN: not drawn."""
        from napari_stml.methods.embedding.maps import umap

        key, n = round(share, 9), len(self.con)
        if self._map is not None and self._map[0] == key:
            return self._map[1]
        shown = np.arange(n)
        points = blended(self.con, self.spa, share)
        if n > MAPPED:
            shown = np.sort(np.random.default_rng(seed).choice(n, MAPPED, replace=False))
            points = points[shown]
            links = nearest.weights(*_last(nearest.nearest(points, self.neighbours - 1)))
        else:
            self.graph(share)
            links = self._graphs[key].links
        before = None if self._map is None else self._map[1][shown]
        places = np.full((n, 2), np.nan, dtype=np.float32)
        epochs = COLD if before is None else WARM
        places[shown] = umap(points, links, spread_out=0.5, seed=seed, epochs=epochs, before=before)
        self._map = (key, places)
        return places


def _last(steps: Generator[float, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found


def in_step(
    partitions: Sequence[NDArray[np.int32]], base: NDArray[np.int32], first: int
) -> list[NDArray[np.int32]]:
    """Renumber neighbouring partitions after each other, from ``first``, next to ``base``, on.

    So a cluster keeps its number, and thereby its colour, as long as most of its spots stay.
    """
    found: list[NDArray[np.int32]] = [np.asarray(p) for p in partitions]
    found[first] = naming.in_step(found[first], base)
    for i in range(first + 1, len(found)):
        found[i] = naming.in_step(found[i], found[i - 1])
    for i in range(first - 1, -1, -1):
        found[i] = naming.in_step(found[i], found[i + 1])
    return found


def stability(partitions: Sequence[NDArray[np.int32]]) -> NDArray[np.float64]:
    """Of the steps from one partition to the next, the share in which a spot kept its number."""
    stays = [one == other for one, other in itertools.pairwise(partitions)]
    return np.mean(stays, axis=0) if stays else np.ones(len(partitions[0]))
