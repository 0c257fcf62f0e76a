"""Chooses what observations are drawn with: points, a grid, a raster, or their own mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.viewer.nearest import of_positions
from napari_stml.viewer.spots_mask import MaskSpots
from napari_stml.viewer.spots_points import PointSpots
from napari_stml.viewer.spots_raster import RasterSpots

if TYPE_CHECKING:
    from napari_stml.io.section import Section
    from napari_stml.viewer.frame import Frame
    from napari_stml.viewer.levels import Watch
    from napari_stml.viewer.prepare import Prepared
    from napari_stml.viewer.spots import Spots


def make_spots(
    section: Section, frame: Frame, ready: Prepared, watch: Watch | None = None
) -> Spots:
    """Segmented cells as their mask, up to `MOST_POINTS` as discs, more as an image."""
    observed = section.observations
    if observed is None:
        raise LookupError("this section has no observations")
    name = f"{section.name} / {observed.kind}"
    mask = section.images.get(observed.mask) if observed.mask is not None else None
    if mask is not None and observed.mask_ids is not None and observed.mask not in ready.failed:
        pixels = ready.coarse.get(observed.mask or "")
        coarse = None if pixels is None else pixels[:, :, 0]
        return MaskSpots(name, observed, mask, frame, coarse, watch)
    if ready.own is None:
        return PointSpots(name, observed, frame, ready.radius)
    xy, radius = observed.xy, ready.radius
    again = None if ready.on_lattice else (lambda factor: of_positions(xy, radius * factor))
    return RasterSpots(name, observed, frame, ready.own, again)
