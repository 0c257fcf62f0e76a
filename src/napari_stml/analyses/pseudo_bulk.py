"""Regions compared over several sections: counts pooled per section, sections as replicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._regions.groups import TwoGroups, two_groups
from napari_stml.analyses._shared.charts import fitting
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._shared.threads import limited
from napari_stml.analyses.region_genes import volcano
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.params import param
from napari_stml.core.results import SHARED, Result, Table
from napari_stml.methods.comparing.pooled import compared
from napari_stml.methods.markers.ranking import adjust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need


class PseudoBulkParams(TwoGroups):
    least_counts: int = param(
        10, title="A gene has at least", unit="counts", ge=0, rare=True,
        help="Over all pooled samples; rarer genes are not tested.",
    )  # fmt: skip
    least_spots: int = param(
        10, title="A sample has at least", unit="spots", ge=1, rare=True,
        help="Smaller ones are left out.",
    )  # fmt: skip


@register
class PseudoBulk:
    """A against B with whole sections as replicates, paired where a section has both."""

    name = "pseudo-bulk"
    title = "Genes of regions over sections"
    tab = "regions"
    order = 15
    sections = "many"
    context = "inside"
    Params = PseudoBulkParams

    def needs(self, params: PseudoBulkParams) -> Mapping[str, Need]:
        return {"expression": params.expression("counts"), **params.group_need()}

    @limited
    def run(self, inputs: Inputs, params: PseudoBulkParams) -> Steps:
        pooled: list[tuple[int, bool, int, dict[str, float]]] = []
        parts: dict[str, Any] = {}
        notes: list[str] = []
        for number, section in enumerate(inputs.sections):
            yield at(80 * number / len(inputs.sections), f"pooling {section.section}")
            spots = inside(section, least=params.least_spots)
            counts, genes = spots.expression("expression", counts=True)
            groups = two_groups(spots, params, least=0)
            code = np.where(groups.first, 0, np.where(groups.second, 1, -1)).astype(np.int32)
            parts[section.section] = (spots.labels("groups", code, groups.names),)
            for own, first in ((groups.first, True), (groups.second, False)):
                if own.sum() >= params.least_spots:
                    total = np.asarray(counts[np.flatnonzero(own)].sum(axis=0)).ravel()
                    values = dict(zip(genes, total.tolist(), strict=True))
                    pooled.append((number, first, int(own.sum()), values))
                else:
                    name = groups.names[0 if first else 1]
                    notes.append(f"{section.section}: {int(own.sum())} spots of {name}, left out")
        firsts = np.array([first for _, first, _, _ in pooled], dtype=bool)
        if firsts.sum() < 2 or (~firsts).sum() < 2:
            raise StmlError(
                f"A has {int(firsts.sum())} pooled samples and B {int((~firsts).sum())}; two of "
                "each are needed", do="take more sections, or use 'Genes of regions' on one",
            )  # fmt: skip
        common = [g for g in pooled[0][3] if all(g in s[3] for s in pooled)]
        matrix = np.array([[s[3][g] for g in common] for s in pooled])
        kept = np.flatnonzero(matrix.sum(axis=0) >= max(params.least_counts, 1))
        if len(kept) < 2:
            raise StmlError("Too few genes have counts in all sections")
        yield at(85, "comparing")
        block = np.array([number for number, *_ in pooled], dtype=np.intp)
        try:
            found = compared(matrix[:, kept], firsts, block)
        except ValueError as error:
            raise StmlError(
                "There are too few sections for a variance", do="take at least three pairs"
            ) from error
        names = tuple(common[i] for i in kept)
        p_adjusted = adjust(found.p)
        order = np.argsort(-found.t, kind="stable")
        table = Table("genes", {
            "gene": tuple(names[i] for i in order), "score": found.t[order],
            "logfc": found.log_fold[order], "p": found.p[order], "p_adj": p_adjusted[order],
            "mean log2 cpm": found.mean[order],
        })  # fmt: skip
        titles = (params.first or "drawn regions", params.second or "the rest")
        charts, lost = fitting([volcano(names, found.log_fold, p_adjusted, titles)])
        said = (
            f"{int(firsts.sum())} samples of A, {int((~firsts).sum())} of B from "
            f"{len(inputs.sections)} sections, {'paired' if found.paired else 'unpaired'}; "
            f"{len(names)} genes",
            f"moderated t on log2 counts per million, {found.degrees:g} residual and "
            f"{found.prior_degrees:.3g} prior degrees of freedom",
        )
        parts[SHARED] = (table, *charts)
        return Result(parts, "groups", (*said, *notes, *lost))
