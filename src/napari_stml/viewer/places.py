"""Where one may want to look: the selection, the tissue, a region; as boxes of the world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.geometry import Affine

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_stml.viewer.section_view import SectionView

    Box = tuple[NDArray[Any], NDArray[Any]]

COLOURED = 18
"""Highest less lowest channel of 255: a stained pixel; glass is grey."""
SHARE = 0.006
"""Of a row or column that must be stained to count: single specks of dust do not."""
FINEST = 800


def tissue_box(view: SectionView) -> Box | None:
    """Lowest and highest world (y, x) of the spots, which lie on it; else of what is stained."""
    observed = view.section.observations
    if observed is not None and len(observed):
        return view.world_box(np.ones(len(observed), dtype=bool))
    for name in view.slides_shown:
        pixels = view.ready.coarse.get(name)
        if pixels is None or not view.section.images[name].slide.rgb:
            continue
        step = max(1, -(-max(pixels.shape[:2]) // FINEST))
        small = pixels[::step, ::step, :3].astype(np.int16)
        stained = small.max(axis=2) - small.min(axis=2) > COLOURED
        spans = [_span(stained.mean(axis=axis)) for axis in (0, 1)]
        if any(span is None for span in spans):
            continue
        slide, placed = view.section.images[name].slide, view.section.images[name]
        to_world = (
            view.frame.to_world
            @ placed.affine
            @ Affine.scaling(
                slide.width / pixels.shape[1] * step, slide.height / pixels.shape[0] * step
            )
        )
        (left, right), (top, bottom) = spans  # type: ignore[misc]
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
        yx = to_world(corners)[:, ::-1]
        return yx.min(axis=0), yx.max(axis=0)
    return None


def region_boxes(view: SectionView) -> list[Box]:
    """The drawn regions, one box each; reads the store."""
    import shapely

    shelf = view.section.shelf
    outlines = [r.outline for r in shelf.regions()] if shelf is not None else []
    if not outlines:
        return []
    bounds = shapely.bounds(shapely.from_wkb(outlines))
    found = []
    for left, top, right, bottom in bounds.tolist():
        yx = view.frame.world_yx(np.array([[left, top], [right, bottom]]))
        found.append((yx.min(axis=0), yx.max(axis=0)))
    return found


def chosen_shapes_box(viewer: Viewer) -> Box | None:
    """Of the shapes that are selected in the active layer."""
    from napari.layers import Shapes

    layer = viewer.layers.selection.active
    if not isinstance(layer, Shapes) or not layer.selected_data:
        return None
    corners = np.vstack([layer.data[i] for i in layer.selected_data])
    world = np.array([layer.data_to_world(corner) for corner in corners])[:, -2:]
    return world.min(axis=0), world.max(axis=0)


def _span(profile: NDArray[Any]) -> tuple[int, int] | None:
    there = np.flatnonzero(profile > SHARE)
    return (int(there[0]), int(there[-1]) + 1) if len(there) else None
