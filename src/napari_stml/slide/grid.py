"""Squares on a slide: a regular grid, or one around every observation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.core.geometry import Affine, UmPerPx

FINER = 1.01
"""A slide may be this much coarser than what is asked before that is called upsampling."""

MOST_TILES = 5_000_000


@dataclass(frozen=True)
class TileGrid:
    """Tiles of ``pixels`` x ``pixels`` at ``um_per_px``, in level-0 pixels of one slide.

    Attributes
    ----------
    xy
        Top-left corners, (n, 2), whole level-0 pixels; may lie outside the slide.
    side
        Exact side in level-0 pixels, not rounded.
    share
        Part of each tile that is tissue (1 where nobody asked).
    outside
        Part of each tile that lies outside the slide and is read as white.
    """

    xy: NDArray[np.int64]
    side: float
    pixels: int
    um_per_px: float
    share: NDArray[np.float32]
    outside: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.xy)

    def only(self, keep: NDArray[Any]) -> TileGrid:
        """Some of the tiles, by mask or index."""
        return replace(
            self, xy=self.xy[keep], share=self.share[keep], outside=self.outside[keep]
        )  # fmt: skip

    @property
    def centres(self) -> NDArray[np.float64]:
        return np.asarray(self.xy + self.side / 2, dtype=np.float64)


@dataclass(frozen=True)
class Canvas:
    """A slide's size and scale: what a grid needs to know of it."""

    width: int
    height: int
    scale: UmPerPx
    name: str = ""

    def side(self, pixels: int, um_per_px: float, *, upsample: bool = False) -> float:
        """Level-0 side of a tile; an error where the slide is coarser than asked."""
        if self.scale.mean > um_per_px * FINER and not upsample:
            raise StmlError(
                f"Tiles at {um_per_px:g} um per pixel were asked for, but this slide has "
                f"{self.scale.mean:.3g}", where=self.name,
                do=f"ask for {self.scale.mean:.2g} or more, or allow enlarging under More",
            )  # fmt: skip
        return pixels * um_per_px / self.scale.mean

    def outside(self, xy: NDArray[Any], side: float) -> NDArray[np.float32]:
        low, high = np.maximum(xy, 0), np.minimum(xy + side, [self.width, self.height])
        inside = np.clip(high - low, 0, None).prod(axis=1) / side**2
        inside[inside > 1 - 1e-9] = 1.0
        return np.asarray((1 - inside).clip(0, 1), dtype=np.float32)


def grid_over(
    canvas: Canvas, pixels: int, um_per_px: float, *, overlap: float = 0.0,
    box: tuple[float, float, float, float] | None = None, upsample: bool = False,
) -> TileGrid:  # fmt: skip
    """One grid over the whole slide, or over a box (left, top, right, bottom) of it.

    Tile k starts at ``round(k * stride)``: the stride is not rounded, so nothing adds up. All
    pieces of tissue share this grid. A last tile that would reach over the edge is left out
    unless it is the only one.
    """
    side = canvas.side(pixels, um_per_px, upsample=upsample)
    stride = side * (1 - overlap)
    if stride < 1:
        raise StmlError("The tiles overlap too much", do="choose less overlap")
    left, top, right, bottom = box or (0, 0, canvas.width, canvas.height)
    columns = _starts(left, right, canvas.width, side, stride)
    rows = _starts(top, bottom, canvas.height, side, stride)
    if len(columns) * len(rows) > MOST_TILES:
        raise StmlError(
            f"This grid has {len(columns) * len(rows):,} tiles", where=canvas.name,
            do="choose larger tiles, less overlap or a coarser resolution",
        )  # fmt: skip
    y, x = np.meshgrid(rows, columns, indexing="ij")
    xy = np.column_stack([x.ravel(), y.ravel()])
    ones = np.ones(len(xy), dtype=np.float32)
    return TileGrid(xy, side, pixels, um_per_px, ones, canvas.outside(xy, side))


def _starts(low: float, high: float, size: int, side: float, stride: float) -> NDArray[np.int64]:
    """Starts on the slide's own lattice (k from its origin) that touch the range."""
    first = max(0, int(np.floor((low - side) / stride)) + 1)
    last = int(np.ceil(high / stride))
    starts = np.round(np.arange(first, last) * stride).astype(np.int64)
    fitting = starts[starts + side <= size + 1]
    return fitting if len(fitting) else starts[:1]


def centred_on(
    xy: NDArray[np.float64], canvas: Canvas, pixels: int, um_per_px: float, *,
    upsample: bool = False,
) -> TileGrid:  # fmt: skip
    """One tile around every point (level-0 pixels of the slide), in their order."""
    side = canvas.side(pixels, um_per_px, upsample=upsample)
    corner = np.round(np.asarray(xy, dtype=np.float64) - side / 2).astype(np.int64).reshape(-1, 2)
    ones = np.ones(len(corner), dtype=np.float32)
    return TileGrid(corner, side, pixels, um_per_px, ones, canvas.outside(corner, side))


def with_share(grid: TileGrid, mask: NDArray[Any], to_mask: Affine) -> TileGrid:
    """Give every tile the part of it that a mask (y, x) covers; ``to_mask`` maps to its pixels."""
    return replace(grid, share=shares(grid, mask, to_mask))


def shares(grid: TileGrid, values: NDArray[Any], to_mask: Affine) -> NDArray[np.float32]:
    """Mean of a raster over each tile, exact where the maps share their axes; outside counts 0."""
    total = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    total[1:, 1:] = np.cumsum(np.cumsum(values, axis=0, dtype=np.float64), axis=1)
    low, high = to_mask(grid.xy), to_mask(grid.xy + grid.side)
    low, high = np.minimum(low, high), np.maximum(low, high)
    area = np.maximum((high - low).prod(axis=1), 1e-12)
    mass = (
        _at(total, high[:, 1], high[:, 0]) - _at(total, low[:, 1], high[:, 0])
        - _at(total, high[:, 1], low[:, 0]) + _at(total, low[:, 1], low[:, 0])
    )  # fmt: skip
    return np.asarray(mass / area, dtype=np.float32)


def _at(total: NDArray[np.float64], y: Any, x: Any) -> Any:
    """The summed-area table between its nodes (bilinear, which is exact)."""
    y, x = np.clip(y, 0, total.shape[0] - 1), np.clip(x, 0, total.shape[1] - 1)
    r, c = (
        np.minimum(y.astype(int), total.shape[0] - 2),
        np.minimum(x.astype(int), total.shape[1] - 2),
    )
    v, u = y - r, x - c
    return (
        (1 - v) * ((1 - u) * total[r, c] + u * total[r, c + 1])
        + v * ((1 - u) * total[r + 1, c] + u * total[r + 1, c + 1])
    )  # fmt: skip


def touching(grid: TileGrid, outlines: tuple[bytes, ...], to_outlines: Affine) -> NDArray[np.bool_]:
    """Which tiles have their centre inside one of the outlines (WKB)."""
    import shapely

    area = shapely.union_all(shapely.from_wkb(list(outlines)))
    shapely.prepare(area)
    centres = to_outlines(grid.centres)
    return np.asarray(shapely.intersects_xy(area, centres[:, 0], centres[:, 1]), dtype=np.bool_)
