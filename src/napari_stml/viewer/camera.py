"""Moves of the camera: to a box, over everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from numpy.typing import ArrayLike

MARGIN = 1.15
SMALLEST = 20.0
"""World units (um or pixels) that are shown at least: a single spot does not fill the window."""


def zoom_to(viewer: Viewer, low_yx: ArrayLike, high_yx: ArrayLike) -> None:
    """Show a box of the world with a margin around it."""
    low, high = np.asarray(low_yx, dtype=float), np.asarray(high_yx, dtype=float)
    extent = np.maximum(high - low, SMALLEST) * MARGIN
    height, width = _canvas_size(viewer)
    camera = viewer.scene.camera
    centre = (low + high) / 2
    camera.center = (*camera.center[:-2], float(centre[0]), float(centre[1]))
    camera.zoom = float(min(height / extent[0], width / extent[1]))


def show_everything(viewer: Viewer) -> None:
    """Show all that is visible: another section's hidden layers may lie elsewhere."""
    viewer.reset_view(layers=[layer for layer in viewer.layers if layer.visible] or None)


def centre_on(viewer: Viewer, yx: ArrayLike) -> None:
    """Move without zooming."""
    camera = viewer.scene.camera
    y, x = np.asarray(yx, dtype=float).tolist()
    camera.center = (*camera.center[:-2], y, x)


def canvas_x(viewer: Viewer, world_x: float) -> float:
    """Where on the canvas, in its own pixels, a world x lies."""
    camera = viewer.scene.camera
    return float((world_x - camera.center[-1]) * camera.zoom + _canvas_size(viewer)[1] / 2)


def world_x(viewer: Viewer, x: float) -> float:
    camera = viewer.scene.camera
    return float((x - _canvas_size(viewer)[1] / 2) / camera.zoom + camera.center[-1])


def visible_box(viewer: Viewer) -> tuple[Any, Any]:
    """Lowest and highest world (y, x) on the canvas now."""
    camera = viewer.scene.camera
    half = np.asarray(_canvas_size(viewer), dtype=float) / camera.zoom / 2
    centre = np.asarray(camera.center[-2:], dtype=float)
    return centre - half, centre + half


def _canvas_size(viewer: Viewer) -> tuple[float, float]:
    height, width = viewer.canvas.size
    return max(float(height), 1.0), max(float(width), 1.0)
