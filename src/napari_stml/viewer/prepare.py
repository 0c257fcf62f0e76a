"""What must be read before a section is painted: done off the main thread.

napari reads the coarsest level of a pyramid on the main thread when a layer is added, and
channels need limits; both are read here, once, and the layer gets the pixels.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from napari_stml.io.alignment import with_kept_alignment
from napari_stml.viewer.colours import limits
from napari_stml.viewer.nearest import of_lattice, of_positions
from napari_stml.viewer.spots import drawn_radius

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.io.contents import Observations
    from napari_stml.io.section import Section
    from napari_stml.io.slides.base import Pixels, Slide
    from napari_stml.viewer.nearest import Ownership

log = logging.getLogger(__name__)

MOST_POINTS = 20_000
"""More observations are painted as a raster: Points cost the canvas seconds."""

LARGEST_COARSE = 4096


@dataclass(frozen=True)
class Prepared:
    """What was read and computed: by image, and of the observations.

    Attributes
    ----------
    coarse
        Pixels (h, w, channels) of each slide's coarsest level; absent where it is large,
        grey where it could not be read.
    channel_limits
        Per slide and channel.
    radius
        Of an observation, in reference pixels.
    own
        The raster of many observations (of cells with a mask: for the ring around selected
        ones); None for few.
    tree
        Finds the nearest observation (a scipy cKDTree of reference pixels).
    on_lattice
        The raster is a grid, which has no other size.
    failed
        Messages of slides that could not be read, by image.
    """

    coarse: Mapping[str, Pixels] = field(default_factory=dict)
    channel_limits: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    radius: float = 0.0
    own: Ownership | None = None
    on_lattice: bool = False
    tree: Any = None
    failed: Mapping[str, str] = field(default_factory=dict)


def prepare(section: Section) -> Section:
    """Read what painting needs; give the section back, where its observations were moved to.

    For a thread: it may take seconds.
    """
    section = with_kept_alignment(section)
    prepared_of(section)
    return section


def prepare_moved(before: Section, after: Section) -> Section:
    """Prepare a section whose observations were moved; the slides are not read again."""
    old = prepared_of(before)
    _PREPARED[after] = replace(
        _of_observations(after), coarse=old.coarse, channel_limits=old.channel_limits,
        failed=old.failed,
    )  # fmt: skip
    return after


def prepared_of(section: Section) -> Prepared:
    """What was prepared, or is now when nobody did so."""
    if section not in _PREPARED:
        _PREPARED[section] = _prepare(section)
    return _PREPARED[section]


_PREPARED: WeakKeyDictionary[Section, Prepared] = WeakKeyDictionary()


def _prepare(section: Section) -> Prepared:
    coarse: dict[str, Pixels] = {}
    bounds: dict[str, tuple[tuple[float, float], ...]] = {}
    failed: dict[str, str] = {}
    for name, placed in section.images.items():
        slide = placed.slide
        if placed.role == "mask" and (
            section.observations is None or section.observations.mask != name
        ):
            continue
        try:
            pixels = coarsest(slide)
        except Exception as error:
            log.exception("the coarsest level of %s was not read", slide.uri)
            failed[name] = str(error)
            pixels = grey(slide)  # or napari would try the same on the main thread
        if pixels is None:
            continue
        coarse[name] = pixels
        if not slide.rgb and placed.role != "mask" and name not in failed:
            bounds[name] = tuple(
                channel_limits(pixels[:, :, i]) for i in range(len(slide.channels))
            )
    made = _of_observations(section)
    return replace(made, coarse=coarse, channel_limits=bounds, failed=failed)


def _of_observations(section: Section) -> Prepared:
    observed = section.observations
    if observed is None or not len(observed):
        return Prepared()
    from scipy.spatial import cKDTree

    radius = drawn_radius(observed)
    own, on_lattice = _ownership(observed, radius)
    return Prepared(radius=radius, own=own, on_lattice=on_lattice, tree=cKDTree(observed.xy))


def coarsest(slide: Slide) -> Pixels | None:
    """The coarsest level as a whole, (h, w, channels); None where it is too large for that."""
    level = slide.levels[-1]
    if max(level.width, level.height) > LARGEST_COARSE:
        return None
    pixels = slide.read(0, 0, len(slide.levels) - 1, level.width, level.height)
    return np.ascontiguousarray(pixels)


def grey(slide: Slide) -> Pixels | None:
    """What stands for a coarsest level that could not be read."""
    level = slide.levels[-1]
    if max(level.width, level.height) > LARGEST_COARSE:
        return None
    shape = (level.height, level.width, len(slide.channels))
    return np.full(shape, 128 if slide.rgb else 0, slide.dtype)


def channel_limits(pixels: Any) -> tuple[float, float]:
    """Limits of one channel: background to the brightest thousandth."""
    return limits(np.asarray(pixels, dtype=np.float32), 1, 99.9)


def _ownership(observed: Observations, radius: float) -> tuple[Ownership | None, bool]:
    if len(observed) <= MOST_POINTS:
        return None, False
    if observed.lattice is not None:
        grid = of_lattice(observed.xy, observed.lattice)
        if grid is not None:
            return grid, True
    return of_positions(observed.xy, radius), False
