"""Up to some twenty thousand observations as napari Points: true discs at every zoom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.viewer.spots import Spots, all_plain

if TYPE_CHECKING:
    from napari_stml.io.contents import Observations
    from napari_stml.viewer.frame import Frame
    from napari_stml.viewer.paint import Paint


class PointSpots(Spots):
    """Discs (squares for bins) of their true size."""

    def __init__(self, name: str, observations: Observations, frame: Frame, radius: float) -> None:
        from napari.layers import Points

        self._diameter = 2 * radius
        self.paint = all_plain(observations)
        self.layer = Points(
            np.asarray(observations.xy[:, ::-1], dtype=np.float32),
            size=self._diameter,
            face_color=self.paint.table[2],
            border_width=0,
            symbol="square" if observations.kind == "bins" else "disc",
            antialiasing=1,
            name=name,
            **frame.vector(),
        )
        self.layer.editable = False

    def apply(self, paint: Paint) -> None:
        self.paint = paint
        # napari would take the data twice: at the colours' own event and at the layer's
        with self.layer.events.face_color.blocker():
            self.layer.face_color = paint.colours

    def set_size(self, factor: float) -> None:
        self.layer.size = self._diameter * factor
