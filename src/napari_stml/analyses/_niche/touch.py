"""Who is in contact: the questions, and the edges that answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from napari_stml.analyses._niche.selected import touching
from napari_stml.analyses._niche.tissue import Tissue
from napari_stml.core.errors import StmlError
from napari_stml.core.params import param
from napari_stml.methods.niches import contacts

if TYPE_CHECKING:
    from napari_stml.analyses._shared.inside import Inside

Touch = Literal["automatic", "triangulation", "nearest", "radius"]

TOUCH: Any = param(
    "automatic", title="Contacts",
    help="Automatic: touching places of the array where there is one, else the edges of the "
    "Delaunay triangulation that bridge no gap.",
)  # fmt: skip
LONGEST: Any = param(
    0.0, title="Longest contact", unit="um", ge=0, when={"touch": "triangulation"},
    help="Longer edges of the triangulation bridge gaps. 0: three times the median.",
)  # fmt: skip
NEAREST: Any = param(
    6, title="Nearest", unit="cells", ge=1, le=200, when={"touch": "nearest"},
    help="Two cells are in contact if either is among the other's nearest.",
)  # fmt: skip
RADIUS: Any = param(
    30.0, title="Radius", unit="um", gt=0, le=2000, when={"touch": "radius"},
    help="Two cells are in contact if they are at most this far apart.",
)  # fmt: skip
FIELDS: Any = param(
    "", title="Fields of view", source="category", rare=True,
    help="Cells of different fields are never in contact.",
)  # fmt: skip


class Touching(Protocol):
    """Parameters that hold these fields."""

    @property
    def touch(self) -> Touch: ...
    @property
    def longest(self) -> float: ...
    @property
    def k(self) -> int: ...
    @property
    def radius(self) -> float: ...
    @property
    def fields(self) -> str: ...


def edges_of(tissue: Tissue, params: Touching) -> tuple[contacts.Edges, str]:
    """The contacts among the scope, and how they are said."""
    from napari_stml.methods.niches import near

    if params.touch == "radius":
        found = near.finish(near.within(tissue.xy, params.radius, strata=tissue.strata))
        return contacts.mutual(found), f"at most {params.radius:g} um apart"
    if params.touch == "nearest":
        found = near.finish(near.nearest(tissue.xy, params.k, strata=tissue.strata))
        return contacts.mutual(found), f"one of the {params.k} nearest, either way"
    if params.touch == "automatic" and tissue.array is not None:
        touches, _ = touching(tissue)
        return touches, "touching places of the array"
    edges, longest = contacts.delaunay(tissue.xy, tissue.strata, params.longest)
    return edges, f"triangulation, edges up to {longest:.3g} {tissue.unit}"


def place_only(spots: Inside, params: Touching) -> Tissue:
    """The cells without their types: positions, the array, fields of view."""
    section = spots.section
    in_um = params.touch == "radius" or params.longest > 0
    xy, unit = section.xy, "px"
    if section.um_per_px is not None or in_um:
        xy, unit = section.xy_um(), "um"
    xy = xy[spots.rows]
    if not np.isfinite(xy).all():
        lost = int((~np.isfinite(xy).all(axis=1)).sum())
        raise StmlError(
            f"{lost} have no position", where=section.section, do="take them out with a filter"
        )
    strata = spots.categories("fields", params.fields)[0] if params.fields else None
    array = section.array[spots.rows] if section.array is not None else None
    codes = np.zeros(len(spots), dtype=np.int32)
    return Tissue(spots, xy, unit, ("all",), codes, None, strata, array)
