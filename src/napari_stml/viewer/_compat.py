"""What napari does not offer publicly, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
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


def say_in_status(layer: Layer, words: Callable[[Any], str]) -> None:
    """Add our words to a layer's line in the status bar.

    napari asks the active layer, from a thread of its own, and has no hook for plugins; so the
    method is replaced on this one layer. ``words`` takes the world position.
    """
    original = layer.get_status

    def get_status(position: Any = None, **more: Any) -> dict[str, str]:
        status: dict[str, str] = original(position, **more)
        if position is not None:
            said = words(position)
            if said:
                status["coordinates"] = f"{status.get('coords', '')}  {said}"
                status["value"] = said
        return status

    layer.get_status = get_status


def is_async() -> bool:
    """Whether slices are read off the main thread in this process."""
    from napari.settings import get_settings

    return bool(get_settings().experimental.async_)


def unwrapped(viewer: Viewer) -> Viewer:
    """The viewer itself: napari gives plugins a proxy, another one each time."""
    inner: Viewer = getattr(viewer, "__wrapped__", viewer)
    return inner
