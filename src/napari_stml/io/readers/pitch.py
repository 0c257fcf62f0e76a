"""Um per pixel of spot arrays: from the pitch of a hexagonal array, else the spot diameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.contents import Lattice

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

VISIUM_PITCH_UM = 100.0
"""Distance between the centres of neighbouring Visium spots."""

VISIUM_SPOT_UM = 55.0
"""Diameter of a Visium spot: what is drawn."""

DIAMETER_OF_SCALEFACTORS_UM = 65.0
"""What ``spot_diameter_fullres`` measures since Space Ranger 1.3, larger than the spot."""

DISAGREEMENT = 0.02


def pitch_px(xy: NDArray[np.float64]) -> float | None:
    """Median distance to the nearest other point; None with fewer than two points."""
    if len(xy) < 2:
        return None
    from scipy.spatial import cKDTree

    nearest, _ = cKDTree(xy).query(xy, k=2)
    pitch = float(np.median(nearest[:, 1]))
    return pitch if pitch > 0 else None


def lattice_of(rows: ArrayLike, cols: ArrayLike, xy: NDArray[np.float64]) -> Lattice:
    """A lattice from its array coordinates; hexagonal when columns follow the rows' parity.

    In Visium's numbering ``row + col`` is even for every spot; a square array has both parities.
    """
    row, col = np.asarray(rows, dtype=np.int64), np.asarray(cols, dtype=np.int64)
    parities = np.unique((row + col) % 2)
    hexagonal = len(row) > 2 and len(parities) == 1 and len(np.unique(row)) > 1
    return Lattice(row, col, hexagonal, pitch_px(xy))


def looks_hexagonal(xy: NDArray[np.float64]) -> bool:
    """Whether most points have their nearest neighbours at multiples of 60 degrees."""
    pitch = pitch_px(xy)
    if pitch is None or len(xy) < 30:
        return False
    from scipy.spatial import cKDTree

    pairs = cKDTree(xy).query_pairs(1.2 * pitch, output_type="ndarray")
    if len(pairs) < 2 * len(xy):
        return False
    step = xy[pairs[:, 1]] - xy[pairs[:, 0]]
    turn = np.exp(6j * np.arctan2(step[:, 1], step[:, 0]))
    return bool(abs(turn.mean()) > 0.9)


def visium_scale(
    lattice: Lattice | None, spot_diameter_px: float | None = None
) -> tuple[UmPerPx | None, tuple[str, ...]]:
    """Um per pixel of a Visium array, and a note when two sources disagree by over 2 %.

    Parameters
    ----------
    lattice
        With its pitch in reference pixels; only a hexagonal one tells a scale.
    spot_diameter_px
        ``spot_diameter_fullres`` of the scale factors, in reference pixels.
    """
    by_pitch = by_diameter = None
    if lattice is not None and lattice.hexagonal and lattice.pitch_px:
        by_pitch = UmPerPx.square(VISIUM_PITCH_UM / lattice.pitch_px, ScaleSource.PITCH)
    if _positive(spot_diameter_px):
        scale = DIAMETER_OF_SCALEFACTORS_UM / float(spot_diameter_px or 0)
        by_diameter = UmPerPx.square(scale, ScaleSource.SPOT_DIAMETER)
    if by_pitch is None or by_diameter is None:
        return by_pitch or by_diameter, ()
    return by_pitch, scale_disagreement(by_pitch, by_diameter)


def scale_disagreement(taken: UmPerPx, other: UmPerPx) -> tuple[str, ...]:
    """A note when two values of um per pixel differ by over 2 %."""
    if abs(other.mean / taken.mean - 1) <= DISAGREEMENT:
        return ()
    return (
        f"um per pixel: {taken.mean:.4g} taken ({taken.source}), "
        f"but {other.mean:.4g} by {other.source}",
    )


def _positive(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value)) and value > 0
