"""Put the classes or values of a Run on a region into those of the whole section."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.analyses._shared.inside import Inside
from napari_stml.analyses._shared.progress import at
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Categories
from napari_stml.core.needs import Column
from napari_stml.core.params import Params, param
from napari_stml.core.results import Labels, Result, Values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need


class MergeRunsParams(Params):
    whole: str = param(title="Section", source="column", help="The value of the whole section.")
    part: str = param(
        title="Region", source="column",
        help="The value of a Run on a region; it replaces the section's where it is known.",
    )  # fmt: skip
    prefix: str = param(
        "", title="Prefix of the region's classes", rare=True,
        help="Put before their names, so that cluster 1 of the region is not cluster 1 of the "
        "section; empty takes the Run's id.",
    )  # fmt: skip


@register
class MergeRuns:
    """One column from two Runs: the section's, refined where a region was run again."""

    name = "merge-runs"
    title = "Merge a region's result into the section's"
    tab = "regions"
    order = 40
    sections = "one"
    context = "inside"
    Params = MergeRunsParams

    def needs(self, params: MergeRunsParams) -> Mapping[str, Need]:
        return {"whole": Column(params.whole), "part": Column(params.part)}

    def run(self, inputs: Inputs, params: MergeRunsParams) -> Steps:
        section = inputs.one
        yield at(0, "merging")
        kinds = [isinstance(section[n], Categories) for n in ("whole", "part")]
        if kinds[0] != kinds[1]:
            raise StmlError("Categories cannot be merged with numbers",
                            where=f"{params.whole}, {params.part}")  # fmt: skip
        if not kinds[0]:
            whole, part = (np.asarray(section[n], dtype=np.float64) for n in ("whole", "part"))
            known = np.isfinite(part) & section.inside
            values = np.where(known, part, np.where(section.inside, whole, np.nan))
            note = f"{int(known.sum())} spots take the region's value"
            return Result.of(section.section, Values("merged", values), shows="merged",
                             notes=(note,))  # fmt: skip
        spots = Inside(section, np.flatnonzero(section.inside))
        base, base_names = spots.categories("whole", params.whole)
        own, own_names = spots.categories("part", params.part)
        prefix = params.prefix or params.part.partition("/")[0]
        names = (*base_names, *(f"{prefix}: {n}" for n in own_names))
        codes = np.where(own >= 0, own + len(base_names), base)
        used = np.unique(codes[codes >= 0])
        place = np.full(len(names) + 1, -1, dtype=np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        merged: Labels = spots.labels("merged", place[codes], tuple(names[i] for i in used))
        note = f"{int((own >= 0).sum())} spots take the region's class, {len(own_names)} classes"
        return Result.of(section.section, merged, shows="merged", notes=(note,))
