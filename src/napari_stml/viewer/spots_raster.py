"""Many observations as an image of codes: a grid for lattices, else nearest observation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.viewer.nearest import NOBODY, Ownership
from napari_stml.viewer.spots import Spots, all_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_stml.io.contents import Observations
    from napari_stml.viewer.colours import RGBA
    from napari_stml.viewer.frame import Frame
    from napari_stml.viewer.paint import Codes, Paint

LIMITS = (-0.5, 255.5)
"""Every code lies in the middle of its step of the colour map."""


class RasterSpots(Spots):
    """An image of one byte per pixel; ``own`` says which observation each pixel belongs to.

    ``rasterise`` makes it for another size factor, or is None where the size is given (grids).
    """

    def __init__(
        self,
        name: str,
        observations: Observations,
        frame: Frame,
        own: Ownership,
        rasterise: Callable[[float], Ownership] | None = None,
    ) -> None:
        self.paint = all_plain(observations)
        self.own = own
        self._frame, self._rasterise = frame, rasterise
        self._padded = np.zeros(len(observations) + 1, dtype=np.uint8)
        self._pixel_owner = _with_nobody_last(own, len(observations))
        self._drawn = self._pixels(self.paint.codes)
        self.layer = code_image(self._drawn, name, self.paint.table, **frame.raster(own.affine))

    def apply(self, paint: Paint) -> None:
        recoloured = not np.array_equal(paint.table, self.paint.table)
        self.paint = paint
        self._repaint(paint.codes)
        if recoloured:
            set_table(self.layer, paint.table)

    def set_size(self, factor: float) -> None:
        if self._rasterise is None:
            return
        self.own = self._rasterise(factor)
        self._pixel_owner = _with_nobody_last(self.own, len(self.paint.codes))
        self._drawn = self._pixels(self.paint.codes)
        self.layer.data = self._drawn
        place = self._frame.raster(self.own.affine)
        for key in ("scale", "translate", "affine"):
            if key in place:
                setattr(self.layer, key, place[key])

    def _repaint(self, codes: Codes) -> None:
        """Write into the layer's own pixels: other data would make napari measure all layers."""
        self._padded[:-1] = codes
        self._padded.take(self._pixel_owner, out=self._drawn, mode="clip")
        if self.layer.data is self._drawn:
            self.layer.refresh(extent=False)
        else:
            self.layer.data = self._drawn

    def _pixels(self, codes: Codes) -> NDArray[np.uint8]:
        self._padded[:-1] = codes
        return self._padded.take(self._pixel_owner)


def _with_nobody_last(own: Ownership, count: int) -> NDArray[np.intp]:
    """Indices into codes with one more entry, the background."""
    index = own.index.astype(np.intp)
    index[index == NOBODY] = count
    return index


def code_image(data: Any, name: str, table: RGBA, **place: Any) -> Image:
    """Make an image layer that shows codes through a table of colours."""
    from napari.layers import Image

    return Image(
        data,
        rgb=False,
        name=name,
        colormap=_colormap(table),
        contrast_limits=LIMITS,
        interpolation2d="nearest",
        blending="translucent",
        **place,
    )


def set_table(layer: Image, table: RGBA) -> None:
    layer.colormap = _colormap(table)


def _colormap(table: RGBA) -> Any:
    from napari.utils.colormaps import Colormap

    name = f"stml {hash(table.tobytes()) & 0xFFFFFFFF:08x}"  # napari compares maps by their names
    return Colormap(table, name=name, interpolation="zero", controls=np.linspace(0, 1, 257))
