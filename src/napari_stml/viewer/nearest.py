"""Which observation owns which pixel: grids for lattices, a raster for everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_stml.core.geometry import Affine, FloatArray

if TYPE_CHECKING:
    from napari_stml.io.contents import Lattice

NOBODY = -1

Index = NDArray[np.int32]

LEAST_PX, MOST_PX = 2000, 4000
"""The longer side of a raster: more pixels for more observations."""


@dataclass(frozen=True)
class Ownership:
    """Index (rows, columns) of the observation drawn at each pixel, `NOBODY` elsewhere.

    ``affine`` maps its pixels to reference pixels (corners at whole numbers).
    """

    index: Index
    affine: Affine


def of_lattice(xy: FloatArray, lattice: Lattice) -> Ownership | None:
    """One pixel per bin, two half columns per spot of a hexagonal lattice.

    None where the positions do not follow the lattice (more than a quarter of the pitch away).
    """
    rows, cols = lattice.rows - lattice.rows.min(), lattice.cols - lattice.cols.min()
    height, width = int(rows.max()) + 1, int(cols.max()) + (2 if lattice.hexagonal else 1)
    if height * width > 16 * len(xy) + 1000 or min(height, width) < 2:
        return None
    centre = 1.0 if lattice.hexagonal else 0.5
    at = np.column_stack([cols + centre, rows + 0.5, np.ones(len(xy))])
    fit, *_ = np.linalg.lstsq(at, xy, rcond=None)
    affine = Affine.of(fit.T)
    if abs(affine.length_factor) < 1e-9:
        return None
    pitch = float(np.linalg.norm(fit[0])) * (2 if lattice.hexagonal else 1)
    if np.linalg.norm(at @ fit - xy, axis=1).max() > pitch / 4:
        return None
    index = np.full((height, width), NOBODY, dtype=np.int32)
    owner = np.arange(len(xy), dtype=np.int32)
    index[rows, cols] = owner
    if lattice.hexagonal:
        index[rows, cols + 1] = owner
    return Ownership(index, affine)


def of_positions(xy: FloatArray, radius: float) -> Ownership:
    """Discs around positions, each pixel to the nearest; rasterised once, used at every change."""
    low = xy.min(axis=0) - radius
    extent = np.maximum(np.ptp(xy, axis=0) + 2 * radius, 1.0)
    side = int(np.clip(4 * np.sqrt(len(xy)), LEAST_PX, MOST_PX))
    pixel = float(extent.max()) / side
    width, height = (np.ceil(extent / pixel)).astype(int) + 1
    reach = max(radius / pixel, 0.71)
    margin = int(np.ceil(reach)) + 1
    index = np.full((height + 2 * margin, width + 2 * margin), NOBODY, dtype=np.int32)
    stride = index.shape[1]
    cell = ((xy - low) / pixel).astype(np.int32) + margin
    flat = (cell[:, 1] * stride + cell[:, 0]).astype(np.intp)
    owner = np.arange(len(xy), dtype=np.int32)
    target = index.reshape(-1)
    for dx, dy in _outside_in(reach):
        target[flat + (dy * stride + dx)] = owner
    place = Affine.translation(*low) @ Affine.scaling(pixel) @ Affine.translation(-margin, -margin)
    return Ownership(index, place)


def _outside_in(reach: float) -> list[tuple[int, int]]:
    """Offsets of a disc, far ones first, so that near owners overwrite far ones."""
    steps = np.arange(-int(np.ceil(reach)), int(np.ceil(reach)) + 1)
    dx, dy = np.meshgrid(steps, steps)
    away = np.hypot(dx, dy)
    inside = away <= reach
    order = np.argsort(-away[inside], kind="stable")
    pairs = zip(dx[inside][order].tolist(), dy[inside][order].tolist(), strict=True)
    return list(pairs)
