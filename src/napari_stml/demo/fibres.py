"""Wavy collagen: bundles of fibres, their picture and their direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_stml.demo.fields import Field, FloatArray, Plane, sample_strands, texture

_WAVE_UM = 42.0
_SOFTNESS = 2.6


@dataclass(frozen=True)
class Fibres:
    """Three families of fibres; each place shows mostly one of them.

    A fibre runs along lines of equal v = x sin(t) - y cos(t) + wave(x, y); the texture is
    stretched along them.
    """

    turn: tuple[float, ...]
    waves: tuple[Field, ...]
    shares: tuple[Field, ...]
    strands: Plane

    @classmethod
    def random(cls, rng: np.random.Generator, width_um: float, height_um: float) -> Fibres:
        start = float(rng.uniform(0, np.pi))
        turn = tuple(start + k * np.pi / 3 for k in range(3))
        waves = tuple(Field.random(rng, width_um, height_um, 115.0) for _ in range(3))
        shares = tuple(Field.random(rng, width_um, height_um, 210.0) for _ in range(3))
        strands = texture(rng, (1.0, 26.0)) + 0.9 * texture(rng, (2.6, 60.0))
        return cls(turn, waves, shares, (strands / strands.std()).astype(np.float32))

    def on_grid(self, ys_um: FloatArray, xs_um: FloatArray) -> Plane:
        """The strands' relief, mean about 0, standard deviation about 1."""
        y = ys_um[:, None].astype(np.float32)
        x = xs_um[None, :].astype(np.float32)
        shares = np.stack([s.on_grid(ys_um, xs_um) for s in self.shares])
        shares = np.exp(_SOFTNESS * (shares - shares.max(axis=0)))
        shares /= shares.sum(axis=0)
        relief = np.zeros((len(ys_um), len(xs_um)), dtype=np.float32)
        for turn, wave, share in zip(self.turn, self.waves, shares, strict=True):
            s, c = np.float32(np.sin(turn)), np.float32(np.cos(turn))
            bend = wave.on_grid(ys_um, xs_um) * np.float32(_WAVE_UM)
            relief += share * sample_strands(self.strands, x * s - y * c + bend, x * c + y * s)
        return relief

    def angle_at(self, xy_um: FloatArray) -> FloatArray:
        """Direction of the family that prevails at points (n, 2), x towards y."""
        shares = np.stack([s.at(xy_um) for s in self.shares], axis=1)
        best = shares.argmax(axis=1)
        angle = np.zeros(len(xy_um))
        for k, (turn, wave) in enumerate(zip(self.turn, self.waves, strict=True)):
            here = best == k
            p: FloatArray = xy_um[here]
            right, down = np.array([1.0, 0.0]), np.array([0.0, 1.0])
            dx = np.sin(turn) + _WAVE_UM * (wave.at(p + right) - wave.at(p - right)) / 2
            dy = -np.cos(turn) + _WAVE_UM * (wave.at(p + down) - wave.at(p - down)) / 2
            angle[here] = np.arctan2(-dx, dy)
        return angle
