"""The tool in the user's hand: mouse and keys of the canvas go to it, outlines to the desk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import shapely

from napari_stml.regions import shaping
from napari_stml.regions.region import Drawn
from napari_stml.viewer.regions import tools
from napari_stml.viewer.regions.cutting import cut
from napari_stml.viewer.regions.grip import Grip
from napari_stml.viewer.regions.tools import Mouse

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from shapely.geometry.base import BaseGeometry

    from napari_stml.viewer.regions.desk import RegionDesk
    from napari_stml.viewer.regions.sketch import Sketch
    from napari_stml.viewer.regions.tools import Kind

ToolName = Literal[
    "", "select", "polygon", "rectangle", "ellipse", "brush", "line", "points", "cut", "ruler"
]
LETTERS: dict[str, ToolName] = {
    "V": "select", "P": "polygon", "R": "rectangle", "O": "ellipse", "B": "brush", "L": "line",
    ".": "points", "C": "cut", "M": "ruler",
}  # fmt: skip
"""QuPath's letters where it has one."""

OF_NAPARI = "AEFHIJKSTXYZ"
"""Letters by which napari's Shapes layer would change its own mode."""


class Hand:
    """Puts the sketch layer's mouse and keys at the service of one tool at a time."""

    def __init__(self, desk: RegionDesk) -> None:
        self._desk = desk
        self.tool: ToolName = ""
        self.brush_px = 20.0
        self._at_work: Generator[BaseGeometry | None, Mouse, BaseGeometry | None] | None = None
        self._sketched: BaseGeometry | None = None
        self._last: Mouse | None = None
        self._modifiers: tuple[str, ...] = ()
        self._grip = Grip(desk)
        self._bound: set[int] = set()
        viewer = desk.state.viewer
        viewer.layers.selection.events.active.connect(self._layer_chosen)
        for letter, name in LETTERS.items():
            viewer.bind_key(letter, self._taking(name), overwrite=True)
        viewer.bind_key("Control-Z", lambda _: desk.undo_requested(), overwrite=True)
        viewer.bind_key("Control-Shift-Z", lambda _: desk.redo_requested(), overwrite=True)

    @property
    def at_work(self) -> bool:
        """A stroke has begun and not ended."""
        return self._at_work is not None

    def take(self, tool: ToolName) -> None:
        """Take a tool; "" lets the mouse pan again."""
        self._drop_stroke()
        sketch = self._desk.sketch
        if sketch is None:
            tool = ""
        self.tool = ""
        if sketch is not None and tool:
            sketch.add()
            sketch.raise_()
            self._bind(sketch)
            sketch.take_mouse(True)
            self.tool = tool
            self._desk.handles = tool == "select"
            self._desk.show_chosen()
        elif sketch is not None and sketch.stands:
            sketch.take_mouse(False)
        self._desk.tool_changed.emit(tool)

    def cancel(self) -> None:
        """Drop the stroke that has begun; without one, put the tool away."""
        if self._at_work is not None:
            self._drop_stroke()
            self._desk.show_chosen()
        elif self._desk.chosen:
            self._desk.choose(())
        else:
            self.take("")

    def _layer_chosen(self) -> None:
        """The user turned to another layer: its own mouse is back."""
        sketch = self._desk.sketch
        active = self._desk.state.viewer.layers.selection.active
        if self._desk.painting:
            return
        if self.tool and sketch is not None and active is not sketch.layer:
            self._drop_stroke()
            self.tool = ""
            self._desk.tool_changed.emit("")

    def _taking(self, tool: ToolName) -> Callable[[Any], None]:
        def pressed(_: Any) -> None:
            self.take(tool)

        return pressed

    def _bind(self, sketch: Sketch) -> None:
        layer: Any = sketch.layer
        if id(layer) in self._bound:
            return
        self._bound.add(id(layer))
        sketch.serve(self._dragged, self._hovered, self._double)
        for letter, name in LETTERS.items():
            layer.bind_key(letter, self._taking(name), overwrite=True)
        for letter in OF_NAPARI:
            layer.bind_key(letter, _of_viewer(self._desk.state.viewer, letter), overwrite=True)
        for digit in "123456789":
            layer.bind_key(digit, lambda _, d=digit: self._desk.key_pressed(d), overwrite=True)
        keys: dict[str, Callable[[], None]] = {
            "0": lambda: self._desk.class_requested(""),
            "Escape": self.cancel, "Enter": partial(self._key, "enter"),
            "Delete": self._delete, "Backspace": self._back,
            "Control-Z": self._desk.undo_requested, "Control-Shift-Z": self._desk.redo_requested,
        }  # fmt: skip
        for key, act in keys.items():
            layer.bind_key(key, _without_layer(act), overwrite=True)
        layer.bind_key("Space", self._pan_while_held, overwrite=True)

    def _pan_while_held(self, layer: Any) -> Iterator[None]:
        layer.mouse_pan = True
        yield
        layer.mouse_pan = self.tool == ""

    # keys

    def _delete(self) -> None:
        if self._at_work is None and not self._grip.delete_corner():
            self._desk.delete_requested()

    def _back(self) -> None:
        if self._at_work is not None:
            self._key("back")
        else:
            self._delete()

    def _key(self, kind: Kind) -> None:
        if self._at_work is not None and self._last is not None:
            self._send(Mouse(kind, self._last.xy, self._last.px))

    # mouse

    def _mouse(self, kind: Kind, event: Any) -> Mouse:
        view, sketch = self._desk.view, self._desk.sketch
        assert view is not None
        assert sketch is not None
        xy = view.frame.reference_xy(np.asarray(event.position[-2:], dtype=np.float64))
        names = {getattr(m, "name", str(m)) for m in event.modifiers}
        self._modifiers = tuple(names)
        self._last = Mouse(kind, xy, sketch.screen(1.0), "Shift" in names)
        return self._last

    def _dragged(self, layer: Any, event: Any) -> Iterator[None]:
        if not self.tool or event.button != 1 or layer.mouse_pan or self._desk.view is None:
            return
        mouse = self._mouse("press", event)
        if self.tool == "select":
            self._grip.press(mouse, self._modifiers)
        elif self.tool == "points":
            self._add_point(mouse)
            return
        elif self._at_work is None:
            self._begin(mouse)
        else:
            self._send(mouse)
        yield
        moved = False
        while event.type == "mouse_move":
            moved, mouse = True, self._mouse("move", event)
            if self.tool == "select":
                self._grip.move(mouse)
            else:
                self._send(mouse)
            yield
        mouse = self._mouse("release", event)
        if self.tool == "select":
            if moved:  # of a quick drag napari skips the last move
                self._grip.move(mouse)
            self._grip.release(mouse)
        else:
            self._send(mouse)

    def _hovered(self, layer: Any, event: Any) -> None:
        if self._at_work is not None:
            self._send(self._mouse("hover", event))
        elif self.tool == "brush" and self._desk.sketch is not None and self._desk.view is not None:
            mouse = self._mouse("hover", event)
            dab = shaping.dabbed(mouse.xy[None], self.brush_px * mouse.px)
            self._desk.sketch.show(dab, self._colour())

    def _double(self, layer: Any, event: Any) -> None:
        if self._desk.view is None or not self.tool:
            return
        mouse = self._mouse("double", event)
        if self._at_work is not None:
            self._send(mouse)
        elif self.tool == "select":
            self._grip.add_corner(mouse)

    # strokes

    def _begin(self, mouse: Mouse) -> None:
        tool = tools.TOOLS[self.tool]
        made = tools.brush(mouse, self.brush_px) if self.tool == "brush" else tool(mouse)
        self._at_work = made
        if self._desk.sketch is not None:
            self._desk.sketch.hide_corners()
        self._sketch(next(made))

    def _send(self, mouse: Mouse) -> None:
        if self._at_work is None:
            return
        try:
            self._sketch(self._at_work.send(mouse))
        except StopIteration as end:
            self._at_work = None
            self._finish(end.value)

    def _sketch(self, outline: BaseGeometry | None) -> None:
        sketch = self._desk.sketch
        if sketch is None or outline is None:
            return
        sketch.show(outline, self._colour(), fill=0.15)
        self._desk.tell_size(outline)

    def _finish(self, outline: BaseGeometry | None) -> None:
        if outline is None:
            self._desk.show_chosen()
        elif self.tool == "ruler":
            self._desk.tell_size(outline)
        elif self.tool == "cut":
            cut(self._desk, outline)
        else:
            form = cast("Any", self.tool if self.tool in {"rectangle", "ellipse", "line"}
                        else "polygon")  # fmt: skip
            self._desk.finish(outline, form, self._modifiers)

    def _drop_stroke(self) -> None:
        if self._at_work is not None:
            self._at_work.close()
            self._at_work = None

    def _colour(self) -> str:
        drawing = self._desk.drawing
        return drawing.classes.colour_of(self._desk.pen) if drawing is not None else "#ffe600"

    def _add_point(self, mouse: Mouse) -> None:
        """One more point of the selected set, or the first of a new one."""
        desk = self._desk
        one = desk.chosen_regions[0] if len(desk.chosen_regions) == 1 else None
        if one is not None and one.form == "points" and one.kind == desk.pen:
            places = np.vstack([shapely.get_coordinates(one.outline), mouse.xy])
            more = one.with_(outline=shapely.MultiPoint(places))
            desk.do(lambda d: d.put("add a point", [more]))
            return
        region = Drawn.new(shapely.MultiPoint([mouse.xy]), kind=desk.pen, form="points")
        if desk.do(lambda d: d.add(region)):
            desk.choose([region.id])


def _of_viewer(viewer: Any, letter: str) -> Callable[[Any], None]:
    """What the viewer does with a letter (observations on or off ...), for our layer too."""
    known = next((a for k, a in viewer.keymap.items() if str(k) == letter), None)

    def pressed(_: Any) -> None:
        if known is not None:
            known(viewer)

    return pressed


def _without_layer(act: Callable[[], None]) -> Callable[[Any], None]:
    return lambda _: act()
