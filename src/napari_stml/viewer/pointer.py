"""What the mouse points at: status line, tooltip, click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_stml.viewer._compat import canvas_widget, say_in_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Layer

    from napari_stml.viewer.state import ViewerState

CALM = ("pan_zoom", "PAN_ZOOM")


class Pointer:
    """Follows the mouse over one viewer.

    Shift and click adds an observation to the selection or takes it out.
    """

    clicked = Signal(str)
    shift_clicked = Signal(str)
    clicked_at = Signal(tuple)
    """Reference pixels (x, y) of any plain click on the canvas."""

    def __init__(self, state: ViewerState) -> None:
        self._state = state
        self._over = -1
        state.viewer.mouse_move_callbacks.append(self._moved)
        state.viewer.mouse_drag_callbacks.append(self._pressed)

    def explain(self, layer: Layer) -> None:
        """Let napari's status line say what our observations show, whichever layer is active."""
        say_in_status(layer, self._words)

    def _words(self, position: Any) -> str:
        view = self._state.current
        return view.describe(view.observation_at(position)) if view is not None else ""

    def _moved(self, viewer: Any, event: Any) -> None:
        view = self._state.current
        over = view.observation_at(event.position) if view is not None else -1
        if view is None or over == self._over:
            return
        self._over = over
        canvas = canvas_widget(viewer)
        if canvas is None:
            return
        from qtpy.QtGui import QCursor
        from qtpy.QtWidgets import QToolTip

        if over < 0 or not view.painter().visible:
            QToolTip.hideText()
        else:
            QToolTip.showText(QCursor.pos(), view.describe(over).replace("   ", "\n"), canvas)

    def _pressed(self, viewer: Any, event: Any) -> Iterator[None]:
        view = self._state.current
        active = viewer.layers.selection.active
        if view is None or event.button != 1 or str(getattr(active, "mode", CALM[0])) not in CALM:
            return
        moved = False
        yield
        while event.type == "mouse_move":
            moved = True
            yield
        if moved:
            return
        shift = "Shift" in {getattr(m, "name", str(m)) for m in event.modifiers}
        if not shift:
            x, y = view.frame.reference_xy(np.asarray(event.position[-2:])).tolist()
            self.clicked_at.emit((x, y))
        over = view.observation_at(event.position)
        observed = view.section.observations
        if over < 0 or observed is None:
            return
        name = str(observed.names[over])
        if shift:
            self.shift_clicked.emit(name)
        else:
            self.clicked.emit(name)
