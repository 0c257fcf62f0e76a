"""The ring around what is selected."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.viewer.nearest import NOBODY

if TYPE_CHECKING:
    from napari.layers import Image, Layer, Points
    from numpy.typing import NDArray

    from napari_stml.core.geometry import FloatArray
    from napari_stml.viewer.frame import Frame
    from napari_stml.viewer.nearest import Ownership

RING = "#ffe600"
EDGE = "#101010"


class Highlight(ABC):
    """A layer of rings; ``show`` takes which observations have one."""

    layer: Layer

    @abstractmethod
    def show(self, chosen: NDArray[np.bool_]) -> None: ...


class Rings(Highlight):
    """Circles around discs: yellow, with a dark one outside for pale tissue."""

    def __init__(self, name: str, xy: FloatArray, diameter: float, frame: Frame) -> None:
        from napari.layers import Points

        self._yx = np.asarray(xy[:, ::-1], dtype=np.float32)
        self._diameter = diameter
        self.layer: Points = Points(
            np.empty((0, 2), dtype=np.float32), ndim=2, size=diameter, face_color="#00000000",
            border_color=RING, border_width=0.14, border_width_is_relative=True, name=name,
            antialiasing=1, **frame.vector(),
        )  # fmt: skip
        self.layer.editable = False

    def show(self, chosen: NDArray[np.bool_]) -> None:
        # The look of new points is set before there are any: while napari slices aside, setting
        # it on fewer points than before reads indices of those that are gone.
        layer = self.layer
        layer.current_size = self._diameter * 1.12
        layer.current_face_color = "#00000000"
        layer.current_border_color = RING
        layer.current_border_width = 0.14
        layer.data = self._yx[:0]
        layer.data = self._yx[chosen]


class Outlines(Highlight):
    """The border of the selected part of a raster, one pixel wide."""

    def __init__(self, name: str, own: Ownership, frame: Frame) -> None:
        from napari.layers import Image
        from napari.utils.colormaps import Colormap

        self._own = own
        table = np.array([[0, 0, 0, 0], [1, 0.9, 0, 1]], dtype=np.float32)
        self.layer: Image = Image(
            np.zeros(own.index.shape, dtype=np.uint8), rgb=False, name=name,
            colormap=Colormap(table, name="stml selection", interpolation="zero",
                              controls=[0, 0.5, 1]),
            contrast_limits=(0, 1), interpolation2d="nearest", blending="translucent",
            **frame.raster(own.affine),
        )  # fmt: skip

    def show(self, chosen: NDArray[np.bool_]) -> None:
        inside = np.append(chosen, False)[np.where(self._own.index == NOBODY, -1, self._own.index)]
        self.layer.data = border(inside).astype(np.uint8)


def border(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels inside that touch one outside."""
    core = np.zeros_like(inside)
    core[1:-1, 1:-1] = (
        inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1]
        & inside[1:-1, :-2] & inside[1:-1, 2:]
    )  # fmt: skip
    return inside & ~core


def fitting(
    name: str, xy: FloatArray, diameter: float, frame: Frame, own: Ownership | None
) -> Highlight:
    return Rings(name, xy, diameter, frame) if own is None else Outlines(name, own, frame)
