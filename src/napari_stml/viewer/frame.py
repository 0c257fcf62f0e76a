"""Where things stand in napari's world: the only place that knows the half pixel.

Our positions have their origin at the outer corner of the first pixel, napari's at its centre. With
um per pixel known the world is in um, else in pixels; every layer of a section says the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_stml.core.geometry import Affine, FloatArray, UmPerPx

_SWAP = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Frame:
    """The world of one section."""

    um_per_px: UmPerPx | None = None

    @property
    def units(self) -> tuple[str, str]:
        return ("um", "um") if self.um_per_px else ("pixel", "pixel")

    @property
    def unit_names(self) -> tuple[str, str]:
        """As a layer spells its units."""
        return ("micrometer", "micrometer") if self.um_per_px else ("pixel", "pixel")

    @property
    def to_world(self) -> Affine:
        """Reference pixels to world, both (x, y)."""
        scale = self.um_per_px
        return Affine.scaling(scale.x, scale.y) if scale else Affine()

    def raster(self, affine: Affine | None = None) -> dict[str, Any]:
        """Layer arguments of an image whose pixels ``affine`` maps to reference pixels."""
        return self._arguments(self.to_world @ (affine or Affine()) @ Affine.translation(0.5, 0.5))

    def vector(self, affine: Affine | None = None) -> dict[str, Any]:
        """Layer arguments of points or shapes given in (y, x) of the element's own pixels."""
        return self._arguments(self.to_world @ (affine or Affine()))

    def _arguments(self, to_world: Affine) -> dict[str, Any]:
        a, b, c, d, e, f = to_world.values
        if b == 0 and d == 0 and a > 0 and e > 0:
            return {"scale": (e, a), "translate": (f, c), "units": self.units}
        return {"affine": _SWAP @ to_world.matrix @ _SWAP, "units": self.units}

    def world_yx(self, xy: FloatArray) -> FloatArray:
        """Reference pixels (x, y) to world (y, x)."""
        return np.asarray(self.to_world(xy)[..., ::-1])

    def reference_xy(self, world_yx: FloatArray) -> FloatArray:
        """World (y, x) to reference pixels (x, y)."""
        return self.to_world.inverse()(np.asarray(world_yx, dtype=np.float64)[..., ::-1])
