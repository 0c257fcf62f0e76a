"""All regions in one layer that is only looked at; changed in place, never rebuilt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.colours import rgba
from napari_stml.viewer._compat import edit_shape, edit_shapes_widths
from napari_stml.viewer.regions.rings import NOWHERE, drawable, thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.layers import Shapes

    from napari_stml.regions.region import Drawn
    from napari_stml.viewer.frame import Frame

FACE = 0.22
SPARE = 8
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
        from napari.layers import Shapes

        shapes = [self._corners(region, colour) for region, colour in regions]
        shapes += [NOWHERE] * SPARE
        colours = np.array([rgba(c or "#000000", 1.0 if c else 0.0) for _, c in regions]
                           + [np.zeros(4)] * SPARE, dtype=np.float32)  # fmt: skip
        self.layer = Shapes(
            shapes, shape_type="polygon", edge_color=colours, name=self._name,
            face_color=colours * np.array([1, 1, 1, FACE], dtype=np.float32),
            edge_width=self.width, **self._frame.vector(),
        )  # fmt: skip
        self.layer.editable = False
        self._places = {region.id: i for i, (region, _) in enumerate(regions)}
        self._free = list(range(len(regions), len(regions) + SPARE))[::-1]
        return self.layer

    def put(self, region: Drawn, colour: str) -> None:
        """Draw a region, new or changed; a colour "" hides it."""
        if self.layer is None:
            return
        ink = rgba(colour or "#000000", 1.0 if colour else 0.0)
        face = ink * np.array([1, 1, 1, FACE], dtype=np.float32)
        corners = self._corners(region, colour)
        place = self._places.get(region.id)
        if place is None and self._free:
            place = self._places[region.id] = self._free.pop()
        if place is None:
            self._places[region.id] = len(self.layer.data)
            self.layer.add(corners, shape_type="polygon", edge_color=ink, face_color=face,
                           edge_width=self.width)  # fmt: skip
            self.layer.selected_data = set()
        else:
            edit_shape(self.layer, place, corners, face, ink)

    def drop(self, ids: Iterable[str]) -> None:
        for region in ids:
            place = self._places.pop(region, None)
            if place is not None and self.layer is not None:
                clear = np.zeros(4, dtype=np.float32)
                edit_shape(self.layer, place, NOWHERE, clear, clear)
                self._free.append(place)

    def set_width(self, width: float) -> None:
        """Of the outlines, in reference pixels."""
        self.width = width
        if self.layer is not None:
            edit_shapes_widths(self.layer, width)

    def _corners(self, region: Drawn, colour: str) -> Any:
        return thread(drawable(region.outline, self.width)) if colour else NOWHERE
