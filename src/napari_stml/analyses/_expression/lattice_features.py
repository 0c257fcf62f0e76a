"""Default features on a fine grid without looking at nearly equal windows again and again.

A window hardly changes when it moves by less than half its width: windows wider than two steps of
the grid are taken on a coarser lattice, and what lies between its nodes is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Nodes:
    """Places where windows are taken; each grid place is a weighted mean of up to four."""

    xy: NDArray[np.float64]
    corner: NDArray[np.intp]
    weight: NDArray[np.float32]

    def between(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values of the nodes (k, features) at the places of the grid."""
        out = np.zeros((len(self.corner), values.shape[1]), dtype=np.float32)
        for i in range(4):
            out += self.weight[:, [i]] * values[self.corner[:, i]]
        return out


def nodes_of(xy: NDArray[np.float64], step: float, width: float) -> Nodes | None:
    """Nodes for windows ``width`` wide about grid places ``step`` apart; None: the places do."""
    every = int(width / 2 / step)
    if every < 2:
        return None
    origin = xy.min(axis=0)
    place = np.round((xy - origin) / step).astype(np.intp)
    node, rest = np.divmod(place, every)
    share = rest / every
    columns = int(node[:, 0].max()) + 2
    corner, weight = [], []
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        corner.append(node[:, 0] + dx + (node[:, 1] + dy) * columns)
        along = share[:, 0] if dx else 1 - share[:, 0]
        across = share[:, 1] if dy else 1 - share[:, 1]
        weight.append(along * across)
    corners, weights = np.stack(corner, axis=1), np.stack(weight, axis=1)
    corners = np.where(weights > 0, corners, corners[:, :1])  # never look where nothing is asked
    kept, index = np.unique(corners, return_inverse=True)
    at = np.stack([kept % columns, kept // columns], axis=1)
    found: Any = index.reshape(corners.shape)
    return Nodes(origin + at * every * step, found, weights.astype(np.float32))
