"""One section on one canvas: its slide, its spots, and what they are coloured by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.viewer.colours import ColourScale, limits, palette
from napari_stml.viewer.element_layer import points_layer, shapes_layer
from napari_stml.viewer.frame import Frame
from napari_stml.viewer.slide_layer import slide_layers
from napari_stml.viewer.spots_layer import paint, paint_codes, spots_layer

if TYPE_CHECKING:
    from napari.layers import Image, Layer, Points
    from napari.viewer import Viewer

    from napari_stml.io.contents import Element
    from napari_stml.io.section import Section
    from napari_stml.viewer.legend import Legend


@dataclass(frozen=True)
class Shown:
    """What the spots are coloured by, and how."""

    name: str
    categories: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    scale: ColourScale | None = None
    missing: int = 0


class SectionView:
    """The layers of one section. The section is the truth, the layers are its picture.

    Layers that the user deletes are painted anew when they are asked for again; renamed ones
    are followed. Runs on the main thread only.
    """

    def __init__(self, viewer: Viewer, section: Section, legend: Legend | None = None) -> None:
        self.viewer = viewer
        self.section = section
        self.frame = Frame(section.um_per_px)
        self.shown: Shown | None = None
        self._legend = legend
        self._slides: list[Image] = []
        self._others: list[Layer] = []
        self._spots: Points | None = None

    def open(self) -> None:
        """Add the slide and the spots, and look at them."""
        for name, placed in self.section.images.items():
            if placed.role == "mask":
                continue
            for layer in slide_layers(f"{self.section.name} / {name}", placed, self.frame):
                self._slides.append(self.viewer.add_layer(layer))
            if len(self._slides) and placed.role == "brightfield":
                break
        if self.section.observations is not None:
            self.spots()
        self.viewer.canvas.overlays.scale_bar.visible = self.frame.um_per_px is not None
        self.viewer.reset_view()

    def spots(self) -> Points:
        """The observations' layer, made anew when the user has deleted it."""
        observations = self.section.observations
        if observations is None:
            raise LookupError("this section has no observations")
        if self._spots is None or self._spots not in self.viewer.layers:
            name = f"{self.section.name} / {observations.kind}"
            self._spots = self.viewer.add_layer(spots_layer(name, observations, self.frame))
        return self._spots

    @property
    def layers(self) -> list[Layer]:
        """Those of our layers that still stand in the viewer."""
        mine: list[Layer] = [*self._slides, *self._others]
        if self._spots is not None:
            mine.append(self._spots)
        return [layer for layer in mine if layer in self.viewer.layers]

    def colour_by(
        self,
        name: str,
        *,
        table: str | None = None,
        colour_map: str = "viridis",
        colour_limits: tuple[float, float] | None = None,
    ) -> Shown:
        """Colour the spots by a column or a gene and say so in the legend."""
        values = self.section.values(name, table=table)
        return self.colour_by_values(name, values, colour_map, colour_limits)

    def colour_by_values(
        self,
        name: str,
        values: Any,
        colour_map: str = "viridis",
        colour_limits: tuple[float, float] | None = None,
    ) -> Shown:
        """Colour by a series in the order of the observations, stored or not (a live update)."""
        layer = self.spots()
        if isinstance(getattr(values, "dtype", None), _categorical()):
            shown = self._by_category(layer, name, values)
        else:
            shown = self._by_number(
                layer, name, np.asarray(values, dtype=np.float32), colour_map, colour_limits
            )
        layer.visible = True
        self.shown = shown
        return shown

    def _by_category(self, layer: Points, name: str, values: Any) -> Shown:
        codes = np.asarray(values.cat.codes, dtype=np.intp)
        categories = tuple(str(c) for c in values.cat.categories)
        colours = palette(categories)
        paint_codes(layer, codes, colours)
        counts = np.bincount(codes[codes >= 0], minlength=len(categories))
        missing = int((codes < 0).sum())
        if self._legend is not None:
            self._legend.show_categories(name, categories, colours, counts.tolist(), missing)
        return Shown(name, categories, tuple(int(c) for c in counts), None, missing)

    def _by_number(
        self,
        layer: Points,
        name: str,
        values: Any,
        colour_map: str,
        colour_limits: tuple[float, float] | None,
    ) -> Shown:
        scale = ColourScale(colour_map, *(colour_limits or limits(values)))
        paint(layer, scale(values))
        missing = int((~np.isfinite(values)).sum())
        if self._legend is not None:
            self._legend.show_scale(name, scale, missing)
        return Shown(name, (), (), scale, missing)

    def show_element(self, element: Element, data: Any) -> Layer:
        """Add a further element; ``data`` is what was read of it off the main thread."""
        draw = points_layer if element.kind == "points" else shapes_layer
        layer = self.viewer.add_layer(draw(element, data, self.frame))
        layer.name = f"{self.section.name} / {element.name}"
        self._others.append(layer)
        return layer

    def remove_layers(self) -> None:
        """Take our layers off the canvas; the user's own stay."""
        for layer in self.layers:
            self.viewer.layers.remove(layer)
        if self._legend is not None:
            self._legend.clear()

    def close(self) -> None:
        """Take the layers away and close the files."""
        self.remove_layers()
        self.section.close()


def _categorical() -> type:
    import pandas as pd

    return pd.CategoricalDtype
