"""Draw many nuclei at once into a plane of haematoxylin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.demo.anatomy import (
    B_CELL,
    EPITHELIAL,
    MACROPHAGE,
    T_CELL,
    TUMOUR_CELL,
    Cells,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.demo.fields import FloatArray, Plane

_DARKNESS = np.array([0.80, 0.88, 0.86, 0.86, 1.22, 1.12, 0.72, 0.82])
_BUDGET = 2_000_000
"""Pixels of one batch of patches."""


def reach_um(cells: Cells) -> float:
    """How far a nucleus may stick out of a tile."""
    return float(1.3 * cells.axes_um.max(initial=1.0))


def draw(
    cells: Cells,
    origin_um: tuple[float, float],
    shape: tuple[int, int],
    um_per_px: float,
    chromatin: Plane,
) -> tuple[Plane, Plane]:
    """Haematoxylin of the nuclei and the share of each pixel that is nucleus.

    ``origin_um`` is the (x, y) of the tile's outer corner.
    """
    stain = np.zeros(shape, dtype=np.float32)
    cover = np.zeros(shape, dtype=np.float32)
    long_px = 1.25 * cells.axes_um[:, 0] / um_per_px + 1.5
    for low, high in ((0, 5), (5, 8), (8, 12), (12, 18), (18, 40)):
        chosen = np.flatnonzero((long_px > low) & (long_px <= high))
        half = int(np.ceil(min(high, long_px[chosen].max(initial=1.0))))
        step = max(1, _BUDGET // (2 * half + 1) ** 2)
        for start in range(0, len(chosen), step):
            part = cells.take(chosen[start : start + step])
            _draw_patches(part, origin_um, half, um_per_px, chromatin, stain, cover)
    return stain, cover


def _draw_patches(
    cells: Cells,
    origin_um: tuple[float, float],
    half: int,
    um_per_px: float,
    chromatin: Plane,
    stain: Plane,
    cover: Plane,
) -> None:
    centre = (cells.xy_um - np.array(origin_um)) / um_per_px
    corner = np.floor(centre).astype(np.int64)
    tile_x, tile_y = (round(v / um_per_px) for v in origin_um)
    offset = np.arange(-half, half + 1)
    cols = corner[:, 0, None, None] + offset[None, None, :]
    rows = corner[:, 1, None, None] + offset[None, :, None]
    dx = ((cols + 0.5 - centre[:, 0, None, None]) * um_per_px).astype(np.float32)
    dy = ((rows + 0.5 - centre[:, 1, None, None]) * um_per_px).astype(np.float32)
    q, u, v = _ellipse(cells, dx, dy)
    edge = np.float32(um_per_px) / cells.axes_um.min(axis=1).astype(np.float32)[:, None, None]
    inside = np.clip((1 - q) / (1.1 * edge) + 0.5, 0, 1)
    amount = _chromatin(cells, q, u, v, rows + tile_y, cols + tile_x, chromatin) * inside
    rows, cols = np.broadcast_arrays(rows, cols)
    height, width = stain.shape
    drawn = (inside > 0.02) & (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    flat = rows[drawn] * width + cols[drawn]
    np.maximum.at(stain.reshape(-1), flat, amount[drawn])
    np.maximum.at(cover.reshape(-1), flat, inside[drawn])


def _ellipse(cells: Cells, dx: Plane, dy: Plane) -> tuple[Plane, Plane, Plane]:
    """Radius in units of the (slightly lobed) outline, and the two own coordinates."""
    c = np.cos(cells.angle).astype(np.float32)[:, None, None]
    s = np.sin(cells.angle).astype(np.float32)[:, None, None]
    a, b = (cells.axes_um[:, k].astype(np.float32)[:, None, None] for k in (0, 1))
    u, v = (dx * c + dy * s) / a, (dy * c - dx * s) / b
    lobe = _own(cells, 3.1) * 0.16
    bend = _own(cells, 7.7) * 0.35
    v = v + bend * (u * u - 0.3)
    r2 = u * u + v * v
    q = np.sqrt(r2) * (1 + lobe * (u * u - v * v) * u / (r2 + 0.3))
    return q, u, v


def _own(cells: Cells, factor: float) -> Plane:
    """A number in [-1, 1] per nucleus that needs no further random draw."""
    return np.sin(factor * (cells.xy_um[:, 0] + 1.7 * cells.xy_um[:, 1])).astype(np.float32)[
        :, None, None
    ]


def _chromatin(
    cells: Cells,
    q: Plane,
    u: Plane,
    v: Plane,
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    chromatin: Plane,
) -> Plane:
    size = chromatin.shape[0]
    shift = (_own(cells, 11.3) * 4000).astype(np.int64)
    grain = chromatin[(rows + shift) % size, (cols - shift) % size]
    kind = cells.cell_type
    dark = _DARKNESS[kind] * (1 + 0.16 * _own(cells, 5.9)[:, 0, 0])
    dark = np.where(cells.pyknotic, 1.55, dark)
    vesicular = np.isin(kind, (TUMOUR_CELL, MACROPHAGE, EPITHELIAL)) & ~cells.pyknotic
    open_ = np.where(vesicular, 0.22, 0.0).astype(np.float32)[:, None, None]
    clumped = np.where(np.isin(kind, (T_CELL, B_CELL)), 0.20, 0.14).astype(np.float32)
    value = 1 + clumped[:, None, None] * grain
    value -= open_ * np.clip(1 - q * q, 0, 1)
    value += 0.12 * np.exp(-(((q - 0.86) / 0.16) ** 2))
    nucleolus = np.where((kind == TUMOUR_CELL) & ~cells.pyknotic, 0.45, 0.0).astype(np.float32)
    spot = (u - 0.25 * _own(cells, 2.3)) ** 2 + (v - 0.25 * _own(cells, 9.1)) ** 2
    value += nucleolus[:, None, None] * np.exp(-spot / 0.03)
    return np.asarray(value * dark.astype(np.float32)[:, None, None], dtype=np.float32)


def in_window(cells: Cells, low: FloatArray, high: FloatArray) -> Cells:
    """Cells whose centre lies in a window (x, y) of micrometres."""
    inside = (cells.xy_um >= low) & (cells.xy_um < high)
    return cells.take(np.flatnonzero(inside.all(axis=1)))
