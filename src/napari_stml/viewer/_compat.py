"""What napari does not offer publicly, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget


def canvas_widget(viewer: Viewer) -> QWidget | None:
    """The Qt widget that napari draws into; None for a viewer without a window.

    napari 0.9 has no public way to put a widget over the canvas (a legend, napari #6451).
    """
    window = getattr(viewer, "window", None)
    if window is None:
        return None
    widget: QWidget = window._qt_viewer.canvas.native
    return widget
