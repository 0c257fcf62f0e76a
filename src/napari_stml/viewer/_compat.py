"""What napari does not offer publicly, in one place."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from napari.layers import Layer
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

log = logging.getLogger(__name__)


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


def edit_shape(
    layer: Any, place: int, ways: Sequence[Any], face: Any, edge: Any,
    width: float | None = None, *, draw: bool = True,
) -> None:  # fmt: skip
    """Change one shape in place, with its colours and the width of its edge.

    napari offers only to set the data of all shapes, which triangulates every one anew (seconds
    for hundreds of regions); its own tools edit the list behind the layer, as is done here.
    ``ways`` are corners (y, x), the best first: napari's triangulation refuses some outlines
    (rings that touch), then the next ones are tried. Nothing is sliced anew and the layer's extent
    stays: for the viewer both cost more than the edit, and the tissue is larger than its regions.
    Without ``draw`` it is seen with the next edit.
    """
    shapes = layer._data_view
    with shapes.batched_updates():  # else what is displayed is gathered anew at every step
        if width is not None and shapes.shapes[place].edge_width != width:
            shapes.shapes[place].edge_width = width
        for corners in ways:
            try:
                shapes.edit(place, corners, face_color=face, edge_color=edge)
            except (RuntimeError, ValueError) as error:
                log.warning("an outline of %d corners is drawn simpler: %s", len(corners), error)
                continue
            break
    if draw:
        layer._clean_outline_cache()
        layer.events.set_data()


def edit_shapes_widths(layer: Any, width: float) -> None:
    """Draw all edges of a shapes layer that wide, keeping the shapes."""
    shapes = layer._data_view
    with shapes.batched_updates():
        for place in range(len(shapes.shapes)):
            shapes.update_edge_width(place, width)
    layer.refresh(thumbnail=False, highlight=False)


def without_highlight(layer: Any) -> None:
    """Draw no outline around the shape under the mouse: it lags behind shapes edited in place."""
    layer._highlight_visible = False


def slices_under_way(viewer: Viewer) -> tuple[Future[Any], ...]:
    """What reads pixels now, also for layers that are being taken away."""
    return tuple(viewer._layer_slicer._layers_to_task.values())


def end_slicing(viewer: Viewer, seconds: float) -> bool:
    """Drop the slices that wait, let the running one end; whether nothing reads any more.

    napari offers only to wait for all of them, or to end slicing for good.
    """
    slicer = viewer._layer_slicer
    for task in tuple(slicer._layers_to_task.values()):
        task.cancel()
    try:
        slicer.wait_until_idle(timeout=seconds)
    except TimeoutError:
        return False
    return True
