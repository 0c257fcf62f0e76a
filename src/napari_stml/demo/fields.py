"""Smooth random fields that can be evaluated anywhere, and periodic textures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.floating[Any]]
Plane = NDArray[np.floating[Any]]
"""Values per pixel, float32 throughout."""

_SPLINE_STD = 0.479
"""Standard deviation of a cubic B-spline field with unit normal coefficients."""


@dataclass(frozen=True)
class Field:
    """A cubic B-spline with random coefficients: smooth, mean 0, standard deviation about 1.

    Evaluated tile by tile it gives the same values as all at once, so no full-size array of a
    slide is ever needed.
    """

    knots: FloatArray
    spacing_um: float

    @classmethod
    def random(
        cls, rng: np.random.Generator, width_um: float, height_um: float, spacing_um: float
    ) -> Field:
        shape = (int(height_um / spacing_um) + 5, int(width_um / spacing_um) + 5)
        return cls(rng.standard_normal(shape) / _SPLINE_STD, spacing_um)

    def on_grid(self, ys_um: FloatArray, xs_um: FloatArray) -> Plane:
        """Values at every (y, x) of two axes, shape (len(ys), len(xs))."""
        rows, first_row = _spline_weights(ys_um, self.spacing_um, self.knots.shape[0])
        cols, first_col = _spline_weights(xs_um, self.spacing_um, self.knots.shape[1])
        part = self.knots[
            first_row : first_row + rows.shape[1], first_col : first_col + cols.shape[1]
        ]
        part = part.astype(np.float32)
        return np.asarray((rows.astype(np.float32) @ part) @ cols.T.astype(np.float32))

    def at(self, xy_um: FloatArray) -> FloatArray:
        """Values at points (n, 2)."""
        yx = xy_um[:, ::-1].T / self.spacing_um + 1.0
        return np.asarray(
            ndimage.map_coordinates(self.knots, yx, order=3, mode="nearest", prefilter=False)
        )


def _spline_weights(at_um: FloatArray, spacing_um: float, count: int) -> tuple[FloatArray, int]:
    t = np.clip(at_um / spacing_um, 0.0, count - 4.001)
    left = np.floor(t).astype(np.intp)
    f = t - left
    taps = np.stack(
        [
            (1 - f) ** 3 / 6,
            (3 * f**3 - 6 * f**2 + 4) / 6,
            (-3 * f**3 + 3 * f**2 + 3 * f + 1) / 6,
            f**3 / 6,
        ]
    )
    first = int(left.min())
    weights = np.zeros((len(t), int(left.max()) - first + 4))
    for k in range(4):
        weights[np.arange(len(t)), left - first + k] = taps[k]
    return weights, first


@dataclass(frozen=True)
class GridMap:
    """Maps on a coarse grid (k, rows, cols) whose cell centres lie at (i + 0.5) * step."""

    values: Plane
    step_um: float

    def on_grid(self, ys_um: FloatArray, xs_um: FloatArray) -> Plane:
        """Bilinear values, (k, len(ys), len(xs))."""
        top, share_y = _between(ys_um, self.step_um, self.values.shape[1])
        left, share_x = _between(xs_um, self.step_um, self.values.shape[2])
        columns = slice(int(left.min()), int(left.max()) + 2)
        left = left - columns.start
        part = self.values[:, :, columns]
        lines = part[:, top] + share_y[:, None] * (part[:, top + 1] - part[:, top])
        rise = np.diff(lines, axis=2).take(left, axis=2)
        rise *= share_x
        rise += lines.take(left, axis=2)
        return rise

    def at(self, xy_um: FloatArray) -> FloatArray:
        """Bilinear values at points, (n, k)."""
        yx = xy_um[:, ::-1].T / self.step_um - 0.5
        return np.stack(
            [ndimage.map_coordinates(m, yx, order=1, mode="nearest") for m in self.values], axis=1
        ).astype(np.float64)


def _between(at_um: FloatArray, step_um: float, count: int) -> tuple[NDArray[np.intp], Plane]:
    """Index of the cell centre before each place, and the share of the one after it."""
    t = np.clip(at_um / step_um - 0.5, 0.0, count - 1.001)
    before = np.floor(t).astype(np.intp)
    return before, (t - before).astype(np.float32)


def texture(rng: np.random.Generator, sigma: tuple[float, float], size: int = 1024) -> Plane:
    """Periodic filtered noise (size, size), mean 0, standard deviation 1."""
    plane = ndimage.gaussian_filter(
        rng.standard_normal((size, size), dtype=np.float32), sigma, mode="wrap"
    )
    return np.asarray((plane - plane.mean()) / plane.std(), dtype=np.float32)


def sample_strands(plane: Plane, across: Plane, along: Plane) -> Plane:
    """Values of a periodic texture that is smooth along its rows: linear across, nearest along."""
    size = plane.shape[0]
    low = np.floor(across)
    share = across - low
    column = along.astype(np.int32) & (size - 1)
    row = low.astype(np.int32) & (size - 1)
    flat = plane.reshape(-1)
    near = flat.take(row * size + column)
    far = flat.take(((row + 1) & (size - 1)) * size + column)
    return np.asarray(near + share * (far - near), dtype=np.float32)


def smoothstep(values: Plane, low: float, high: float) -> Plane:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
