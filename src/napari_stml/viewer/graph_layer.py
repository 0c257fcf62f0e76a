"""Links between observations as lines on the tissue: the strongest, or those of chosen spots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Vectors
    from numpy.typing import NDArray

    from napari_stml.core.results import Graph
    from napari_stml.viewer.frame import Frame

MOST = 3_000
"""More lines hide the tissue, and say nothing any more."""


def graph_layer(
    part: Graph, name: str, frame: Frame, xy: NDArray[np.float64],
    chosen: NDArray[np.bool_] | None = None,
) -> Vectors:  # fmt: skip
    """Lines from senders to receivers; with ``chosen`` only those that begin or end there."""
    from napari.layers import Vectors

    row, col, weight = strongest(part, chosen)
    start = xy[row][:, ::-1]
    lines = np.stack([start, xy[col][:, ::-1] - start], axis=1)
    width = float(np.median(np.ptp(xy, axis=0))) / 600 if len(xy) > 1 else 1.0
    return Vectors(
        lines, name=name, edge_width=width, edge_color="#d55e00", vector_style="line",
        opacity=0.8 if chosen is not None or len(row) < 200 else 0.45,
        features={"strength": weight}, **frame.vector(),
    )  # fmt: skip


def strongest(
    part: Graph, chosen: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """At most `MOST` links, the strongest; of equal ones every so many-th, all over the tissue."""
    links = part.matrix.tocoo()
    keep = links.row != links.col
    if chosen is not None and chosen.any():
        keep &= chosen[links.row] | chosen[links.col]
    row, col, weight = (a[keep] for a in (links.row, links.col, links.data))
    if len(row) > MOST:
        spread = np.random.default_rng(0).permutation(len(row))
        order = spread[np.argsort(-weight[spread], kind="stable")][:MOST]
        row, col, weight = row[order], col[order], weight[order]
    return row.astype(np.int64), col.astype(np.int64), np.asarray(weight, dtype=np.float64)
