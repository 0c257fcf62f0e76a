"""One niche parted into several by what its neighbourhoods are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._niche import charts as draw
from napari_stml.analyses._niche.parts import COMPOSITION
from napari_stml.analyses._niche.tissue import FEWEST
from napari_stml.analyses._shared.charts import sizes
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Named2D
from napari_stml.core.needs import Column, Embedding
from napari_stml.core.params import Params, param
from napari_stml.core.results import Result
from napari_stml.methods.clusters import naming
from napari_stml.methods.niches import labelling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need


class SplitNicheParams(Params):
    niches: str = param(
        "", title="Niches", source="category", help="The niches of which one is to be split."
    )
    which: str = param("", title="Which", help="The name of that niche, as it is stored.")
    parts: int = param(2, title="Into", ge=2, le=20, help="So many parts, the largest first.")
    composition: str = param(
        "", title="By", source="obsm", rare=True,
        help="What is compared. Empty: the compositions of the Run that found the niches.",
    )  # fmt: skip

    @property
    def by(self) -> str:
        run, slash, _ = self.niches.rpartition("/")
        return self.composition or (f"{run}/{COMPOSITION}" if slash else "")


@register
class SplitNiche:
    """One niche in parts, all others as they were; by hand it is done in the legend."""

    name = "split-niche"
    title = "Split a niche"
    tab = "niches"
    order = 15
    sections = "one"
    context = "inside"
    Params = SplitNicheParams

    def needs(self, params: SplitNicheParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {}
        if params.niches:
            wanted["niches"] = Column(params.niches)
        if params.by:
            wanted["composition"] = Embedding(params.by, named=True)
        return wanted

    @limited
    def run(self, inputs: Inputs, params: SplitNicheParams) -> Steps:
        section = inputs.one
        if not params.niches:
            raise StmlError("No niches were chosen", where="Niches", do="choose a column")
        if not params.by:
            raise StmlError(
                "It is not known what these niches are made of", where=params.niches,
                do="choose the niches of a Run, or name the compositions under 'By'",
            )  # fmt: skip
        yield at(0, "reading")
        spots = inside(section, least=FEWEST)
        codes, names = spots.categories("niches", params.niches)
        if params.which not in names:
            raise StmlError(
                f"There is no niche '{params.which}'", where=params.niches,
                do=f"choose of {', '.join(names)}",
            )  # fmt: skip
        given: Any = section["composition"]
        shares = np.asarray(given.values if isinstance(given, Named2D) else given)[spots.rows]
        chosen = names.index(params.which)
        mine = (codes == chosen) & np.isfinite(shares).all(axis=1)
        points = labelling.prepared(shares[mine], root=bool((shares[mine] >= 0).all()))
        different = len(np.unique(points.round(9), axis=0))
        if different < params.parts:
            raise StmlError(
                f"{params.parts} parts were asked for, but only {different} neighbourhoods of "
                f"niche {params.which} differ", where=params.niches, do="ask for fewer",
            )  # fmt: skip
        yield at(30, "parts")
        parted = naming.by_size(labelling.k_means(points, params.parts, inputs.seed))
        named = [f"{params.which} {chr(ord('a') + i)}" for i in range(params.parts)]
        after = (*names[:chosen], *named, *names[chosen + 1 :])
        moved = np.where(codes > chosen, codes + params.parts - 1, codes)
        moved[codes == chosen] = -1  # those without a composition have no part either
        moved[mine] = chosen + parted
        moved = moved.astype(np.int32)
        charts = [sizes("niche sizes", "Size of the niches", draw.NICHES, after, moved)]
        known = (moved >= 0) & np.isfinite(shares).all(axis=1)
        if isinstance(given, Named2D) and known.any():
            made_of = draw.composition(
                shares[known], moved[known], after, given.columns, shares[known].mean(axis=0), "",
            )  # fmt: skip
            charts.insert(0, replace(made_of, links=made_of.links[:1]))  # types have no value here
        return Result.of(
            section.section, spots.labels(draw.NICHES, moved, after), *charts, shows=draw.NICHES,
            notes=(f"niche {params.which} of {params.niches} in {params.parts} parts",
                   f"by {params.by}, k-means, seed {inputs.seed}; the others as they were"),
        )  # fmt: skip
