"""What one viewer shows: the sections opened in it and which one is looked at."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from psygnal import Signal
from qtpy.QtCore import QEvent, QObject

from napari_stml.viewer._compat import canvas_widget, end_slicing, slices_under_way, unwrapped
from napari_stml.viewer.background import Background
from napari_stml.viewer.camera import canvas_x, centre_on, visible_box, world_x
from napari_stml.viewer.frame import Frame
from napari_stml.viewer.keys import bind_keys
from napari_stml.viewer.legend import Legend
from napari_stml.viewer.legend_menu import ask
from napari_stml.viewer.overview import Overview, ground_of
from napari_stml.viewer.pointer import Pointer
from napari_stml.viewer.recovery import Recovery
from napari_stml.viewer.section_view import SectionView
from napari_stml.viewer.swipe_line import SwipeLine
from napari_stml.viewer.wishes import LookWishes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer
    from qtpy.QtCore import QPoint
    from qtpy.QtWidgets import QWidget

    from napari_stml.io.section import Section
    from napari_stml.viewer.regions.desk import RegionDesk
    from napari_stml.viewer.selection import Selection


log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that closing waits for what is being read."""


class _OnResize(QObject):
    """Keeps what lies over the canvas in its place."""

    def __init__(self, canvas: QWidget, act: Callable[[], None]) -> None:
        super().__init__(canvas)
        self._act = act
        canvas.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Resize:
            self._act()
        return False


class ViewerState:
    """The typed state of one viewer; find it with `state_of`.

    ``said`` carries messages for the user; ``wishes`` does what the page Look asks for.
    """

    section_changed = Signal()
    closing = Signal(object)
    shown_changed = Signal()
    selection_changed = Signal()
    said = Signal(str)
    clicked = Signal(str)
    clicked_at = Signal(tuple)

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.views: list[SectionView] = []
        self.current: SectionView | None = None
        self.leaving: list[Section] = []
        self.selection: Selection | None = None
        self.author = ""
        self.regions: RegionDesk | None = None
        self.background = Background()
        self.background.said.connect(self.said.emit)
        self.wishes = LookWishes(self)
        self.pointer = Pointer(self)
        self.pointer.clicked.connect(self.clicked.emit)
        self.pointer.clicked_at.connect(self.clicked_at.emit)
        self.pointer.shift_clicked.connect(self.wishes.observation_toggled)
        self.legend: Legend | None = None
        self.overview: Overview | None = None
        self._line: SwipeLine | None = None
        canvas = canvas_widget(viewer)
        if canvas is not None:
            self._over_canvas(canvas)
        self._recovery = Recovery(self) if canvas is not None else None
        bind_keys(self)

    def _over_canvas(self, canvas: QWidget) -> None:
        self.legend = Legend(canvas)
        self.legend.toggled.connect(self.wishes.category_toggled)
        self.legend.menu_requested.connect(self._menu)
        self.overview = Overview(canvas)
        self.overview.moved.connect(lambda y, x: centre_on(self.viewer, (y, x)))
        self.overview.left.connect(lambda: self.wishes.zoom_requested("everything"))
        self._line = SwipeLine(canvas)
        self._line.dragged.connect(self._dragged)
        self._follow = _OnResize(canvas, self._resized)
        camera = self.viewer.scene.camera
        camera.events.center.connect(self._camera_moved)
        camera.events.zoom.connect(self._camera_moved)
        self.section_changed.connect(self.draw_overview)
        self.viewer.events.theme.connect(self._theme_changed)
        self._theme_changed()

    @property
    def busy(self) -> bool:
        """Something is being read aside."""
        return self.background.busy

    def open(self, section: Section) -> SectionView:
        """Paint a section and make it the current one; the others are hidden.

        Give it to `prepare` in a thread before: what was not prepared is read here and now.
        """
        view = SectionView(self.viewer, section, self.legend, self.background.said.emit)
        if self.current is not None:
            self.current.leave()
        self.views.append(view)
        self._become(view)
        view.open()
        for layer in view.layers:
            self.pointer.explain(layer)
        self.section_changed.emit()
        return view

    def switch_to(self, view: SectionView) -> None:
        """Look at another open section again, where one left it."""
        if view is self.current:
            return
        if self.current is not None:
            self.current.leave()
        self._become(view)
        view.come_back()
        self.section_changed.emit()

    def _become(self, view: SectionView | None) -> None:
        self.current = view
        self._agree_on_units()
        self.background.forget("colour")
        self.background.forget("swipe")
        if self.legend is not None:
            self.legend.clear()
        self.select(None)
        self.place_swipe()

    def _agree_on_units(self) -> None:
        """Hidden sections speak the current one's units: napari drops units that disagree."""
        if self.current is None:
            return
        for view in self.views:
            for layer in view.layers:
                if tuple(map(str, layer.units)) != self.current.frame.unit_names:
                    layer.units = self.current.frame.units

    def colour_by(self, name: str, **how: object) -> None:
        """Colour here and now; raises what goes wrong (the dock wishes instead)."""
        if self.current is None:
            return
        self.current.styling.load()
        self.current.colour_by(name, **how)  # type: ignore[arg-type]
        self.shown_changed.emit()

    def select(self, selection: Selection | None) -> None:
        """Make these observations the selection and draw rings around them."""
        if selection is None and self.selection is None:
            return
        self.selection = selection
        for view in self.views:
            observed = view.section.observations
            if view is self.current and selection is not None and observed is not None:
                view.ring(selection.mask(observed))
            else:
                view.ring(None)
        self.selection_changed.emit()

    def rescale(self, um_per_px: float) -> None:
        """Give the current section the scale its files do not state; its files stay open."""
        if self.current is None:
            return
        self.replace_section(self.current.section.with_um_per_px(um_per_px))

    def replace_section(self, section: Section) -> None:
        """Show a changed section (scale, alignment) in place of the current one, as it was.

        Where its slides stay where they are, their layers do: nothing is read or uploaded again.
        """
        before = self.current
        if before is None:
            return
        images, there = before.section.images, section.images
        stay = all(there.get(name) is images[name] for name in before.slides_shown)
        if stay and before.frame == Frame(section.um_per_px):
            before.take(section)
            for layer in before.layers:
                if layer not in before.slide_layers:
                    self.pointer.explain(layer)
            self.section_changed.emit()
            self.shown_changed.emit()
            return
        camera = self.viewer.scene.camera
        where = tuple(camera.center), float(camera.zoom)
        before.remove_layers()
        self.views.remove(before)
        self.current = None
        view = self.open(section)
        same_world = before.frame == view.frame
        if same_world:
            camera.center, camera.zoom = where
        if section.observations is not None:
            view.set_opacity(before.opacity)
            if before.size != 1.0:
                view.set_size(before.size)
        if before.shown is not None:
            view.show(before.shown)
            self.shown_changed.emit()

    def close_current(self) -> None:
        """Take the current section off the canvas; the one before it comes back.

        Its files close aside, when nothing that was asked of them is under way: libraries crash
        over less. Opened again meanwhile, it shares its store (`Section.keep_with`, `leaving`).
        """
        view = self.current
        if view is None:
            return
        self.closing.emit(view)
        reading = slices_under_way(self.viewer)
        view.remove_layers()
        self.views.remove(view)
        self.leaving.append(view.section)
        self.background.when_quiet(partial(self._end, view.section), reading)
        self._become(self.views[-1] if self.views else None)
        if self.current is not None:
            self.current.come_back()
        self.section_changed.emit()

    def _end(self, section: Section) -> None:
        """In a thread."""
        section.close()
        self.leaving.remove(section)

    def close(self) -> None:
        """Close every section's files; the viewer itself is going away.

        Not under the hands of a thread that still reads them: libraries crash over that. Files
        that are read for longer stay open until the program ends.
        """
        if self._recovery is not None:
            self._recovery.stop()
        for view in self.views:
            self.closing.emit(view)
        quiet = self.background.close(PATIENCE) and end_slicing(self.viewer, PATIENCE)
        if not quiet:
            log.warning("something is still being read; its files are left open")
        for view in self.views if quiet else ():
            view.section.close()
        self.views.clear()
        self.current = None

    # over the canvas

    def draw_overview(self) -> None:
        """Draw the map of the current section anew."""
        if self.overview is not None:
            self.overview.show_ground(ground_of(self.current) if self.current else None)
            self.overview.look_at(*visible_box(self.viewer))

    def _camera_moved(self) -> None:
        self.place_swipe()
        if self.overview is not None:
            self.overview.look_at(*visible_box(self.viewer))

    def place_swipe(self) -> None:
        """Put the line where the divider lies in the world."""
        if self._line is None:
            return
        view = self.current
        if view is None or view.beside is None:
            self._line.hide()
            return
        self._line.place(canvas_x(self.viewer, view.divider))
        self._line.show()
        self._line.raise_()

    def _dragged(self, x: float) -> None:
        self.wishes.divider_moved(world_x(self.viewer, x))
        self.place_swipe()

    def _resized(self) -> None:
        if self.legend is not None:
            self.legend.place()
        if self.overview is not None:
            self.overview.place()
        self._camera_moved()

    def _menu(self, category: int, at: QPoint) -> None:
        view = self.current
        if self.legend is not None and view is not None and view.shown is not None:
            ask(self.legend, view.shown, category, self.wishes, at)

    def _theme_changed(self) -> None:
        from napari.utils.theme import get_theme

        light = get_theme(self.viewer.theme).type == "light"
        for over in (self.legend, self.overview):
            if over is not None:
                over.show_theme(light)


_STATES: WeakKeyDictionary[Viewer, ViewerState] = WeakKeyDictionary()


def state_of(viewer: Viewer) -> ViewerState:
    """The state of a viewer, made at the first question."""
    viewer = unwrapped(viewer)
    if viewer not in _STATES:
        _STATES[viewer] = ViewerState(viewer)
    return _STATES[viewer]
