"""All regions in one layer that is only looked at; changed in place, never rebuilt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.colours import rgba
from napari_stml.viewer._compat import edit_shape, edit_shapes_widths
from napari_stml.viewer.regions.rings import NOWHERE, drawable, thread, ways

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.layers import Shapes

    from napari_stml.regions.region import Drawn
    from napari_stml.viewer.frame import Frame

FACE = 0.22
SPARE = 24
"""Unused places that a new layer holds, so that the first strokes cost no rebuilding."""


class Picture:
    """The layer of a section's regions.

    napari rebuilds a whole Shapes layer when its data is set (seconds for hundreds of regions);
    so every region keeps a place in the layer, and places of deleted regions are used again.
    """

    def __init__(self, name: str, frame: Frame, width: float) -> None:
        self._name, self._frame, self.width = name, frame, width
        self._places: dict[str, int] = {}
        self._free: list[int] = []
        self.layer: Shapes | None = None

    def show_all(self, regions: Sequence[tuple[Drawn, str]]) -> Shapes:
        """Make the layer, with the colour of every region; hidden ones come with ""."""
        shapes = [self._corners(region, colour) for region, colour in regions]
        shapes += [NOWHERE] * SPARE
        colours = np.array([rgba(c or "#000000", 1.0 if c else 0.0) for _, c in regions]
                           + [np.zeros(4)] * SPARE, dtype=np.float32)  # fmt: skip
        try:
            self.layer = self._made(shapes, colours)
        except RuntimeError:  # an outline that napari cannot fill: draw them one by one
            self.layer = self._made([NOWHERE] * len(shapes), colours)
            for i, (region, colour) in enumerate(regions):
                if colour:
                    edit_shape(self.layer, i, ways(drawable(region.outline, self.width)),
                               colours[i] * np.array([1, 1, 1, FACE]), colours[i])  # fmt: skip
        self._places = {region.id: i for i, (region, _) in enumerate(regions)}
        self._free = list(range(len(regions), len(regions) + SPARE))[::-1]
        return self.layer

    def _made(self, shapes: list[Any], colours: Any) -> Shapes:
        from napari.layers import Shapes

        layer = Shapes(
            shapes, shape_type="polygon", edge_color=colours, name=self._name,
            face_color=colours * np.array([1, 1, 1, FACE], dtype=np.float32),
            edge_width=self.width, **self._frame.vector(),
        )  # fmt: skip
        layer.editable = False
        return layer

    def put(self, region: Drawn, colour: str) -> None:
        """Draw a region, new or changed; a colour "" hides it."""
        if self.layer is None:
            return
        ink = rgba(colour or "#000000", 1.0 if colour else 0.0)
        face = ink * np.array([1, 1, 1, FACE], dtype=np.float32)
        if region.id not in self._places:
            if not self._free:
                self._make_room()
            self._places[region.id] = self._free.pop()
        place = self._places[region.id]
        drawn = ways(drawable(region.outline, self.width)) if colour else [NOWHERE]
        edit_shape(self.layer, place, drawn, face, ink)

    def _make_room(self) -> None:
        """More places at once: adding to the layer costs as much for one as for many."""
        if self.layer is None:
            return
        first = len(self.layer.data)
        self.layer.add([NOWHERE] * SPARE, shape_type="polygon", edge_width=self.width)
        self.layer.selected_data = set()
        self._free = list(range(first, first + SPARE))[::-1]

    def drop(self, ids: Iterable[str]) -> None:
        for region in ids:
            place = self._places.pop(region, None)
            if place is not None and self.layer is not None:
                clear = np.zeros(4, dtype=np.float32)
                edit_shape(self.layer, place, [NOWHERE], clear, clear)
                self._free.append(place)

    def set_width(self, width: float) -> None:
        """Of the outlines, in reference pixels."""
        self.width = width
        if self.layer is not None:
            edit_shapes_widths(self.layer, width)

    def _corners(self, region: Drawn, colour: str) -> Any:
        return thread(drawable(region.outline, self.width)) if colour else NOWHERE
