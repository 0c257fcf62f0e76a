"""Clusters that follow a slider: graph or components are ready, only the cut moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_stml.analyses._shared.threads import limits
from napari_stml.core.params import LiveParams, param
from napari_stml.core.results import Graph, Labels, Matrix, Result
from napari_stml.methods.clusters import judging, leiden, mixtures, naming

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.inputs import Inputs
    from napari_stml.methods.clusters.mixtures import Kind

FEATURES, LINKS = "features", "connectivities"
"""The parts of a Run that Live starts from."""
Method = Literal["leiden", "k-means", "mixture"]
RESOLUTIONS = tuple(round(0.1 * i, 1) for i in range(1, 31))
NUMBERS = tuple(range(2, 21))


class ClusterLiveParams(LiveParams):
    resolution: float = param(
        1.0, title="Resolution", help="Leiden: more gives more and smaller clusters.",
        ge=0.05, le=5, step=0.05, when={"method": "leiden"},
    )  # fmt: skip
    clusters: int = param(
        8, title="Number of clusters", help="k-means and mixture.", ge=2, le=40, step=1,
        when={"method": ("k-means", "mixture")},
    )  # fmt: skip


class ClusterLive:
    """Partitions of one Run's spots; clusters keep the number and colour they had in the Run."""

    def __init__(self, result: Result, inputs: Inputs, method: Method) -> None:
        self._section, self._seed = inputs.one.section, inputs.seed
        base = result.part("clusters", self._section)
        features = result.part(FEATURES, self._section)
        if not (isinstance(base, Labels) and isinstance(features, Matrix)):
            raise TypeError("this is no result of the clusters")
        self._method = method
        self._base = np.asarray(base.codes)
        self._rows = np.flatnonzero(self._base >= 0)
        self._points = np.asarray(features.values, dtype=np.float64)[self._rows]
        self._graph: leiden.Communities | None = None
        if self._method == "leiden":
            links = result.part(LINKS, self._section)
            assert isinstance(links, Graph)
            self._graph = leiden.Communities(links.matrix[self._rows][:, self._rows])
        self._limit = limits(inputs.threads)
        self._known: dict[float, NDArray[np.int32]] = {}

    def grid(self) -> tuple[LiveParams, ...]:
        """Give the positions to compute ahead, from the Run's own number outwards."""
        if self._graph is not None:
            return tuple(
                ClusterLiveParams(resolution=r)
                for r in sorted(RESOLUTIONS, key=lambda r: abs(r - 1))
            )
        own = int(self._base.max()) + 1
        numbers = sorted(
            (k for k in NUMBERS if k < len(self._rows)), key=lambda k: (abs(k - own), k)
        )
        return tuple(ClusterLiveParams(clusters=k) for k in numbers)

    def update(self, params: ClusterLiveParams, selection: tuple[str, ...] | None) -> Result:
        codes = self._codes(params)
        everywhere = np.full(len(self._base), -1, dtype=np.int32)
        everywhere[self._rows] = codes
        return Result.of(
            self._section, Labels("clusters", everywhere, naming.names(codes)), shows="clusters"
        )

    def readout(self, params: ClusterLiveParams) -> Mapping[str, str]:
        codes = self._codes(params)
        said = {"clusters": str(len(np.unique(codes)))}
        fit = judging.silhouette(self._points, codes, self._seed)
        said["silhouette"] = f"{fit:.2f}" if np.isfinite(fit) else "-"
        if self._graph is not None:
            said["modularity"] = f"{self._graph.modularity(codes):.2f}"
        return said

    def _codes(self, params: ClusterLiveParams) -> NDArray[np.int32]:
        position = params.resolution if self._graph is not None else float(params.clusters)
        if position not in self._known:
            if self._graph is not None:
                codes = self._graph.at(position, self._seed)
            else:
                kind: Kind = "mixture" if self._method == "mixture" else "k-means"
                with self._limit():
                    codes = mixtures.at_once(self._points, params.clusters, self._seed, kind)
            self._known[position] = naming.in_step(codes, self._base[self._rows])
        return self._known[position]
