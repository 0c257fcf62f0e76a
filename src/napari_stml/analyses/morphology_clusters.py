"""Groups of places that look alike: k-means or Leiden on features, and the most similar places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._shared.charts import sizes
from napari_stml.analyses._shared.progress import at, span
from napari_stml.analyses._shared.threads import limited
from napari_stml.analyses._slides.features import stored_features
from napari_stml.analyses._slides.likeness import (
    LikenessLive,
    LikenessParams,
    Places,
    groups_part,
    likeness_part,
    places,
)
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Outlines, Stored
from napari_stml.core.params import Params, param
from napari_stml.core.results import Result, Tiles
from napari_stml.methods.clusters import leiden, mixtures, naming
from napari_stml.methods.neighbours import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs, SectionInputs
    from napari_stml.core.needs import Need


class MorphologyParams(Params):
    features: str = param(
        title="Features", source="run", holds="features", min_length=1,
        help="A Run of 'Features'.",
    )  # fmt: skip
    method: Literal["k-means", "leiden"] = param(
        "k-means", title="Method", help="k-means takes the number of groups; Leiden finds it.",
    )  # fmt: skip
    clusters: int = param(
        6, title="Groups", ge=2, le=100, help="Number of groups for k-means.",
        when={"method": "k-means"},
    )  # fmt: skip
    resolution: float = param(
        0.5, title="Resolution", gt=0, le=10, step=0.1, help="Of Leiden: more gives more groups.",
        when={"method": "leiden"},
    )  # fmt: skip
    like: str = param(
        "", title="Tissue like this",
        help="Name of a spot, or number of a tile: also gives how similar every place looks to it. "
        "After the Run, a click on the tissue does the same.",
    )  # fmt: skip
    like_region: str = param(
        "", title="Tissue like this region", source="region_class",
        help="Class of drawn regions: how similar every place looks to what lies in them.",
    )  # fmt: skip


@register
class MorphologyClusters:
    """Kinds of tissue by look alone, without any gene."""

    name = "morphology-clusters"
    title = "Groups by look"
    tab = "slide"
    order = 40
    sections = "one"
    context = "inside"
    Params = MorphologyParams
    LiveParams = LikenessParams

    def needs(self, params: MorphologyParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"features": Stored(params.features, "features")}
        if params.like_region:
            wanted["outlines"] = Outlines((params.like_region,))
        return wanted

    @limited
    def run(self, inputs: Inputs, params: MorphologyParams) -> Steps:
        section = inputs.one
        yield at(0, "reading features")
        part = section["features"]
        values, _ = stored_features(part, params.features)
        yield at(10, "main directions")
        known = places(section, part, values)
        rows = known.rows
        if params.method == "leiden":
            near = yield from span(
                nearest.nearest(known.points, min(14, len(rows) - 1)), 15, 70, "similar places"
            )
            codes = leiden.Communities(nearest.weights(*near)).at(params.resolution, inputs.seed)
        else:
            codes = yield from span(
                mixtures.parted(known.points, params.clusters, inputs.seed, "k-means"), 15, 90,
                "k-means",
            )  # fmt: skip
        yield at(92, "numbering")
        codes = naming.by_size(codes)
        names = naming.names(codes)
        everywhere = np.full(known.count, -1, dtype=np.int32)
        everywhere[rows] = codes
        shown: list[Any] = [groups_part(part, everywhere, names)]
        on_tiles = isinstance(part, Tiles)
        size = "tiles" if on_tiles else "spots"
        notes = [f"{len(names)} groups of {len(rows)} {size}, {params.method}, numbered by size"]
        alike = _alike(section, params, known, on_tiles)
        if alike is not None:
            shown.append(likeness_part(part, known.likeness(alike)))
            what = f"'{params.like}'" if params.like else f"the region '{params.like_region}'"
            notes.append(f"likeness with {what} ({len(alike)} {size})")
        if not on_tiles:
            shown.append(
                sizes("sizes of groups", "Size of the groups", "look groups", names, codes)
            )
        return Result.of(section.section, *shown, shows="look groups", notes=tuple(notes))

    def live(self, result: Result, inputs: Inputs, params: MorphologyParams) -> LikenessLive:
        part = inputs.one["features"]
        values, _ = stored_features(part, params.features)
        return LikenessLive(inputs.one, part, values, result.part("look groups"))


def _alike(
    section: SectionInputs, params: MorphologyParams, known: Places, on_tiles: bool
) -> NDArray[np.intp] | None:
    """The places whose likeness is asked for: a spot or tile by name, or a region's."""
    if params.like_region:
        inside = known.inside(section["outlines"])
        if not len(inside):
            raise StmlError(
                f"No place with features lies in '{params.like_region}'", where=params.features,
                do="draw the region on tissue that has features",
            )  # fmt: skip
        return inside
    if not params.like:
        return None
    if on_tiles:
        place = int(params.like) if params.like.isdigit() else -1
    else:
        found = np.flatnonzero(section.names == params.like)
        place = int(found[0]) if len(found) else -1
    where = np.flatnonzero(known.rows == place)
    if not len(where):
        raise StmlError(
            f"There is no place '{params.like}' with features", where=params.features,
            do="give the number of a tile" if on_tiles else "give the name of a spot of the scope",
        )  # fmt: skip
    return where
