"""Leiden communities through igraph, equal to scanpy's ``flavor="igraph"`` for equal seeds."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

ITERATIONS = 2


class Communities:
    """A graph made ready once, to be parted at any resolution.

    The igraph calls hold the interpreter from start to end (seconds at 50,000 spots).
    """

    def __init__(self, links: csr_matrix) -> None:
        import igraph  # type: ignore[import-untyped]
        from scipy.sparse import tril

        lower = tril(links, k=-1).tocoo()
        edges = np.column_stack([lower.row, lower.col])
        self._graph = igraph.Graph(n=links.shape[0], edges=edges, directed=False)
        self._weights = lower.data.astype(np.float64).tolist()

    def at(
        self, resolution: float, seed: int, start: NDArray[np.integer] | None = None
    ) -> NDArray[np.int32]:
        """Give the community of every node (Traag et al. 2019), modularity as the objective.

        From the partition ``start`` of a similar graph one iteration is enough.
        """
        with _seeded(seed):
            parted = self._graph.community_leiden(
                objective_function="modularity", weights=self._weights, resolution=resolution,
                n_iterations=ITERATIONS if start is None else 1,
                initial_membership=None if start is None else start.tolist(),
            )  # fmt: skip
        return np.asarray(parted.membership, dtype=np.int32)

    def multilevel(self, resolution: float, seed: int) -> NDArray[np.int32]:
        """Give the community of every node by Louvain's method (Blondel et al. 2008).

        Links count alike, whatever their weight: so does scanpy's ``louvain`` where it is not
        told otherwise, and so do programs built on it.
        """
        with _seeded(seed):
            parted = self._graph.community_multilevel(resolution=resolution)
        return np.asarray(parted.membership, dtype=np.int32)

    def modularity(self, codes: NDArray[np.integer]) -> float:
        """Newman's modularity at resolution 1, comparable between partitions."""
        value = self._graph.modularity(codes.tolist(), weights=self._weights)
        return float(value)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    import igraph

    igraph.set_random_number_generator(random.Random(seed))
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)
