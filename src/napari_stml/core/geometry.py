"""Pixels, micrometres and affine maps.

Positions are (x, y) with the origin at the *outer corner* of the top-left pixel: pixel i covers
[i, i + 1] and its centre is i + 0.5 (the rule of SpatialData, OpenSlide and QuPath). Only the
painter turns this into napari's centre rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

PLAUSIBLE_UM_PER_PX = (0.05, 10.0)
"""Outside this range a value from file tags is an editor's default, not a measurement."""


class ScaleSource(StrEnum):
    """Where a value of um per pixel comes from, most trusted first."""

    USER = "given by the user"
    STORED = "stored with the section"
    PITCH = "distance of neighbouring spots"
    SPOT_DIAMETER = "spot diameter"
    READER = "stated by the instrument's files"
    VENDOR = "slide scanner"
    TAGS = "image file tags"
    OBJECTIVE = "objective power"


@dataclass(frozen=True)
class UmPerPx:
    """Micrometres per level-0 pixel along x and y, with their source."""

    x: float
    y: float
    source: ScaleSource

    def __post_init__(self) -> None:
        if not (np.isfinite([self.x, self.y]).all() and self.x > 0 and self.y > 0):
            raise ValueError(f"um per pixel must be positive, got {self.x} x {self.y}")

    @classmethod
    def square(cls, value: float, source: ScaleSource) -> UmPerPx:
        return cls(float(value), float(value), source)

    @property
    def mean(self) -> float:
        """The geometric mean, for lengths without a direction."""
        return float(np.sqrt(self.x * self.y))

    @property
    def plausible(self) -> bool:
        low, high = PLAUSIBLE_UM_PER_PX
        return low <= self.x <= high and low <= self.y <= high


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Affine:
    """A map of the plane, (x, y) -> matrix[:, :2] @ (x, y) + matrix[:, 2].

    The six numbers are kept as a tuple (row by row) so that maps are hashable and comparable.
    """

    values: tuple[float, float, float, float, float, float] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

    @classmethod
    def of(cls, matrix: ArrayLike) -> Affine:
        """From a 2 x 3 or 3 x 3 matrix."""
        m = np.asarray(matrix, dtype=np.float64)
        if m.shape not in {(2, 3), (3, 3)} or not np.isfinite(m).all():
            raise ValueError(f"an affine map needs a finite 2 x 3 or 3 x 3 matrix, got {m.shape}")
        a, b, c, d, e, f = (float(v) for v in m[:2].ravel())
        return cls((a, b, c, d, e, f))

    @classmethod
    def scaling(cls, x: float, y: float | None = None) -> Affine:
        return cls((float(x), 0.0, 0.0, 0.0, float(x if y is None else y), 0.0))

    @classmethod
    def translation(cls, x: float, y: float) -> Affine:
        return cls((1.0, 0.0, float(x), 0.0, 1.0, float(y)))

    @classmethod
    def rotation(cls, degrees: float, about: tuple[float, float] = (0.0, 0.0)) -> Affine:
        """Turn about a point; positive turns x towards y (clockwise on the screen)."""
        t = np.deg2rad(degrees)
        turn = cls.of([[np.cos(t), -np.sin(t), 0.0], [np.sin(t), np.cos(t), 0.0]])
        x, y = about
        return cls.translation(x, y) @ turn @ cls.translation(-x, -y)

    @property
    def matrix(self) -> FloatArray:
        """As 3 x 3."""
        return np.vstack([np.array(self.values).reshape(2, 3), [0.0, 0.0, 1.0]])

    @property
    def is_identity(self) -> bool:
        return bool(np.allclose(self.matrix, np.eye(3), atol=1e-12))

    @property
    def length_factor(self) -> float:
        """How much a length grows on average (square root of the area factor)."""
        a, b, _, d, e, _ = self.values
        return float(np.sqrt(abs(a * e - b * d)))

    def __matmul__(self, first: Affine) -> Affine:
        """``self @ first``: apply ``first``, then ``self``."""
        return Affine.of(self.matrix @ first.matrix)

    def __call__(self, xy: ArrayLike) -> FloatArray:
        """Map points of shape (n, 2) or (2,)."""
        points = np.asarray(xy, dtype=np.float64)
        m = self.matrix
        return points @ m[:2, :2].T + m[:2, 2]

    def inverse(self) -> Affine:
        if abs(self.length_factor) < 1e-12:
            raise ValueError("this affine map folds the plane and has no inverse")
        return Affine.of(np.linalg.inv(self.matrix))
