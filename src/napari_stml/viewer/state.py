"""What one viewer shows: the sections opened in it and which one is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from psygnal import Signal
from qtpy.QtCore import QEvent, QObject

from napari_stml.viewer._compat import canvas_widget
from napari_stml.viewer.legend import Legend
from napari_stml.viewer.section_view import SectionView

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_stml.io.section import Section


class _PlaceOnResize(QObject):
    """Keeps the legend in its corner."""

    def __init__(self, legend: Legend) -> None:
        super().__init__(legend)
        self._legend = legend

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Resize:
            self._legend.place()
        return False


class ViewerState:
    """The typed state of one viewer; find it with `state_of`."""

    section_changed = Signal()
    shown_changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.views: list[SectionView] = []
        self.current: SectionView | None = None
        canvas = canvas_widget(viewer)
        self.legend = Legend(canvas) if canvas is not None else None
        self._follow = _PlaceOnResize(self.legend) if self.legend is not None else None
        if canvas is not None and self._follow is not None:
            canvas.installEventFilter(self._follow)

    def open(self, section: Section) -> SectionView:
        """Paint a section and make it the current one; the others are hidden."""
        for view in self.views:
            for layer in view.layers:
                layer.visible = False
        view = SectionView(self.viewer, section, self.legend)
        self.views.append(view)
        self.current = view
        if self.legend is not None:
            self.legend.clear()
        view.open()
        self.section_changed.emit()
        return view

    def colour_by(self, name: str, **how: object) -> None:
        if self.current is None:
            return
        self.current.colour_by(name, **how)  # type: ignore[arg-type]
        self.shown_changed.emit()

    def rescale(self, um_per_px: float) -> None:
        """Give the current section the scale its files do not state; its files stay open."""
        if self.current is None:
            return
        section = self.current.section.with_um_per_px(um_per_px)
        shown = self.current.shown
        self.current.remove_layers()
        self.views.remove(self.current)
        self.current = None
        self.open(section)
        if shown is not None:
            self.colour_by(shown.name)

    def close_current(self) -> None:
        """Take the current section off the canvas; the one before it comes back."""
        if self.current is None:
            return
        self.current.close()
        self.views.remove(self.current)
        self.current = self.views[-1] if self.views else None
        if self.current is not None:
            for layer in self.current.layers:
                layer.visible = True
        self.section_changed.emit()

    def close(self) -> None:
        """Close every section's files; the viewer itself is going away."""
        for view in self.views:
            view.section.close()
        self.views.clear()
        self.current = None


_STATES: WeakKeyDictionary[Viewer, ViewerState] = WeakKeyDictionary()


def state_of(viewer: Viewer) -> ViewerState:
    """The state of a viewer, made at the first question."""
    if viewer not in _STATES:
        _STATES[viewer] = ViewerState(viewer)
    return _STATES[viewer]
