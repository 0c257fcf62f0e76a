"""Features of every patch of a tile: a finer grid from the same passes through the encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.slide.encoders.network import NetworkEncoder
    from napari_stml.slide.grid import TileGrid

MOST_VALUES = 100_000_000


@dataclass
class PatchEncoder:
    """Gives all patches of a tile in one row; `by_patch` makes rows of them."""

    inner: NetworkEncoder

    def __post_init__(self) -> None:
        import torch

        p = self.inner.preset.pixels
        blank = np.zeros((1, p, p, 3), np.uint8)
        with torch.inference_mode():
            found = self.inner.of_patches(self.inner.tensor(blank))
        self.side = round(float(found.shape[1]) ** 0.5)
        self.length = int(found.shape[2])
        if self.side**2 != found.shape[1]:
            raise StmlError("The patches of this encoder do not fill a square", where="output")

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(map(str, range(self.side**2 * self.length)))

    @property
    def identity(self) -> str:
        return f"{self.inner.identity} patches"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"f{i:04d}" for i in range(self.length))

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.inner.over(
            tiles, lambda images: self.inner.of_patches(images).flatten(1),
            self.side**2 * self.length,
        )  # fmt: skip

    def check(self, tiles: int) -> None:
        """Refuse what would not fit before it is computed."""
        if tiles * self.side**2 * self.length > MOST_VALUES:
            raise StmlError(
                f"{tiles:,} tiles have {tiles * self.side**2:,} patches of {self.length} features",
                where="output", do="choose fewer tiles, or the class token or mean of the patches",
            )  # fmt: skip


def by_patch(
    grid: TileGrid, features: NDArray[np.float32], patches: int
) -> tuple[TileGrid, NDArray[np.float32]]:
    """A grid whose tiles are the patches, and their features; ``patches`` lie along a side."""
    step = grid.side / patches
    y, x = (a.ravel() for a in np.mgrid[:patches, :patches])
    corners = grid.xy[:, None, :] + np.column_stack([x, y])[None] * step
    count = patches**2
    finer = replace(
        grid, xy=np.round(corners.reshape(-1, 2)).astype(np.int64), side=step,
        pixels=max(1, grid.pixels // patches), share=np.repeat(grid.share, count),
        outside=np.repeat(grid.outside, count),
    )  # fmt: skip
    return finer, features.reshape(len(grid) * count, -1)
