"""Observations on the axes: circles, squares, outlines or a mask, in their true size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.figures.placing import place_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_stml.core.geometry import Box, UmPerPx
    from napari_stml.figures.values import Shown
    from napari_stml.io.contents import Observations
    from napari_stml.io.section import Section

MOST_VECTORS = 20_000
"""More observations are drawn as pixels in PDF and SVG too."""

MISSING_EDGE = "#6e6e6e"

Rows = Any


def radius_of(observed: Observations) -> float:
    """The stated radius, or a guess from the distances where none is stated."""
    if observed.radius_px:
        return float(observed.radius_px)
    xy = observed.xy[np.isfinite(observed.xy).all(axis=1)]
    if len(xy) < 2:
        return 10.0
    from scipy.spatial import cKDTree

    some = xy[:: max(1, len(xy) // 2000)]
    apart = cKDTree(xy).query(some, k=2)[0][:, 1]
    return max(0.5, 0.45 * float(np.median(apart)))


def inside(observed: Observations, box: Box) -> NDArray[np.intp]:
    """Observations that reach into a box."""
    r = radius_of(observed)
    x, y = observed.xy.T
    seen = (x > box.x - r) & (x < box.x + box.width + r)
    seen &= (y > box.y - r) & (y < box.y + box.height + r)
    return np.flatnonzero(seen)


def draw(
    axes: Axes, section: Section, shown: Shown, rows: Rows, box: Box, opacity: float,
    size_px: tuple[int, int],
) -> str:  # fmt: skip
    """Draw the observations of ``rows``; says how, for the report."""
    observed = section.observations
    assert observed is not None
    colours = shown.rgba
    if observed.mask in section.images and observed.mask_ids is not None:
        _mask(axes, section, colours, box, opacity, size_px)
        return "mask"
    many = len(rows) > MOST_VECTORS
    lost = shown.missing[rows]
    how = ""
    for chosen, missing in ((rows[~lost], False), (rows[lost], True)):
        if not len(chosen) and (missing or len(rows)):
            continue
        tints = colours[chosen].copy()
        tints[:, 3] *= opacity
        marks, how = _marks(section, chosen, tints, axes)
        if missing and not many:  # grey alone would vanish in the stain
            marks.set_edgecolor(MISSING_EDGE)
            marks.set_linewidth(0.5)
        marks.set_rasterized(many)
        marks.set_gid("no-value" if missing else "observations")
        axes.add_collection(marks, autolim=False)
    return f"{how}, {'pixels' if many else 'vector'}"


def _marks(section: Section, rows: Rows, colours: Any, axes: Axes) -> tuple[Any, str]:
    observed = section.observations
    assert observed is not None
    if observed.outlines is not None and observed.kind == "cells":
        return _outlines(observed, rows, colours), "outlines"
    return _discs(observed, rows, colours, section.um_per_px, axes)


def _discs(
    observed: Observations, rows: Rows, colours: Any, scale: UmPerPx | None, axes: Axes
) -> tuple[Any, str]:
    """Circles that are round in um; bins are squares."""
    from matplotlib.collections import EllipseCollection, PolyCollection

    r = radius_of(observed)
    stretch = (scale.mean / scale.x, scale.mean / scale.y) if scale is not None else (1.0, 1.0)
    xy = observed.xy[rows]
    if observed.kind == "bins":
        square = np.array([[-r, -r], [r, -r], [r, r], [-r, r]])
        corners = xy[:, None, :] + square[None]
        return PolyCollection(corners, facecolors=colours, linewidths=0), "squares"
    wide, high = 2 * r * stretch[0], 2 * r * stretch[1]
    discs = EllipseCollection(
        [wide], [high], [0.0], units="xy", offsets=xy, offset_transform=axes.transData,
        facecolors=colours, linewidths=0,
    )  # fmt: skip
    return discs, "circles"


def _outlines(observed: Observations, rows: Rows, colours: Any) -> Any:
    """Polygons of cells; a cell of several pieces has its colour on each."""
    import shapely
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    assert observed.outlines is not None
    frame = observed.outlines().reindex(observed.names[rows])
    paths, tints = [], []
    for shape, colour in zip(frame.geometry, colours, strict=True):
        if shape is None or shape.is_empty:
            continue
        rings = [
            np.asarray(ring.coords)
            for piece in shapely.get_parts(shape)
            for ring in (piece.exterior, *piece.interiors)
        ]
        paths.append(Path.make_compound_path(*(Path(ring[:, :2], closed=True) for ring in rings)))
        tints.append(colour)
    return PathCollection(paths, facecolors=tints, linewidths=0)


def _mask(
    axes: Axes,
    section: Section,
    colours: Any,
    box: Box,
    opacity: float,
    size_px: tuple[int, int],
) -> None:
    observed = section.observations
    assert observed is not None
    assert observed.mask is not None
    assert observed.mask_ids is not None
    placed = section.images[observed.mask]
    order = np.argsort(observed.mask_ids)
    known = observed.mask_ids[order]
    table = np.vstack([(colours[order] * 255).astype(np.uint8), np.zeros((1, 4), np.uint8)])
    table[:, 3] = (table[:, 3] * opacity).astype(np.uint8)

    def paint(ids: Any) -> Any:
        at = np.searchsorted(known, ids)
        at[at == len(known)] = 0
        at = np.where(known[at] == ids, at, len(known))
        return table[at]

    place_picture(axes, placed, box, size_px, paint=paint)
