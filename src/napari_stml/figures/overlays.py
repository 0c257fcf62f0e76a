"""Values of a Run that are no observations: heat maps, masks, tiles, outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.colours import MISSING, ColourScale, palette
from napari_stml.core.geometry import Box
from napari_stml.core.results import Heatmap, Mask, Regions, Tiles, View
from napari_stml.core.slide_views import formula
from napari_stml.figures.placing import lay
from napari_stml.figures.values import Shown, numeric

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_stml.core.results import Part

OVERLAYS = (Heatmap, Mask, Tiles, Regions, View)
BAND_ROWS = 256


def shown_overlay(name: str, part: Part, colour_map: str = "") -> Shown:
    """The colours of an overlay, for its legend too."""
    if isinstance(part, Heatmap):
        title = f"{part.name} ({part.unit})" if part.unit else part.name
        shown = numeric(name, title, part.pixels.ravel(), colour_map, part.scale)
        return shown.with_limits(*part.limits) if part.limits is not None else shown
    if isinstance(part, Mask):
        ids = sorted(int(i) for i in np.unique(part.pixels) if i)
        names = [part.classes.get(i, str(i)) for i in ids]
        codes = np.searchsorted(ids, part.pixels.ravel()) if ids else np.zeros(part.pixels.size)
        return _classes(name, np.where(part.pixels.ravel() == 0, -1, codes), names)
    if isinstance(part, Regions):
        names = list(dict.fromkeys(part.classes))
        return _classes(name, np.array([names.index(c) for c in part.classes]), names)
    if isinstance(part, View):
        return _shown_view(name, part, colour_map)
    assert isinstance(part, Tiles)
    column, values = next(iter(part.values.items()), ("tiles", np.zeros(len(part.xy), object)))
    if part.colour_by in part.values:
        column, values = part.colour_by, part.values[part.colour_by]
    found = np.asarray(values)
    if found.dtype.kind in "fiu":
        return numeric(name, column, found.astype(np.float64), colour_map)
    names = sorted({str(v) for v in found})
    return _classes(name, np.array([names.index(str(v)) for v in found]), names)


def _shown_view(name: str, part: View, colour_map: str) -> Shown:
    """A stain's colour bar; a picture in other colours needs none."""
    seen = formula(part)
    if seen.rgb:
        return Shown(name, part.name, codes=np.zeros(0, np.intp), colours=MISSING[None])
    low, high = seen.limits
    beyond = np.array([low, np.nextafter(high, np.inf)])  # there may be more: the bar says so
    return Shown(name, part.name, beyond, ColourScale(colour_map or seen.colour, low, high))


def through(part: View, shown: Shown) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What turns printed pixels (h, w, 3) into those of a view."""
    seen = formula(part)

    def recolour(pixels: NDArray[Any]) -> NDArray[Any]:
        out = np.empty_like(pixels)
        for top in range(0, len(pixels), BAND_ROWS):
            rows = slice(top, top + BAND_ROWS)
            found = seen.seen(pixels[rows])
            if shown.scale is not None:
                found = (shown.scale(found)[..., :3] * 255).round()
            out[rows] = found
        return out

    return recolour


def draw_overlay(axes: Axes, part: Part, shown: Shown, opacity: float) -> str:
    """Draw it in the colours of `shown_overlay`."""
    if isinstance(part, Heatmap | Mask):
        height, width = part.pixels.shape
        colours = shown.rgba.reshape(height, width, 4).copy()
        colours[:, :, 3] = np.where(shown.missing.reshape(height, width), 0, opacity)
        lay(axes, (colours * 255).astype(np.uint8), Box(0, 0, width, height), part.affine)
        return "pixels"
    if isinstance(part, Tiles):
        _squares(axes, part, shown, opacity)
        return "squares, vector"
    assert isinstance(part, Regions)
    import shapely

    outline(axes, [shapely.from_wkb(o) for o in part.outlines], shown.rgba)
    return "outlines, vector"


def outline(axes: Axes, shapes: list[Any], colours: Any = None) -> None:
    """Outlines with a white edge, so that they are seen on any stain."""
    from matplotlib.collections import LineCollection
    from shapely import get_parts

    lines, tints = [], []
    for i, shape in enumerate(shapes):
        for piece in get_parts(shape.boundary):
            lines.append(np.asarray(piece.coords)[:, :2])
            tints.append("#1a1a1a" if colours is None else colours[i])
    for width, ink in ((2.2, "#ffffff"), (1.0, tints)):
        drawn = LineCollection(lines, colors=ink, linewidths=width)
        axes.add_collection(drawn, autolim=False)


def _squares(axes: Axes, part: Tiles, shown: Shown, opacity: float) -> None:
    from matplotlib.collections import PolyCollection

    s = part.side
    corners = part.xy[:, None, :] + np.array([[0, 0], [s, 0], [s, s], [0, s]])[None]
    colours = shown.rgba.copy()
    colours[:, 3] *= opacity
    squares = PolyCollection(corners, facecolors=colours, linewidths=0)
    squares.set_rasterized(len(corners) > 20_000)
    axes.add_collection(squares, autolim=False)


def _classes(name: str, codes: Any, names: list[str]) -> Shown:
    colours = palette(names) if names else MISSING[None]
    title = name.rpartition("/")[2]
    return Shown(name, title, codes=codes.astype(np.intp), names=tuple(names), colours=colours)
