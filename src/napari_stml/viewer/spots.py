"""How observations stand on the canvas: one interface, whatever they are drawn with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.viewer.paint import Paint, by_category, by_value, plain

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_stml.io.contents import Observations
    from napari_stml.viewer.colours import RGBA, ColourScale
    from napari_stml.viewer.paint import Threshold

PLAIN = np.array([0.13, 0.35, 0.75, 0.75], dtype=np.float32)


class Spots(ABC):
    """The observations of a section as one layer that is recoloured, never rebuilt.

    ``layer`` is napari's; it is the caller who adds it to a viewer. Main thread only.
    """

    layer: Layer
    paint: Paint

    @abstractmethod
    def apply(self, paint: Paint) -> None:
        """Draw every observation in the colour of its code."""

    @abstractmethod
    def set_size(self, factor: float) -> None:
        """Draw them larger or smaller than they are; a grid has no gaps and stays as it is."""

    def paint_codes(self, codes: NDArray[Any], colours: RGBA, hidden: Collection[int] = ()) -> None:
        """Colour by category; code -1 takes the last row of ``colours``, the missing one."""
        self.apply(by_category(codes, colours, hidden))

    def paint_values(
        self, values: NDArray[Any], scale: ColourScale, threshold: Threshold | None = None
    ) -> None:
        """Colour by numbers; what is not finite is shown as missing."""
        self.apply(by_value(values, scale, threshold))

    def set_opacity(self, value: float) -> None:
        self.layer.opacity = value

    @property
    def visible(self) -> bool:
        return bool(self.layer.visible)

    @visible.setter
    def visible(self, value: bool) -> None:
        self.layer.visible = value


def all_plain(observations: Observations) -> Paint:
    """The paint before anything was chosen."""
    return plain(len(observations), PLAIN)


def drawn_radius(observations: Observations) -> float:
    """The radius of the observations, or a guess from their distances where none is stated."""
    if observations.radius_px:
        return float(observations.radius_px)
    if len(observations) < 2:
        return 10.0
    from scipy.spatial import cKDTree

    some = observations.xy[:: max(1, len(observations) // 2000)]
    distance = cKDTree(observations.xy).query(some, k=2)[0][:, 1]
    return max(0.5, 0.45 * float(np.median(distance)))
