"""One section on one canvas: its slide, its observations, and what they are coloured by."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.results import Graph, Tiles, View
from napari_stml.viewer.camera import show_everything
from napari_stml.viewer.element_layer import points_layer, shapes_layer
from napari_stml.viewer.frame import Frame
from napari_stml.viewer.graph_layer import graph_layer
from napari_stml.viewer.highlight import Highlight, fitting
from napari_stml.viewer.levels import Watch, levels
from napari_stml.viewer.make_spots import make_spots
from napari_stml.viewer.paint import split
from napari_stml.viewer.part_layers import part_layer, refreshed, tiles_shown
from napari_stml.viewer.prepare import prepared_of
from napari_stml.viewer.seen_layer import seen_layer
from napari_stml.viewer.shown import Shown, of_codes, shown_of
from napari_stml.viewer.siblings import Siblings
from napari_stml.viewer.slide_layer import mask_layer, slide_layers
from napari_stml.viewer.spots import all_plain
from napari_stml.viewer.styling import Styling

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from napari.layers import Image, Layer
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_stml.core.results import Part
    from napari_stml.io.contents import Element
    from napari_stml.io.section import Section
    from napari_stml.io.slides.base import Pixels
    from napari_stml.viewer.legend import Legend
    from napari_stml.viewer.spots import Spots

Camera = tuple[tuple[float, ...], float]


class SectionView:
    """The layers of one section. The section is the truth, the layers are its picture.

    Layers that the user deletes are painted anew when they are asked for again; renamed ones
    are followed. Runs on the main thread only; what it needs from files was read by `prepare`.
    """

    def __init__(
        self, viewer: Viewer, section: Section, legend: Legend | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.viewer = viewer
        self.section = section
        self.frame = Frame(section.um_per_px)
        self.ready = prepared_of(section)
        self.styling = Styling(section, say)
        self.shown: Shown | None = None
        self._siblings = Siblings(section)
        self.beside: Shown | None = None
        self.divider = 0.0
        self.size, self.opacity = 1.0, 0.85
        self.watches: dict[str, Watch] = {}
        self._legend, self._say = legend, say
        self._slides: dict[str, list[Image]] = {}
        self._others: list[Layer] = []
        self._spots: Spots | None = None
        self._ring: Highlight | None = None
        self._chosen: NDArray[np.bool_] | None = None
        self._camera: Camera | None = None
        self._seen: list[Layer] = []

    # layers

    def open(self) -> None:
        """Add the slide and the observations, and look at them."""
        for name, placed in self.section.images.items():
            if placed.role == "mask":
                continue
            self._slides[name] = [self.viewer.add_layer(new) for new in self._drawn_slide(name)]
            if placed.role == "brightfield":
                break
        if self.section.observations is not None:
            self.spots()
        self.viewer.canvas.overlays.scale_bar.visible = self.frame.um_per_px is not None
        show_everything(self.viewer)

    def _drawn_slide(self, name: str) -> list[Image]:
        self.watches.setdefault(name, Watch())
        if name in self.ready.failed:
            self.watches[name].failed(self.ready.failed[name])
        return slide_layers(
            f"{self.section.name} / {name}", self.section.images[name], self.frame,
            self.ready.coarse.get(name), self.ready.channel_limits.get(name, ()),
            self.watches[name],
        )  # fmt: skip

    def spots(self) -> Layer:
        """The observations' layer, made anew when the user has deleted it."""
        return self.painter().layer

    def painter(self) -> Spots:
        """What draws the observations, its layer standing in the viewer."""
        if self._spots is None or self._spots.layer not in self.viewer.layers:
            mask = self.section.observations.mask if self.section.observations else None
            watch = self.watches.setdefault(mask, Watch()) if mask is not None else None
            self._spots = make_spots(self.section, self.frame, self.ready, watch)
            self._spots.set_opacity(self.opacity)
            if self.size != 1.0:
                self._spots.set_size(self.size)
            if self.shown is not None:
                self._spots.apply(self.shown.paint())
            self.viewer.add_layer(self._spots.layer)
        return self._spots

    @property
    def slides_shown(self) -> tuple[str, ...]:
        """Names of the images that are painted, from below."""
        return tuple(self._slides)

    @property
    def slide_layers(self) -> list[Image]:
        return [x for layers in self._slides.values() for x in layers if x in self.viewer.layers]

    @property
    def layers(self) -> list[Layer]:
        """Those of our layers that still stand in the viewer."""
        mine: list[Layer] = [*(x for some in self._slides.values() for x in some), *self._others]
        mine += [part.layer for part in (self._spots, self._ring) if part is not None]
        return [layer for layer in mine if layer in self.viewer.layers]

    def show_element(self, element: Element, data: Any) -> Layer:
        """Add a further element; ``data`` is what was read of it off the main thread."""
        draw = points_layer if element.kind == "points" else shapes_layer
        return self._add(draw(element, data, self.frame), element.name)

    def show_part(self, run: str, part: Part) -> Layer:
        """Add a Run's heat map, mask, tiles or regions, or replace what stands for it."""
        name = f"{self.section.name} / {run} / {part.name}"
        if isinstance(part, Tiles) and self._legend is not None:
            shown = tiles_shown(part)
            if shown is not None:
                self._legend.explain(shown, click=False)
        for layer in [layer for layer in self._others if layer.name == name]:
            if layer in self.viewer.layers and refreshed(layer, part, self.frame):
                layer.visible = True
                return layer
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
            self._others.remove(layer)
        return self._add(self._layer_of(part, name), f"{run} / {part.name}")

    def _layer_of(self, part: Part, name: str) -> Layer:
        if isinstance(part, View):
            return self._seen_through(part, name)
        return self._links(part, name) if isinstance(part, Graph) else part_layer(
            part, name, self.frame
        )  # fmt: skip

    def _links(self, part: Graph, name: str) -> Layer:
        """Lines between observations; where spots are selected, only theirs."""
        observed = self.section.observations
        assert observed is not None
        return graph_layer(part, name, self.frame, observed.xy, self._chosen)

    def _seen_through(self, part: View, name: str) -> Layer:
        image = part.image or next(iter(self.section.images))
        watch = self.watches.setdefault(image, Watch())
        return seen_layer(
            part, self.section.images[image], name, self.frame, self.ready.coarse.get(image), watch
        )

    def part_of(self, run: str, name: str) -> Layer | None:
        """The layer of a Run's part, while it stands in the viewer."""
        wanted = f"{self.section.name} / {run} / {name}"
        found = [x for x in self._others if x.name == wanted and x in self.viewer.layers]
        return found[0] if found else None

    def hide_part(self, run: str, name: str) -> None:
        """Take the layer of a Run's part off the canvas."""
        layer = self.part_of(run, name)
        if layer is not None:
            self.viewer.layers.remove(layer)
            self._others.remove(layer)
            self._tell_legend()

    def forget_run(self, run: str, names: Collection[str]) -> None:
        """Show nothing of a Run that is gone: no layer of it, none of these values."""
        start = f"{self.section.name} / {run} / "
        for layer in [layer for layer in self._others if layer.name.startswith(start)]:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
            self._others.remove(layer)
        if self.beside is not None and self.beside.name in names:
            self.swipe(None)
        if self.shown is not None and self.shown.name in names:
            self.shown = self.beside = None
            if self.section.observations is not None:
                self.painter().apply(all_plain(self.section.observations))
        self._tell_legend()

    def show_mask(self, name: str, coarse: Pixels | None) -> Layer:
        """Add a label mask of the section; ``coarse`` was read off the main thread."""
        watch = self.watches.setdefault(name, Watch())
        return self._add(
            mask_layer(name, self.section.images[name], self.frame, coarse, watch), name
        )

    def _add(self, layer: Layer, name: str) -> Layer:
        layer.name = f"{self.section.name} / {name}"
        self._others.append(self.viewer.add_layer(layer))
        return layer

    def read_again(self, name: str, coarse: Pixels | None) -> None:
        """Show a slide whose pieces could not be read once more."""
        if coarse is not None:
            self.ready = replace(self.ready, coarse={**self.ready.coarse, name: coarse})
        for i, layer in enumerate(self._slides.get(name, [])):
            if layer not in self.viewer.layers:
                continue
            plane = coarse if coarse is None or layer.rgb else coarse[:, :, i]
            channel = None if layer.rgb else i
            slide = self.section.images[name].slide
            layer.data = levels(slide, channel, plane, self.watches[name])
        if self.section.observations is not None and self.section.observations.mask == name:
            self.painter().apply(self.painter().paint)

    # colours

    def colour_by(
        self, name: str, *, table: str | None = None, colour_map: str = "viridis",
        colour_limits: tuple[float, float] | None = None,
    ) -> Shown:  # fmt: skip
        """Colour by a column or a gene, read here and now (for scripts; the dock reads aside)."""
        values = self.section.values(name, table=table)
        return self.colour_by_values(name, values, colour_map, colour_limits)

    def colour_by_values(
        self, name: str, values: Any, colour_map: str = "viridis",
        colour_limits: tuple[float, float] | None = None,
    ) -> Shown:  # fmt: skip
        """Colour by a series in the order of the observations, stored or not (a live update)."""
        shown = shown_of(
            name, values, style=self.styling.of(name),
            colour_map=colour_map, colour_limits=colour_limits,
        )  # fmt: skip
        return self.show(shown)

    def colour_by_codes(
        self, name: str, codes: NDArray[Any], categories: Sequence[str],
        colours: Sequence[str] = (),
    ) -> Shown:  # fmt: skip
        """Colour by category codes (a live update); ``colours`` are #rrggbb or the palette's."""
        style = self.styling.of(name)
        if colours:
            chosen = {**dict(zip(categories, colours, strict=True)), **style.colours}
            style = replace(style, colours=chosen)
        return self.show(of_codes(name, codes, categories, style))

    def show(self, shown: Shown) -> Shown:
        """Paint what is given and say so in the legend.

        Numbers of one unit on both sides of a swipe have one scale, whichever is changed.
        """
        before, beside = self.shown, self.beside
        if beside is not None and shown.comparable(beside):
            if before is None or before.name != shown.name:
                shown = shown.joined(beside.alone_again())
            self.beside = replace(beside, scale=shown.scale)
        self.shown = shown
        painter = self.painter()
        if self.beside is not None and self.section.observations is not None:
            world_x = self.frame.world_yx(self.section.observations.xy)[:, 1]
            painter.apply(split(shown.paint(), self.beside.paint(), world_x >= self.divider))
        else:
            painter.apply(shown.paint())
        self._tell_legend()
        return shown

    def swipe(self, beside: Shown | None, divider: float = 0.0) -> None:
        """Show another value right of a vertical line (world x); None: the first one alone."""
        ended, new = self.beside, beside is not self.beside
        self.beside, self.divider = beside, divider
        if self.shown is None:
            return
        shown = self.shown
        if new and ended is not None and shown.comparable(ended):
            shown = shown.alone_again()
        if new and beside is not None:
            shown = shown.joined(beside.alone_again())
        self.show(shown)

    def _tell_legend(self) -> None:
        if self._legend is None:
            return
        if self.shown is None or self.section.observations is None:
            self._legend.clear()
            return
        self._legend.explain(self.shown, self.beside)

    def set_size(self, factor: float) -> None:
        self.size = factor
        self.painter().set_size(factor)

    def set_opacity(self, value: float) -> None:
        self.opacity = value
        self.painter().set_opacity(value)

    # observations on the canvas

    def observation_at(self, world_yx: Sequence[float]) -> int:
        """The observation drawn at a place, -1 for none; in any thread."""
        if self.ready.tree is None:
            return -1
        xy = self.frame.reference_xy(np.asarray(world_yx[-2:], dtype=np.float64))
        reach = self.ready.radius * max(self.size, 1.0)
        away, i = self.ready.tree.query(xy, distance_upper_bound=max(reach, 1e-6) * 1.05)
        return int(i) if np.isfinite(away) else -1

    def describe(self, i: int) -> str:
        """Name, shown value, and what else its Run says of an observation."""
        observed = self.section.observations
        if observed is None or not 0 <= i < len(observed):
            return ""
        words = str(observed.names[i])
        for shown in (self.shown, self.beside):
            if shown is not None:
                words += f"   {shown.name}: {shown.text(i)}"
        beside = self._siblings.words(self.shown.name, i) if self.shown is not None else ""
        return f"{words}   {beside}" if beside else words

    def ring(self, chosen: NDArray[np.bool_] | None) -> None:
        """Draw a ring around the chosen observations; None takes it away."""
        self._chosen = chosen
        observed = self.section.observations
        standing = self._ring is not None and self._ring.layer in self.viewer.layers
        if chosen is None or observed is None or not chosen.any():
            if standing and self._ring is not None:
                self._ring.layer.visible = False
            return
        if not standing or self._ring is None:
            name = f"{self.section.name} / selected"
            diameter = 2 * self.ready.radius * self.size
            self._ring = fitting(name, observed.xy, diameter, self.frame, self.ready.own)
            active = self.viewer.layers.selection.active
            self.viewer.add_layer(self._ring.layer)
            self.viewer.layers.selection.active = active
        self._ring.show(chosen)
        self._ring.layer.visible = True

    def world_box(self, chosen: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Lowest and highest world (y, x) of the chosen observations."""
        observed = self.section.observations
        if observed is None or not chosen.any():
            return None
        yx = self.frame.world_yx(observed.xy[chosen])
        edge = self.ready.radius * (self.frame.um_per_px.mean if self.frame.um_per_px else 1.0)
        return yx.min(axis=0) - edge, yx.max(axis=0) + edge

    # coming and going

    def leave(self) -> None:
        """Hide our layers; camera and what was visible come back with `come_back`."""
        camera = self.viewer.scene.camera
        self._camera = (tuple(camera.center), float(camera.zoom))
        self._seen = [layer for layer in self.layers if layer.visible]
        for layer in self.layers:
            layer.visible = False

    def come_back(self) -> None:
        for layer in self._seen:
            if layer in self.viewer.layers:
                layer.visible = True
        if self._camera is not None:
            self.viewer.scene.camera.center, self.viewer.scene.camera.zoom = self._camera
        self.viewer.canvas.overlays.scale_bar.visible = self.frame.um_per_px is not None
        self._tell_legend()

    def take(self, section: Section) -> None:
        """The same slides, observations elsewhere: slides stay, the rest of ours goes."""
        slides, there = self.slide_layers, self.viewer.layers
        for layer in [layer for layer in self.layers if layer not in slides]:
            there.remove(layer)
        self.section, self.ready, self._siblings = section, prepared_of(section), Siblings(section)
        self._others, self._spots, self._ring = [], None, None
        if section.observations is not None:  # below what is drawn
            there.move(there.index(self.spots()), 1 + max(map(there.index, slides), default=-1))
        if self.shown is not None:
            self.show(self.shown)
        self.ring(self._chosen)

    def remove_layers(self) -> None:
        """Take our layers off the canvas; the user's own stay."""
        for layer in self.layers:
            self.viewer.layers.remove(layer)
        if self._legend is not None:
            self._legend.clear()
