"""From pairs of landmarks to the affine map between them, by least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Affine

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_stml.core.geometry import FloatArray

Fit = Literal["similarity", "affine"]
NEEDED: dict[Fit, int] = {"similarity": 2, "affine": 3}


@dataclass(frozen=True)
class Registered:
    """The map and how far each landmark is off afterwards, in pixels of the target."""

    affine: Affine
    off: tuple[float, ...]

    @property
    def mean_off(self) -> float:
        """Root mean square."""
        return float(np.sqrt(np.mean(np.square(self.off))))


def register(source: ArrayLike, target: ArrayLike, fit: Fit = "similarity") -> Registered:
    """Fit the map that brings ``source`` (n, 2) to ``target`` (n, 2), both (x, y).

    A similarity turns, scales equally and moves, and may mirror when that fits better (Umeyama
    1991, without its constraint on the sign); an affine map also shears.
    """
    a, b = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 2:
        raise StmlError(
            f"Landmarks come in pairs, not {len(a)} here and {len(b)} there",
            do="set the same number of points on the spots and on the image, in the same order",
        )
    if len(a) < NEEDED[fit]:
        raise StmlError(
            f"A fit of type {fit} needs {NEEDED[fit]} pairs of landmarks, not {len(a)}",
            do="set more landmarks",
        )
    middle = a - a.mean(axis=0)
    spread = np.linalg.svd(middle, compute_uv=False)
    if spread[0] < 1e-9 or (fit == "affine" and spread[-1] < 1e-6 * spread[0]):
        raise StmlError(
            "The landmarks lie on one line or one point",
            do="spread them over the tissue, or choose the fit 'similarity'",
        )
    affine = _similarity(a, b) if fit == "similarity" else _affine(a, b)
    off = np.linalg.norm(affine(a) - b, axis=1)
    return Registered(affine, tuple(off.tolist()))


def _affine(a: FloatArray, b: FloatArray) -> Affine:
    at = np.column_stack([a, np.ones(len(a))])
    solved, *_ = np.linalg.lstsq(at, b, rcond=None)
    return Affine.of(solved.T)


def _similarity(a: FloatArray, b: FloatArray) -> Affine:
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    from_a, from_b = a - mean_a, b - mean_b
    u, s, vt = np.linalg.svd(from_b.T @ from_a)
    turn = u @ vt
    weights = s.copy()
    if np.linalg.det(turn) < 0 and s[-1] < 1e-9 * max(s[0], 1e-300):
        turn = u @ np.diag([1.0, -1.0]) @ vt  # points on a line say nothing about a mirror
    scale = weights.sum() / (from_a**2).sum()
    linear = scale * turn
    return Affine.of(np.column_stack([linear, mean_b - linear @ mean_a]))


def mirror(direction: Literal["horizontal", "vertical"], about: tuple[float, float]) -> Affine:
    """Flip left and right, or up and down, about a point."""
    x, y = about
    sx, sy = (-1.0, 1.0) if direction == "horizontal" else (1.0, -1.0)
    return Affine.translation(x, y) @ Affine.scaling(sx, sy) @ Affine.translation(-x, -y)
