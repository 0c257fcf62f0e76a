"""A picture on axes that costs its own size: matplotlib's resampling takes 100 bytes a pixel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.image import AxesImage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_stml.core.geometry import Box


class Unsampled(AxesImage):
    """Pixels over a box, upright: taken as they are into PDF and SVG, picked into a bitmap."""

    def draw(self, renderer: Any) -> None:
        if renderer.option_scale_image():
            super().draw(renderer)
            return
        pixels: NDArray[Any] = np.asarray(self.get_array())
        x0, x1, y1, y0 = self.get_extent()
        at = self.axes.transData.transform([(x0, y0), (x1, y1)])
        (left, top), (right, bottom) = at
        clip = self.axes.bbox
        cols = _whole(max(left, clip.x0), min(right, clip.x1))
        rows = _whole(max(bottom, clip.y0), min(top, clip.y1))
        if len(cols) == 0 or len(rows) == 0:
            return
        x = _picked(cols, left, right, pixels.shape[1])
        y = _picked(rows, top, bottom, pixels.shape[0])[::-1]
        out = np.full((len(rows), len(cols), 4), 255, dtype=np.uint8)
        out[:, :, : pixels.shape[2]] = pixels[y[:, None], x[None, :]]
        context = renderer.new_gc()
        renderer.draw_image(context, cols[0], rows[0], out[::-1])
        context.restore()


def add_unsampled(axes: Axes, pixels: NDArray[np.uint8], box: Box) -> None:
    """Lay (h, w, 3 or 4) of uint8 over a box in data coordinates whose y points down."""
    extent = (box.x, box.x + box.width, box.y + box.height, box.y)
    image = Unsampled(axes, interpolation="none", origin="upper", extent=extent)
    image.set_data(pixels)
    image.set_clip_path(axes.patch)
    axes.add_image(image)


def _whole(low: float, high: float) -> range:
    """Display pixels whose centre lies between two borders."""
    return range(math.ceil(low - 0.5 - 1e-6), math.ceil(high - 0.5 - 1e-6))


def _picked(shown: range, start: float, end: float, count: int) -> NDArray[np.intp]:
    """Which of ``count`` pixels from ``start`` to ``end`` lies below each display pixel."""
    centre = np.arange(shown.start, shown.stop) + 0.5
    at = np.floor((centre - start) / (end - start) * count + 1e-6).astype(np.intp)
    picked: NDArray[np.intp] = np.clip(at, 0, count - 1)
    return picked
