"""What is being drawn or is selected: one outline and its corners, above everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.colours import rgba
from napari_stml.viewer._compat import edit_shape, without_highlight
from napari_stml.viewer.regions.rings import NOWHERE, drawable, ways

if TYPE_CHECKING:
    from napari.layers import Points, Shapes
    from napari.viewer import Viewer
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from napari_stml.viewer.frame import Frame

CHOSEN = "#ffe600"
WIDTH = 2.5
"""Of the sketched outline, in pixels of the screen."""

MOST_CORNERS = 2000


class Sketch:
    """A Shapes layer with one shape, which takes the mouse while a tool is in the hand."""

    def __init__(self, viewer: Viewer, name: str, frame: Frame) -> None:
        from napari.layers import Points, Shapes

        self._viewer = viewer
        self._per_px = frame.um_per_px.mean if frame.um_per_px else 1.0
        self.layer: Shapes = Shapes(
            [NOWHERE], shape_type="polygon", name=f"{name} / drawing", face_color="#00000000",
            edge_color="#00000000", edge_width=self.screen(WIDTH), **frame.vector(),
        )  # fmt: skip
        without_highlight(self.layer)
        self._ours: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        self.corners: Points = Points(
            np.empty((0, 2)), ndim=2, name=f"{name} / corners", size=1, symbol="square",
            face_color="#ffffff", border_color="#202020", border_width=0.15,
            canvas_size_limits=(7, 9), visible=False, **frame.vector(),
        )  # fmt: skip
        self.corners.editable = False

    def screen(self, px: float) -> float:
        """A length on the screen as reference pixels."""
        zoom = float(self._viewer.scene.camera.zoom) or 1.0
        return px / zoom / self._per_px

    @property
    def stands(self) -> bool:
        return self.layer in self._viewer.layers

    def add(self) -> None:
        """Put the layers on top of all others."""
        active = self._viewer.layers.selection.active
        for layer in (self.layer, self.corners):
            if layer not in self._viewer.layers:
                self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = active

    def raise_(self) -> None:
        layers = self._viewer.layers
        for layer in (self.layer, self.corners):
            if layer in layers and layers[-1] is not layer:
                layers.move(layers.index(layer), len(layers))

    def remove(self) -> None:
        for layer in (self.corners, self.layer):
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def take_mouse(self, taken: bool) -> None:
        """Drawing instead of panning, with the callbacks that `serve` was given.

        In its mode for panning napari zooms by a double click and by dragging with Alt; so the
        layer stands in another mode, without what that one would do.
        """
        self.layer.mode = "add_rectangle" if taken else "pan_zoom"
        self.layer.mouse_pan = not taken
        if taken:
            for callbacks, ours in zip(self._lists(), self._ours, strict=True):
                callbacks[:] = ours
            self.layer.cursor = "cross"
            self._viewer.layers.selection.active = self.layer

    def serve(self, dragged: Any, hovered: Any, double: Any) -> None:
        """Send the mouse there while a tool is in the hand."""
        self._ours = ([dragged], [hovered], [double])

    def _lists(self) -> tuple[list[Any], list[Any], list[Any]]:
        layer = self.layer
        return (layer.mouse_drag_callbacks, layer.mouse_move_callbacks,
                layer.mouse_double_click_callbacks)  # fmt: skip

    def show(self, outline: BaseGeometry | None, colour: str = CHOSEN, fill: float = 0.0) -> None:
        """Draw an outline (a line, an area, or nothing) in place of what was sketched."""
        width = self.screen(WIDTH)
        ink = rgba(colour)
        clear = np.zeros(4, dtype=np.float32)
        if outline is None or outline.is_empty:
            edit_shape(self.layer, 0, [NOWHERE], clear, clear)
            return
        is_area = outline.geom_type in {"Polygon", "MultiPolygon"}
        face = rgba(colour, fill) if is_area else ink
        edit_shape(
            self.layer, 0, ways(drawable(outline, width)), face, ink if is_area else clear, width
        )

    def show_corners(self, outline: BaseGeometry | None) -> None:
        """Handles at all corners; None takes them away."""
        yx = corners_of(outline) if outline is not None else np.empty((0, 2))
        if len(yx) > MOST_CORNERS:
            yx = np.empty((0, 2))
        if len(yx):
            self.corners.data = yx  # their size on the screen is bounded, whatever the zoom
        if self.corners.visible != bool(len(yx)):
            self.corners.visible = bool(len(yx))

    def hide_corners(self) -> None:
        if self.corners.visible:
            self.corners.visible = False


def corners_of(outline: BaseGeometry) -> NDArray[Any]:
    import shapely

    return np.asarray(shapely.get_coordinates(outline)[:, ::-1])
