"""Parts of a Run that are layers of their own: heat maps, masks, tiles, regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.pyramid import levels
from napari_stml.core.results import Heatmap, Mask, Regions, Tiles
from napari_stml.viewer.colours import limits, palette
from napari_stml.viewer.shown import of_codes, shown_of

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_stml.core.results import Part
    from napari_stml.viewer.frame import Frame
    from napari_stml.viewer.shown import Shown

LAYERS = (Heatmap, Mask, Tiles, Regions)
MOST_OUTLINED = 5_000
"""More tiles are drawn as points: outlines would take the canvas minutes."""


def part_layer(part: Part, name: str, frame: Frame) -> Layer:
    """The layer of one part; raises `TypeError` for parts that colour the observations."""
    if isinstance(part, Heatmap):
        return _heatmap(part, name, frame)
    if isinstance(part, Mask):
        return _mask(part, name, frame)
    if isinstance(part, Tiles):
        return _tiles(part, name, frame)
    if isinstance(part, Regions):
        return _regions(part, name, frame)
    raise TypeError(f"{type(part).__name__} has no layer of its own")


def _heatmap(part: Heatmap, name: str, frame: Frame) -> Layer:
    """Missing pixels are transparent; differences are shown about zero."""
    from napari.layers import Image

    low, high = part.limits or limits(part.pixels)
    diverging = part.scale == "diverging"
    if diverging and part.limits is None:
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
    data = _levels(part)
    layer = Image(
        data if len(data) > 1 else data[0], multiscale=len(data) > 1, name=name, rgb=False,
        colormap="RdBu_r" if diverging else "magma", contrast_limits=(low, high), opacity=0.6,
        **frame.raster(part.affine),
    )  # fmt: skip
    layer.colorbar.position = "bottom_left"  # the legend has the top, the scale bar the right
    layer.colorbar.visible = True
    return layer


def _levels(part: Heatmap) -> list[Any]:
    """The map, and coarser ones where it is larger than a canvas."""
    return levels(np.array(part.pixels, dtype=np.float32))


def refreshed(layer: Layer, part: Part, frame: Frame) -> bool:
    """Put a heat map or a mask of another moment into its layer; False where it must be new.

    Limits, colours and opacity that the user set stay.
    """
    from napari.layers import Image, Labels

    if not (isinstance(part, Heatmap) and isinstance(layer, Image)) and not (
        isinstance(part, Mask) and isinstance(layer, Labels)
    ):
        return False
    place = frame.raster(part.affine)
    if ("affine" in place) or not np.allclose(layer.affine.affine_matrix, np.eye(3)):
        return False
    if isinstance(part, Heatmap):
        data = _levels(part)
        if layer.multiscale != (len(data) > 1):
            return False
        layer.data = data if layer.multiscale else data[0]
    else:
        if layer.data.shape != part.pixels.shape:
            return False
        layer.data = np.array(part.pixels)
    layer.scale, layer.translate = place["scale"], place["translate"]
    return True


def _mask(part: Mask, name: str, frame: Frame) -> Layer:
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

    codes = sorted(part.classes) or [int(v) for v in np.unique(part.pixels) if v]
    colours: dict[int | None, Any] = dict(
        zip(codes, palette([str(c) for c in codes]), strict=False)
    )
    colours[None] = colours[0] = (0.0, 0.0, 0.0, 0.0)
    return Labels(
        np.array(part.pixels), name=name, opacity=0.4,  # its own: the brush paints on it
        colormap=DirectLabelColormap(color_dict=colours), **frame.raster(part.affine),
    )  # fmt: skip


def tiles_shown(part: Tiles) -> Shown | None:
    """What tiles are coloured by, with its legend; None where they have one colour."""
    values = part.values.get(part.colour_by)
    if values is None:
        return None
    values = np.asarray(values)
    if values.dtype.kind in "OUTS":
        words = values.astype(str)
        found, counts = np.unique(words, return_counts=True)
        names = found[np.argsort(-counts, kind="stable")].tolist()  # the usual one first
        return of_codes(part.colour_by, np.array([names.index(w) for w in words.tolist()]), names)
    if values.dtype.kind in "iub":
        known = sorted(set(values.tolist()) - {0, -1})
        place = {v: i for i, v in enumerate(known)}
        codes = np.array([place.get(v, -1) for v in values.tolist()])
        return of_codes(part.colour_by, codes, [str(v) for v in known])
    return shown_of(part.colour_by, values)


def _tiles(part: Tiles, name: str, frame: Frame) -> Layer:
    from napari.layers import Points, Shapes

    place = frame.vector()
    yx = np.asarray(part.xy, dtype=np.float64)[:, ::-1]
    shown = tiles_shown(part)
    colours = np.tile(np.array([[0.0, 0.447, 0.698, 1.0]], dtype=np.float32), (len(yx), 1))
    if shown is not None:
        colours = np.asarray(shown.paint().colours, dtype=np.float32).copy()
    words = shown is not None and np.asarray(part.values[part.colour_by]).dtype.kind in "OUTS"
    deep = 0.0 if shown is None else 0.12 if words else 0.4  # words judge, the tissue stays seen
    faces = colours * np.array([1, 1, 1, deep], dtype=np.float32)
    if len(yx) > MOST_OUTLINED:
        middle = yx + part.side / 2
        full = shown is not None
        return Points(
            middle, size=part.side * (0.9 if full else 1 / 3), symbol="square",
            face_color=colours * np.array([1, 1, 1, 0.5], dtype=np.float32), border_width=0,
            name=name, **place,
        )  # fmt: skip
    corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0]]) * part.side
    return Shapes(
        list(yx[:, None, :] + corners[None]), shape_type="polygon", face_color=faces,
        edge_color=colours, edge_width=max(1.0, part.side / 30), name=name, **place,
    )  # fmt: skip


def _regions(part: Regions, name: str, frame: Frame) -> Layer:
    """Outer outlines, one colour per class; holes stay in the stored regions."""
    import shapely
    from napari.layers import Shapes

    classes = list(dict.fromkeys(part.classes))
    table = palette(classes)
    rings, colours = [], []
    for outline, kind in zip(part.outlines, part.classes, strict=True):
        for piece in shapely.get_parts(shapely.from_wkb(outline)):
            rings.append(shapely.get_coordinates(shapely.get_exterior_ring(piece))[:, ::-1])
            colours.append(table[classes.index(kind)])
    faces = np.array(colours, dtype=np.float32) * np.array([1, 1, 1, 0.25], dtype=np.float32)
    return Shapes(
        rings, shape_type="polygon", face_color=faces, edge_color=np.array(colours),
        edge_width=3, name=name, **frame.vector(),
    )  # fmt: skip
