"""What a reader finds: the parts of a section, all of them lazy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from napari_stml.core.geometry import Affine, UmPerPx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import geopandas as gpd
    import numpy as np
    from numpy.typing import NDArray

    from napari_stml.io.slides.base import Slide
    from napari_stml.io.tables.base import Table

ObservationKind = Literal["spots", "bins", "cells"]
ElementKind = Literal["images", "labels", "shapes", "points", "tables"]


@dataclass(frozen=True)
class Lattice:
    """Array coordinates of spots or bins.

    ``hexagonal`` is Visium's: columns alternate by the parity of the row, step 2 within a row.
    ``pitch_px`` is the distance between neighbouring centres in reference pixels.
    """

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    hexagonal: bool
    pitch_px: float | None = None


@dataclass(frozen=True)
class Observations:
    """What the tables annotate: spots, bins or cells.

    Attributes
    ----------
    names
        Barcodes or cell ids, unique, as text.
    xy
        Centres, (n, 2), in level-0 pixels of the section's reference image.
    radius_px
        Radius drawn for spots, half side of bins; None for cells without one.
    outlines
        Reads polygons (a GeoDataFrame indexed by ``names``, reference pixels) when asked.
    mask
        A label image whose values are ``mask_ids`` (0 is background), with its own affine in
        the section's `images`.
    element, instances
        Name of the store's element that the tables annotate, when there is a store and it is
        one element, and each observation's index value there.
    """

    kind: ObservationKind
    names: NDArray[np.object_]
    xy: NDArray[np.float64]
    radius_px: float | None = None
    lattice: Lattice | None = None
    outlines: Callable[[], gpd.GeoDataFrame] | None = None
    mask: str | None = None
    mask_ids: NDArray[np.int64] | None = None
    element: str | None = None
    instances: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class PlacedSlide:
    """A slide and where its level-0 pixels lie in the reference image's pixels.

    ``role`` says what it shows: H&E in colour, fluorescence channels, or a label mask.
    """

    slide: Slide
    affine: Affine = field(default_factory=Affine)
    role: Literal["brightfield", "channels", "mask"] = "brightfield"


@dataclass(frozen=True)
class Element:
    """Any further element that can be listed and shown.

    ``load`` returns a GeoDataFrame (shapes) or a lazy data frame (points), in the
    element's own coordinates; ``affine`` maps these to reference pixels.
    """

    name: str
    kind: ElementKind
    load: Callable[[], object]
    affine: Affine = field(default_factory=Affine)
    count: int | None = None


@dataclass(frozen=True)
class Contents:
    """One section as its files tell it.

    Attributes
    ----------
    name
        A short name for lists (folder or sample name).
    format
        What the reader took it for ("Visium", "SpatialData", "Xenium", ...).
    images
        The first one is the reference image; its level-0 pixels are the coordinates of all.
    tables
        By modality; the first one is shown first.
    um_per_px, um_per_px_guess
        Of the reference image (of 1 px = 1 um where there is none).
    choices
        Per open choice ("section", "bin_size", "coordinates") the possible answers.
    chosen
        The answers taken.
    notes
        What a user should know: barcodes that did not match, scales that disagree.
    """

    name: str
    format: str
    images: Mapping[str, PlacedSlide] = field(default_factory=dict)
    observations: Observations | None = None
    tables: Mapping[str, Table] = field(default_factory=dict)
    elements: tuple[Element, ...] = ()
    um_per_px: UmPerPx | None = None
    um_per_px_guess: UmPerPx | None = None
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
