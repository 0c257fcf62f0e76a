"""Groups of places that look alike: k-means or Leiden on features, and the most similar places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._charts import sizes
from napari_stml.analyses._features import stored_features
from napari_stml.analyses._progress import at, span
from napari_stml.analyses._threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Stored
from napari_stml.core.params import Params, param
from napari_stml.core.results import Labels, Result, Tiles, Values
from napari_stml.methods.clusters import leiden, mixtures, naming
from napari_stml.methods.neighbours import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs, SectionInputs
    from napari_stml.core.needs import Need

DIRECTIONS = 30


class MorphologyParams(Params):
    features: str = param(
        title="Features", source="run", min_length=1, help="A Run of 'Features'.",
    )  # fmt: skip
    method: Literal["k-means", "leiden"] = param(
        "k-means", title="Method", help="k-means takes the number of groups; Leiden finds it.",
    )  # fmt: skip
    clusters: int = param(6, title="Groups", ge=2, le=100, help="Number of groups for k-means.")
    resolution: float = param(
        0.5, title="Resolution", gt=0, le=10, step=0.1, help="Of Leiden: more gives more groups.",
    )  # fmt: skip
    like: str = param(
        "", title="Tissue like this",
        help="Name of a spot, or number of a tile: also gives how similar every place looks to it.",
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

    def needs(self, params: MorphologyParams) -> Mapping[str, Need]:
        return {"features": Stored(params.features, "features")}

    @limited
    def run(self, inputs: Inputs, params: MorphologyParams) -> Steps:
        section = inputs.one
        yield at(0, "reading features")
        part = section["features"]
        values, _ = stored_features(part, params.features)
        on_tiles = isinstance(part, Tiles)
        known = np.isfinite(values).all(axis=1)
        if not on_tiles:
            known &= section.inside
        rows = np.flatnonzero(known)
        if len(rows) < 3:
            raise StmlError(
                f"Only {len(rows)} places of the scope have features", where=params.features,
                do="choose a wider scope",
            )  # fmt: skip
        yield at(10, "main directions")
        points = directions(values[rows])
        if params.method == "leiden":
            near = yield from span(
                nearest.nearest(points, min(14, len(rows) - 1)), 15, 70, "similar places"
            )
            codes = leiden.Communities(nearest.weights(*near)).at(params.resolution, inputs.seed)
        else:
            codes = yield from span(
                mixtures.parted(points, params.clusters, inputs.seed, "k-means"), 15, 90, "k-means"
            )
        yield at(92, "numbering")
        codes = naming.by_size(codes)
        names = naming.names(codes)
        everywhere = np.full(len(values), -1, dtype=np.int32)
        everywhere[rows] = codes
        likeness = _likeness(section, params, points, rows, on_tiles)
        size = "tiles" if on_tiles else "spots"
        notes = [f"{len(names)} groups of {len(rows)} {size}, {params.method}, numbered by size"]
        shown: Any
        if on_tiles:
            columns: dict[str, NDArray[Any]] = {"cluster": everywhere + 1}
            if likeness is not None:
                columns["likeness"] = likeness
            shown = [Tiles("look groups", part.xy, part.side, columns)]
            charts: list[Any] = []
        else:
            shown = [Labels("look groups", everywhere, names)]
            if likeness is not None:
                full = np.full(len(values), np.nan, dtype=np.float32)
                full[rows] = likeness
                shown.append(Values("likeness", full))
            charts = [sizes("sizes of groups", "Size of the groups", "look groups", names, codes)]
        return Result.of(
            section.section, *shown, *charts, shows="look groups", notes=tuple(notes)
        )  # fmt: skip


def directions(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Principal components of standardised features; equal inputs give equal bits."""
    x = values.astype(np.float64)
    x -= x.mean(axis=0)
    spread = x.std(axis=0)
    x = x[:, spread > 1e-9] / spread[spread > 1e-9]
    if not x.shape[1]:
        raise StmlError("All places have the same features", do="check the features")
    _, axes = np.linalg.eigh(x.T @ x)
    axes = axes[:, ::-1][:, : min(DIRECTIONS, *x.shape)]
    axes = axes * np.where(np.abs(axes).max(axis=0) == axes.max(axis=0), 1.0, -1.0)
    return np.asarray(x @ axes, dtype=np.float64)


def _likeness(
    section: SectionInputs, params: MorphologyParams, points: NDArray[np.float64],
    rows: NDArray[np.intp], on_tiles: bool,
) -> NDArray[np.float32] | None:  # fmt: skip
    """Cosine of every place with the named one, in the space of the main directions."""
    if not params.like:
        return None
    if on_tiles:
        place = int(params.like) if params.like.isdigit() else -1
    else:
        found = np.flatnonzero(section.names == params.like)
        place = int(found[0]) if len(found) else -1
    where = np.flatnonzero(rows == place)
    if not len(where):
        raise StmlError(
            f"There is no place '{params.like}' with features", where=params.features,
            do="give the number of a tile" if on_tiles else "give the name of a spot of the scope",
        )  # fmt: skip
    length = np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    unit = points / length
    return np.asarray(unit @ unit[where[0]], dtype=np.float32)
