"""How good a tile is to look at: sharp, bright, free of folds and ink. Values, not verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEASURES = ("sharpness", "brightness")


def sharpness(tile: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of the grey picture, over the grey variance.

    The division makes pale and dark tissue comparable. Compare within a slide: there is no
    threshold that holds for all scanners.
    """
    grey = tile.astype(np.float32).mean(axis=2)
    inner = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    edges = 4 * inner - around
    return float(edges.var() / max(float(grey.var()), 4.0))


def measures(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`MEASURES` of (n, p, p, 3) tiles, (n, 2); brightness is the mean grey over 255."""
    rows = [(sharpness(t), float(t.mean()) / 255) for t in tiles]
    return np.asarray(rows, dtype=np.float32).reshape(len(tiles), len(MEASURES))
