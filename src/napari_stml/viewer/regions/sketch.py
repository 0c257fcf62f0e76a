"""What is being drawn or is selected: one outline and its corners, above everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from napari_stml.core.colours import rgba
from napari_stml.viewer._compat import edit_shape, without_highlight
from napari_stml.viewer.regions.rings import NOWHERE, drawable, thread, ways

if TYPE_CHECKING:
    from napari.layers import Shapes
    from napari.viewer import Viewer
    from shapely.geometry.base import BaseGeometry

    from napari_stml.viewer.frame import Frame

CHOSEN = "#ffe600"
WIDTH = 2.5
"""Of the sketched outline, in pixels of the screen."""

HANDLE = 7.0
"""Side of a corner's handle, in pixels of the screen."""

MOST_CORNERS = 400


class Sketch:
    """A Shapes layer with one shape, which takes the mouse while a tool is in the hand."""

    def __init__(self, viewer: Viewer, name: str, frame: Frame) -> None:
        from napari.layers import Shapes

        self._viewer = viewer
        self._per_px = frame.um_per_px.mean if frame.um_per_px else 1.0
        self.layer: Shapes = Shapes(
            [NOWHERE, NOWHERE], shape_type="polygon", name=f"{name} / drawing",
            face_color="#00000000",
            edge_color="#00000000", edge_width=self.screen(WIDTH), **frame.vector(),
        )  # fmt: skip
        without_highlight(self.layer)
        self._ours: tuple[list[Any], list[Any], list[Any]] = ([], [], [])

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
        if self.layer not in self._viewer.layers:
            self._viewer.add_layer(self.layer)
        self._viewer.layers.selection.active = active

    def raise_(self) -> None:
        layers = self._viewer.layers
        if self.layer in layers and layers[-1] is not self.layer:
            layers.move(layers.index(self.layer), len(layers))

    def remove(self) -> None:
        if self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)

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

    def show_whole(self, outline: BaseGeometry | None, corners_of: BaseGeometry | None) -> None:
        """Draw what is selected and the handles of its corners, at once."""
        self.show(outline, draw=False)
        self.show_corners(corners_of)

    def show(
        self, outline: BaseGeometry | None, colour: str = CHOSEN, fill: float = 0.0, *,
        draw: bool = True,
    ) -> None:  # fmt: skip
        """Draw an outline (a line, an area, or nothing) in place of what was sketched."""
        width = self.screen(WIDTH)
        ink = rgba(colour)
        clear = np.zeros(4, dtype=np.float32)
        if outline is None or outline.is_empty:
            edit_shape(self.layer, 0, [NOWHERE], clear, clear, draw=draw)
            return
        is_area = outline.geom_type in {"Polygon", "MultiPolygon"}
        face = rgba(colour, fill) if is_area else ink
        edit_shape(
            self.layer, 0, ways(drawable(outline, width)), face, ink if is_area else clear, width,
            draw=draw,
        )  # fmt: skip

    def show_corners(self, outline: BaseGeometry | None) -> None:
        """Handles at the corners, one where several lie close; None takes them away.

        They are one shape of little squares: setting the data of a points layer takes napari much
        longer than a stroke may cost.
        """
        clear = np.zeros(4, dtype=np.float32)
        places = shapely.get_coordinates(outline) if outline is not None else np.empty((0, 2))
        side = self.screen(HANDLE)
        _, first = np.unique(np.floor(places / (2 * side)), axis=0, return_index=True)
        if not len(places) or len(first) > MOST_CORNERS:
            edit_shape(self.layer, 1, [NOWHERE], clear, clear)
            return
        x, y = places[np.sort(first)].T
        half = side / 2
        squares = shapely.union_all(shapely.box(x - half, y - half, x + half, y + half))
        edit_shape(self.layer, 1, [thread(squares), NOWHERE], rgba("#ffffff"), rgba("#202020"),
                   self.screen(1.0))  # fmt: skip

    def hide_corners(self) -> None:
        self.show_corners(None)
