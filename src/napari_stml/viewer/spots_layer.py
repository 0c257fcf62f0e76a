"""Observations as one Points layer that is recoloured, never rebuilt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Points
    from numpy.typing import NDArray

    from napari_stml.io.contents import Observations
    from napari_stml.viewer.colours import RGBA
    from napari_stml.viewer.frame import Frame

PLAIN = np.array([0.13, 0.35, 0.75, 0.75], dtype=np.float32)


def spots_layer(name: str, observations: Observations, frame: Frame) -> Points:
    """The layer, in one plain colour; sizes are true diameters on the tissue."""
    from napari.layers import Points

    layer = Points(
        np.asarray(observations.xy[:, ::-1], dtype=np.float32),
        size=2 * drawn_radius(observations),
        face_color=PLAIN,
        border_width=0,
        symbol="square" if observations.kind == "bins" else "disc",
        antialiasing=1,
        name=name,
        **frame.vector(),
    )
    layer.editable = False
    return layer


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


def paint(layer: Points, colours: RGBA) -> None:
    """Give every observation its colour (n, 4)."""
    layer.face_color = colours


def paint_codes(layer: Points, codes: NDArray[Any], colours: RGBA) -> None:
    """Colour by category; code -1 takes the palette's last row, the missing one."""
    layer.face_color = colours[codes]
