"""How the clusters change with the resolution, or with their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.analyses._shared.charts import numbers
from napari_stml.analyses._shared.progress import at
from napari_stml.core.charts import Axis, Chart
from napari_stml.methods.clusters import judging, mixtures

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_stml.core.progress import Progress
    from napari_stml.methods.clusters.leiden import Communities
    from napari_stml.methods.clusters.mixtures import Kind

RESOLUTIONS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0)
NUMBERS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20)


def sweep(
    points: NDArray[np.float64],
    graph: Communities | None,
    method: Kind | str,
    seed: int,
    percent: tuple[float, float],
) -> Generator[Progress, None, tuple[Chart, Chart]]:
    """Part the spots at several positions: number and sizes of clusters, and the silhouette."""
    kind: Kind = "mixture" if method == "mixture" else "k-means"
    spots = len(points)
    positions = RESOLUTIONS if graph else tuple(k for k in NUMBERS if k < spots)
    title = "resolution" if graph else "number of clusters"
    low, high = percent
    found, largest, smallest, fits = [], [], [], []
    for i, position in enumerate(positions):
        yield at(low + (high - low) * i / len(positions), f"{title} {position:g}")
        if graph:
            codes = graph.at(position, seed)
        else:
            codes = mixtures.at_once(points, int(position), seed, kind)
        counts = np.bincount(codes)
        counts = counts[counts > 0]
        found.append(len(counts))
        largest.append(100 * counts.max() / spots)
        smallest.append(100 * counts.min() / spots)
        fits.append(judging.silhouette(points, codes, seed))
    x = Axis(title)
    shares = {
        title: list(positions),
        "largest cluster": numbers(np.array(largest)),
        "smallest cluster": numbers(np.array(smallest)),
    }
    quality = {title: list(positions), "clusters": found, "silhouette": numbers(np.array(fits))}
    return (
        Chart("sizes by " + title, "line", f"Sizes by {title}", x, Axis("share", "%"), shares),
        Chart("fit by " + title, "line", f"Clusters by {title}", x, Axis("clusters"), quality),
    )
