"""From scores to estimates: the reference of a trait map, and its regressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._gsmap.reference import PanelChoice, from_panel, reference_of
from napari_stml.analyses._shared.progress import span
from napari_stml.core.errors import StmlError
from napari_stml.io.gsmap.resource import open_quick
from napari_stml.io.gsmap.tables import root_of
from napari_stml.methods.gsmap.regression import Design, Estimate
from napari_stml.methods.gsmap.spot_scores import Weights
from napari_stml.methods.gsmap.trait import lay_on
from napari_stml.methods.gsmap.trait_maps import trait_maps

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_stml.analyses._gsmap.params import TraitMapParams
    from napari_stml.analyses._gsmap.scores import Scores
    from napari_stml.core.progress import Progress
    from napari_stml.io.gsmap.resource import SnpPart
    from napari_stml.io.gsmap.traits import Sumstats

FEW_GENES = 0.2
"""Below this share of the section's genes the names are probably of another kind."""


@dataclass(frozen=True)
class Regressed:
    """One estimate per trait."""

    estimates: tuple[Estimate, ...]
    notes: tuple[str, ...]


def snp_part(
    params: TraitMapParams, scored: Scores, percent: tuple[float, float]
) -> Generator[Progress, None, SnpPart]:
    """Read the resource, or compute LD from the panel."""
    if params.reference == "resource":
        return open_quick(params.resource)
    choice = PanelChoice(
        root_of(params.panel), params.gtf, root_of(params.keep_snps), params.window,
        params.enhancers,
        priority=params.priority,
    )  # fmt: skip
    mean = None
    if params.enhancers:
        from napari_stml.analyses._gsmap.reference import gene_places

        place = {g: i for i, g in enumerate(scored.genes)}
        rows = [place[g] for g in gene_places(choice, scored.genes).gene]
        mean = np.asarray(scored.values, dtype=np.float32).mean(axis=0)[rows].astype(np.float64)
    return (yield from from_panel(choice, scored.genes, mean, *percent))


def regressed(
    part: SnpPart, scored: Scores, traits: Sequence[Sumstats], codes: NDArray[np.integer] | None,
    labels: Sequence[str], params: TraitMapParams, threads: int, device: str,
    percent: tuple[float, float],
) -> Generator[Progress, None, Regressed]:  # fmt: skip
    """Regress all traits on all spots; LD is shared."""
    specificity, columns = matched(part, scored)
    weights = weights_of(part, columns)
    extra = adjusting(weights, specificity, codes, labels, params.adjust_for)
    reference = reference_of(part, extra)
    laid = [
        lay_on(reference, t.name, t.snps, t.z, t.n, chisq_max=params.chisq_max or None,
               blocks=params.blocks)
        for t in traits
    ]  # fmt: skip
    designs = [Design(reference, t, params.blocks) for t in laid]
    found = yield from span(
        trait_maps(weights, specificity, designs, threads=threads, device=device),
        *percent,
        "spatial LDSC",
    )
    notes = [n for t in laid for n in t.notes]
    if params.adjust_for:
        notes.append(f"adjusted for {', '.join(params.adjust_for)}")
    answered(found, [t.name for t in laid])
    without = int(np.isnan(found[0].beta).sum())
    if without:
        notes.append(f"{without} spots have no answer (no specific gene, or collinear columns)")
    return Regressed(tuple(found), tuple(notes))


def answered(found: Sequence[Estimate], names: Sequence[str]) -> None:
    """Raise where a trait has no answer at any spot."""
    for estimate, name in zip(found, names, strict=True):
        if np.isnan(estimate.beta).all():
            raise StmlError(
                "No spot has an answer: columns of the baseline say the same thing twice, or no "
                "gene is specific anywhere", where=name,
                do="check that some SNPs lie outside all genes, and that no annotation is given "
                "twice",
            )  # fmt: skip


def matched(part: SnpPart, scored: Scores) -> tuple[NDArray[Any], list[int]]:
    """Specificity of the genes that the weights know, and their columns in the weights."""
    place = {g: i for i, g in enumerate(scored.genes)}
    columns = [i for i, g in enumerate(part.genes) if g in place]
    if len(columns) < max(2, FEW_GENES * min(len(scored.genes), len(part.genes))):
        raise StmlError(
            f"Only {len(columns)} of {len(scored.genes)} genes of the section are in the reference",
            where=", ".join(scored.genes[:3]),
            do="give a homolog file for another species; gene symbols are needed, not Ensembl ids",
        )  # fmt: skip
    rows = np.array([place[part.genes[i]] for i in columns])
    if len(rows) == scored.values.shape[1] and (rows == np.arange(len(rows))).all():
        return scored.values, columns
    return scored.values[:, rows], columns


def weights_of(part: SnpPart, columns: Sequence[int]) -> Weights:
    """The weights of some genes; those of all are not copied."""
    everything = len(columns) == part.matrix.shape[1]
    return Weights(part.matrix if everything else part.matrix[:, columns])


def adjusting(
    weights: Weights, specificity: NDArray[Any], codes: NDArray[np.integer] | None,
    labels: Sequence[str], wanted: Sequence[str],
) -> NDArray[np.float32] | None:  # fmt: skip
    """LD scores of the mean specificity of some labels: columns of a conditional baseline."""
    if not wanted:
        return None
    unknown = [w for w in wanted if w not in labels]
    if unknown or codes is None:
        raise StmlError(f"There is no label '{(unknown or wanted)[0]}'", where="--adjust-for",
                        do=f"choose of {', '.join(labels)}")  # fmt: skip
    means = np.stack([
        np.asarray(specificity[codes == list(labels).index(name)], np.float32).mean(axis=0)
        for name in wanted
    ], axis=1)  # fmt: skip
    return np.asarray(weights.matrix @ means, dtype=np.float32)
