"""A trait map under a moving threshold; the Cauchy p of whatever is selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.analyses._gsmap import parts as made
from napari_stml.analyses._gsmap.charts import cauchy_bars, quantiles
from napari_stml.core.results import Matrix, Result, Values
from napari_stml.methods.gsmap.cauchy import Combined, combined, without_outliers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from napari_stml.analyses._gsmap.params import TraitLiveParams
    from napari_stml.core.inputs import SectionInputs

SELECTED, OTHERS = "selected", "all others"


class TraitLive:
    """Everything is ready but the cut."""

    def __init__(self, result: Result, section: SectionInputs) -> None:
        self._section = section
        names = [p.name for p in result.parts[section.section] if p.name.endswith(made.OF_P)]
        self._traits = [self._stored(result, n.removesuffix(made.OF_P)) for n in names]
        self._genes: dict[str, int] = {}
        self._specificity: Any = None
        for part in result.parts.get(section.section, ()):
            if isinstance(part, Matrix) and part.name == made.SPECIFICITY:
                self._specificity = part.values
                self._genes = {g: i for i, g in enumerate(part.columns)}

    def _stored(self, result: Result, trait: str) -> made.TraitSpots:
        name = self._section.section
        logs = result.part(made.p_name(trait), name)
        assert isinstance(logs, Values)
        known = [p.name for p in result.parts[name]]
        z = np.full(len(logs.values), np.nan)
        if made.z_name(trait) in known:
            scores = result.part(made.z_name(trait), name)
            assert isinstance(scores, Values)
            z = np.asarray(scores.values, dtype=np.float64)
        p = 10.0 ** -np.asarray(logs.values, dtype=np.float64)
        return made.TraitSpots(trait, z, p)

    def _trait(self, params: TraitLiveParams) -> made.TraitSpots:
        wanted = params.trait.casefold()
        return next((t for t in self._traits if t.name.casefold() == wanted), self._traits[0])

    def update(self, params: TraitLiveParams, selection: tuple[str, ...] | None) -> Result:
        trait = self._trait(params)
        labels, _ = made.significance(self._section, trait, params.level, params.rule)
        parts: list[Any] = [labels]
        shows = labels.name
        if params.show == "-log10 p":
            parts.append(Values(made.p_name(trait.name), made.neg_log10_of(trait.p)))
        elif params.show == "z":
            parts.append(Values(made.z_name(trait.name), trait.z, scale="diverging"))
        elif params.show == "specificity of a gene" and self._gene(params) is not None:
            gene = self._gene(params)
            values = np.asarray(self._specificity)[:, self._genes[str(gene)]]
            parts.append(Values(f"specificity_{gene}", values))
        if len(parts) > 1:
            shows = parts[-1].name
        charts = [] if not selection else self._of_selection(trait, selection)
        return Result.of(self._section.section, *parts, *charts, shows=shows)

    def readout(self, params: TraitLiveParams) -> Mapping[str, str]:
        trait = self._trait(params)
        labels, cut = made.significance(self._section, trait, params.level, params.rule)
        tested = int((labels.codes >= 0).sum() - (labels.codes == 2).sum())
        said = {
            "trait": trait.name,
            "significant": f"{int((labels.codes == 1).sum())} of {tested} tested spots",
            "p below": f"{cut:.3g}",
        }
        if (labels.codes == 2).any():
            said["not tested"] = f"{int((labels.codes == 2).sum())} spots"
        if params.show == "specificity of a gene":
            gene = self._gene(params)
            said["gene"] = gene or f"choose one of {', '.join(list(self._genes)[:8]) or 'none'}"
        return said

    def _gene(self, params: TraitLiveParams) -> str | None:
        wanted = params.gene.casefold()
        return (
            next((g for g in self._genes if g.casefold() == wanted), None)
            if wanted
            else next(iter(self._genes), None)
        )

    def _of_selection(self, trait: made.TraitSpots, selection: tuple[str, ...]) -> list[Any]:
        chosen = np.isin(self._section.names, np.array(selection, dtype=object))
        rows = []
        for name, mask in ((SELECTED, chosen), (OTHERS, ~chosen & self._section.inside)):
            own = trait.p[mask & np.isfinite(trait.p)]
            if len(own):
                kept = without_outliers(own)
                value = combined(kept if len(kept) else own)
                rows.append(
                    Combined(name, value, float(np.median(own)), len(own), len(own) - len(kept))
                )
        if not rows:
            return []
        bars = cauchy_bars(
            "cauchy_selected", "Cauchy p of the selection", {trait.name: rows}, "spots"
        )
        return [bars, quantiles("qq_selected", "p-values of the selection", trait.p[chosen])]
