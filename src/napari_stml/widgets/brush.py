"""Correct a mask with napari's brush, and keep what was painted as a Run of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_stml.core.errors import StmlError
from napari_stml.core.results import Mask

if TYPE_CHECKING:
    from napari_stml.viewer.state import ViewerState

BRUSH_UM = 150.0
HINT = (
    "Paint on the mask: 1 is tissue, 0 takes away. Ctrl+Z takes a stroke back, [ and ] change "
    "the brush. The first mask stays as it is."
)


class BrushBox(QWidget):
    """Two buttons below a Run that holds a mask; ``keep_requested`` carries what was painted."""

    keep_requested = Signal(str)
    said = Signal(str)

    def __init__(self, state: ViewerState, run: str, name: str) -> None:
        super().__init__()
        self._state, self._run, self._name = state, run, name
        self.paint = QPushButton("Correct with the brush")
        self.paint.clicked.connect(self.begin)
        self.keep = QPushButton("Keep the corrected mask")
        self.keep.setToolTip("Stores it as a new version; tiles and features can use it")
        self.keep.clicked.connect(self.finish)
        self.keep.setEnabled(False)
        self.hint = QLabel(HINT)
        self.hint.setWordWrap(True)
        self.hint.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for each in (self.paint, self.hint, self.keep):
            layout.addWidget(each)

    @property
    def begun(self) -> bool:
        """Somebody paints, and has not kept it."""
        return bool(self.keep.isEnabled())

    def begin(self) -> None:
        """Show the stored mask, ready to be painted on."""
        view = self._state.current
        if view is None:
            return
        layer = view.part_of(self._run, self._name)
        if layer is None:
            layer = view.show_part(self._run, self._stored())
        painted: Any = layer
        painted.editable = True
        painted.visible = True
        view.viewer.layers.selection.active = painted
        painted.selected_label = 1
        scale = float(np.mean(np.abs(painted.scale)))
        um = view.frame.um_per_px is not None
        painted.brush_size = max(1, round(BRUSH_UM / scale)) if um else 10
        painted.mode = "paint"
        self.hint.show()
        self.keep.setEnabled(True)

    def finish(self) -> None:
        """Hand over what differs from the stored mask."""
        from napari_stml.core.brush import strokes

        view = self._state.current
        layer: Any = view.part_of(self._run, self._name) if view is not None else None
        if layer is None:
            self.said.emit("The mask's layer was deleted: nothing was painted.")
            return
        try:
            changes = strokes(np.asarray(self._stored().pixels), np.asarray(layer.data))
        except StmlError as error:
            self.said.emit(str(error))
            return
        if not changes:
            self.said.emit("Nothing was painted: the mask is as it was found.")
            return
        layer.mode = "pan_zoom"
        self.hint.hide()
        self.keep.setEnabled(False)
        self.keep_requested.emit(changes)

    def taken_over(self) -> None:
        """The painting became a Run: show the first mask as it was, hidden behind the new one."""
        view = self._state.current
        if view is not None:
            view.hide_part(self._run, self._name)

    def _stored(self) -> Mask:
        view = self._state.current
        assert view is not None
        assert view.section.shelf is not None
        part = view.section.shelf.part(self._run, self._name)
        assert isinstance(part, Mask)
        return part
