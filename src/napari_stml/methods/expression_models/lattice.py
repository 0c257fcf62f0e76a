"""Coordinates as steps of the array that the spots lie on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

JITTER = 0.5
LEAST = 2.0


def in_steps(xy: NDArray[Any], pitch: float) -> NDArray[np.float64]:
    """Positions divided by the known distance of neighbours; nothing is rounded."""
    return np.asarray(xy, dtype=np.float64) / pitch


def smallest_steps(xy: NDArray[Any]) -> NDArray[np.float64]:
    """Guess the array from the coordinates alone, as the reference system does.

    They are divided by the smallest step between different x (or y) values above half a unit and
    rounded; where that step is below 2 they stay. With positions that are not exactly on an array
    the step is not the distance of spots: use `in_steps` where it is known.
    """
    points = np.asarray(xy, dtype=np.float64)
    for axis in (0, 1):
        steps = np.diff(np.unique(points[:, axis]))
        steps = steps[steps > JITTER]
        if len(steps) and steps.min() >= LEAST:
            return np.asarray(np.round(points / steps.min()))
    return points


def pitch_of(xy: NDArray[Any]) -> float:
    """Median distance to the nearest other spot; 1 where there is none."""
    from scipy.spatial import cKDTree

    if len(xy) < 2:
        return 1.0
    distance, _ = cKDTree(xy).query(xy, k=2)
    return float(np.median(distance[:, 1])) or 1.0
