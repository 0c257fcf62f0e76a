"""Pixels of a slide on the axes, where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.geometry import Affine, Box
from napari_stml.figures.pixels import read_mask, read_picture, window_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_stml.figures.pixels import Picture
    from napari_stml.io.contents import PlacedSlide


def place_picture(
    axes: Axes, placed: PlacedSlide, box: Box, size_px: tuple[int, int],
    *, paint: Callable[[Any], NDArray[Any]] | None = None,
    through: Callable[[Any], NDArray[Any]] | None = None,
) -> Picture | None:  # fmt: skip
    """Read what a box needs of a slide and lay it on the axes; None where the slide is beside it.

    ``size_px`` is what the box is printed on; ``paint`` colours the ids of a mask, ``through``
    gives a slide's pixels other colours.
    """
    back = placed.affine.inverse()
    own = covering(back, box)
    per_x, per_y = (
        side / count * back.length_factor
        for side, count in zip((box.width, box.height), size_px, strict=True)
    )
    window = window_for(placed.slide, own, own.width / per_x, own.height / per_y)
    if window is None:
        return None
    if paint is None:
        picture = read_picture(placed.slide, window)
    else:
        picture = read_mask(placed.slide, window, paint)
    pixels = picture.pixels if through is None else through(picture.pixels)
    lay(axes, pixels, picture.box, placed.affine)
    return picture


def lay(axes: Axes, pixels: NDArray[Any], box: Box, affine: Affine) -> None:
    """Draw colours (uint8) over a box, moved by a map; no pixel is smoothed."""
    from matplotlib.transforms import Affine2D

    from napari_stml.figures.unsampled import add_unsampled

    if _upright(affine):
        add_unsampled(axes, pixels, covering(affine, box))
        return
    drawn = axes.imshow(
        pixels, interpolation="none", origin="upper", aspect="auto",
        extent=(box.x, box.x + box.width, box.y + box.height, box.y),
    )  # fmt: skip
    drawn.set_transform(Affine2D(affine.matrix) + axes.transData)


def _upright(affine: Affine) -> bool:
    """Whether a map only moves and stretches along x and y."""
    a, b, _, d, e, _ = affine.values
    return a > 0 and e > 0 and max(abs(b), abs(d)) < 1e-9 * min(a, e)


def covering(by: Affine, box: Box) -> Box:
    """The box around a mapped box."""
    x0, y0, x1, y1 = box.x, box.y, box.x + box.width, box.y + box.height
    corners = by(np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]]))
    low, size = corners.min(axis=0), np.ptp(corners, axis=0)
    return Box(float(low[0]), float(low[1]), float(size[0]), float(size[1]))
