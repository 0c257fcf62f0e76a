"""Maps of tiles put together into one raster of the slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Affine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.slide.grid import TileGrid

MOST_PIXELS = 200_000_000


@dataclass
class SlideMap:
    """A raster over all tiles whose pixel is a patch; where tiles overlap their mean is shown.

    A tile is placed at the nearest pixel: at most half a patch off.
    """

    patch: float
    origin: NDArray[np.int64]
    total: NDArray[np.float32]
    count: NDArray[np.uint16]
    exact: tuple[float, float] | None = None
    """Of a single tile: its true corner in level-0 pixels."""

    @classmethod
    def over(cls, grid: TileGrid, patches: int) -> SlideMap:
        """Make room for tiles of ``patches`` x ``patches``."""
        patch = grid.side / patches
        at = np.round(grid.xy / patch).astype(np.int64)
        low, high = at.min(axis=0), at.max(axis=0) + patches
        width, height = (high - low).tolist()
        if width * height > MOST_PIXELS:
            raise StmlError(
                f"This map would have {width} x {height} pixels", where="map",
                do="choose fewer or larger tiles",
            )  # fmt: skip
        total = np.zeros((height, width), dtype=np.float32)
        return cls(patch, low, total, np.zeros((height, width), dtype=np.uint16))

    def add(self, xy: NDArray[np.int64], maps: NDArray[np.float32]) -> None:
        """Put maps (n, rows, columns) at the corners (n, 2) of their tiles; NaN is left out."""
        for (x, y), each in zip(np.round(xy / self.patch).astype(np.int64) - self.origin, maps,
                                strict=True):  # fmt: skip
            h, w = each.shape
            known = np.isfinite(each)
            self.total[y : y + h, x : x + w] += np.where(known, each, 0)
            self.count[y : y + h, x : x + w] += known

    @property
    def pixels(self) -> NDArray[np.float32]:
        """The mean, NaN where no tile lies."""
        out = np.full(self.total.shape, np.nan, dtype=np.float32)
        np.divide(self.total, self.count, out=out, where=self.count > 0)
        return out

    @property
    def affine(self) -> Affine:
        """Its pixels as level-0 pixels of the slide."""
        x, y = self.exact or (self.origin * self.patch).tolist()
        return Affine.translation(x, y) @ Affine.scaling(self.patch)


def shared_limits(pixels: NDArray[np.float32]) -> tuple[float, float]:
    """Ends of the one scale for all tiles: from 0, so that a flat map looks flat."""
    known = pixels[np.isfinite(pixels)]
    return 0.0, max(2.0, float(np.percentile(known, 99.5)) if known.size else 2.0)
