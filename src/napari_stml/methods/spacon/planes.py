"""Two of three coordinates: in which plane sections lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Plane = Literal["xy", "coronal", "sagittal", "horizontal"]
AXES: dict[Plane, tuple[int, int]] = {
    "xy": (0, 1), "coronal": (1, 2), "sagittal": (0, 1), "horizontal": (0, 2),
}  # fmt: skip
"""Columns that stay; all but the first for coordinates of an atlas, ordered front-back,
top-bottom, left-right (as in CCF)."""


def in_plane(xyz: NDArray[np.float64], plane: Plane) -> NDArray[np.float64]:
    """Positions within the plane; two coordinates are taken as they are."""
    if xyz.ndim != 2 or xyz.shape[1] < 2:
        raise StmlError("Positions have two or three coordinates", where="positions")
    if xyz.shape[1] == 2:
        return xyz
    return np.ascontiguousarray(xyz[:, list(AXES[plane])])


def levels(xyz: NDArray[np.float64], plane: Plane, digits: int = 3) -> NDArray[np.object_]:
    """The section of every spot: its third coordinate, rounded, as text that sorts."""
    (third,) = {0, 1, 2} - set(AXES[plane])
    values = np.round(xyz[:, third], digits)
    found, place = np.unique(values, return_inverse=True)
    width = len(str(len(found)))
    names = np.array([f"{i + 1:0{width}d}" for i in range(len(found))], dtype=object)
    return names[place.ravel()]
