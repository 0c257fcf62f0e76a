"""Trait maps: which spots express the genes near which a GWAS trait's heritability lies.

gsMap (Song et al. 2025, doi:10.1038/s41586-025-08757-x), computed by our own code: specificity of
genes in microdomains, LD scores of spots, one regression per spot and trait, Cauchy combination.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._gsmap import parts as made
from napari_stml.analyses._gsmap.latent import LatentChoice, latent
from napari_stml.analyses._gsmap.live import TraitLive
from napari_stml.analyses._gsmap.params import TraitLiveParams, TraitMapParams
from napari_stml.analyses._gsmap.run import regressed, snp_part
from napari_stml.analyses._gsmap.scores import ScoreChoice, scores, tested_spots, usable
from napari_stml.analyses._gsmap.tell import gene_parts, regions_of
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Column, Embedding, File, Outlines
from napari_stml.core.results import Result
from napari_stml.io.gsmap import resource
from napari_stml.io.gsmap.gene_places import read_homologs
from napari_stml.io.gsmap.headers import OPTIONS
from napari_stml.io.gsmap.slices import read_slice_mean
from napari_stml.io.gsmap.sumstats import FormatOptions
from napari_stml.io.gsmap.traits import foreseen, read_any, read_config
from napari_stml.methods.gsmap.slice_mean import SliceMean
from napari_stml.methods.gsmap.specificity import Rules

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.core.analysis import Live, Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.core.progress import Progress

FEWEST = 20


@register
class TraitMap:
    """Which spots carry a GWAS trait: gsMap for one or several traits."""

    name = "gsmap"
    title = "Trait map (gsMap)"
    tab = "gwas"
    order = 10
    sections = "one"
    context = "inside"
    uses_gpu = True
    Params = TraitMapParams
    LiveParams = TraitLiveParams

    def needs(self, params: TraitMapParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"counts": params.expression("as stored")}
        if params.annotation:
            wanted["annotation"] = Column(params.annotation, params.table or None)
        if params.embedding:
            wanted["embedding"] = Embedding(params.embedding, params.table or None)
        if params.regions:
            wanted["regions"] = Outlines()
        files = {f"trait {i + 1}": path for i, path in enumerate(trait_files(params).values())}
        for name, path in {**files, **_reference_files(params)}.items():
            wanted[name] = File(str(path))
        for name in ("homologs", "slice_mean", "dbsnp"):
            if getattr(params, name):
                wanted[name] = File(getattr(params, name))
        return wanted

    @staticmethod
    def foresee(params: TraitMapParams) -> Sequence[str]:
        """What columns are taken for, and what the resource directory has."""
        how, said = formatting(params), list[str]()
        for name, path in trait_files(params).items():
            said += foreseen(path, name, how)
        if params.reference == "resource" and params.resource:
            found = resource.check(Path(params.resource).expanduser())
            said.append(f"LD: {resource.provenance(params.resource)}")
            said += [f"{f.part}: {f.state}, {f.text}. {f.do}" for f in found
                     if f.state in {"missing", "incomplete"}]  # fmt: skip
        return said

    @limited
    def run(self, inputs: Inputs, params: TraitMapParams) -> Steps:
        section = inputs.one
        yield at(0, "reading the traits")
        how = formatting(params)
        taken = [read_any(p, name, how) for name, p in trait_files(params).items()]
        traits, told_first = [t for t, _ in taken], [n for _, said in taken for n in said]
        spots = inside(section, least=FEWEST)
        codes: NDArray[np.int32] | None = None
        names: tuple[str, ...] = ()
        if params.annotation:
            codes, names = spots.categories("annotation", params.annotation)
        elif params.within_regions:
            codes, names = _drawn(spots)
        kept, notes = tested_spots(codes, names, params.least_spots, len(spots))
        spots = spots.only(kept)
        codes = None if codes is None else codes[kept]
        counts, genes = spots.expression("counts")
        seen = usable(counts, genes, section.section)
        counts = counts[:, np.flatnonzero(seen)]
        genes = tuple(g for g, s in zip(genes, seen, strict=True) if s)
        vectors, said = yield from _vectors(inputs, spots, params, counts, genes, codes)
        homologs = read_homologs(params.homologs) if params.homologs else None
        choice = ScoreChoice(Rules(params.fraction, params.residuals, params.exact), params.alike,
                             params.near, params.residuals)  # fmt: skip
        scored = yield from scores(
            counts, genes, section.xy[spots.rows], vectors, codes, choice, homologs=homologs,
            slices=SliceMean(*read_slice_mean(params.slice_mean)) if params.slice_mean else None,
            low=25, high=45,
        )  # fmt: skip
        yield at(45, "reading the reference")
        part = yield from snp_part(params, scored, (45, 60))
        found = yield from regressed(part, scored, traits, codes, names, params, inputs.threads,
                                     inputs.device, (60, 95))  # fmt: skip
        mapped = [
            made.TraitSpots(t.name, _everywhere(spots, e.z), _everywhere(spots, e.p))
            for t, e in zip(traits, found.estimates, strict=True)
        ]
        yield at(95, "combining")
        groups = _groups(spots, codes, names, params)
        parts, charts, told = made.parts_of(section, mapped, groups)
        more, further = gene_parts(spots, scored, mapped, (codes, names), traits, part, params)
        return Result.of(
            section.section, *parts, *more, *charts, *further,
            shows=made.p_name(mapped[0].name),
            notes=(*told, *told_first, *notes, *said, *scored.notes, *part.notes, *found.notes),
        )  # fmt: skip

    def live(self, result: Result, inputs: Inputs) -> Live:
        return TraitLive(result, inputs.one)


def formatting(params: TraitMapParams) -> FormatOptions:
    """How a GWAS that is not formatted yet is read."""
    unknown = [what for what, _ in params.columns if what not in OPTIONS]
    if unknown:
        raise StmlError(
            f"There is no '{unknown[0]}' to name a column for", where="Columns of the GWAS",
            do=f"take one of {', '.join(OPTIONS)}",
        )  # fmt: skip
    dbsnp = Path(params.dbsnp).expanduser() if params.dbsnp else None
    return FormatOptions(dict(params.columns), params.people or None, dbsnp=dbsnp)


def trait_files(params: TraitMapParams) -> dict[str, Path]:
    """Files of the traits by name; a .yaml names several."""
    from napari_stml.io.gsmap.traits import trait_name

    path = Path(params.sumstats).expanduser()
    if path.suffix.lower() in {".yaml", ".yml"}:
        return read_config(path)
    return {trait_name(path): path}


def _reference_files(params: TraitMapParams) -> dict[str, Path]:
    if params.reference == "resource":
        if not params.resource:
            raise StmlError(
                "Which resource directory?", where="--resource",
                do="choose gsMap_resource, or compute LD from a panel (--reference panel)",
            )  # fmt: skip
        folder = Path(params.resource).expanduser()
        lacking = [f for f in resource.check(folder) if f.state == "missing"]
        if lacking:
            raise StmlError(f"The resource directory lacks {lacking[0].part}", where=folder,
                            do=lacking[0].do)  # fmt: skip
        return {
            "baseline": (folder / resource.BASELINE).parent,
            "matrix": folder / resource.MATRIX,
            "weights": (folder / resource.WEIGHTS).parent,
        }
    for name in ("panel", "gtf"):
        if not getattr(params, name):
            raise StmlError(f"LD from a panel needs the {name}", where=f"--{name}")
    found = {"panel": Path(params.panel).expanduser().parent, "gtf": Path(params.gtf)}
    if params.keep_snps:
        found["keep_snps"] = Path(params.keep_snps).expanduser().parent
    if params.enhancers:
        found["enhancers"] = Path(params.enhancers)
    return found


def _vectors(
    inputs: Inputs, spots: Inside, params: TraitMapParams, counts: Any, genes: tuple[str, ...],
    codes: NDArray[np.int32] | None,
) -> Generator[Progress, None, tuple[NDArray[Any], tuple[str, ...]]]:  # fmt: skip
    """The stored embedding at the spots, or the network's."""
    if params.embedding:
        stored = np.asarray(inputs.one["embedding"])[spots.rows]
        return stored, (f"likeness by {params.embedding}, {stored.shape[1]} dimensions",)
    found = yield from latent(
        counts, genes, inputs.one.xy[spots.rows], codes, LatentChoice(), device=inputs.device,
        threads=inputs.threads, low=2, high=25,
    )  # fmt: skip
    return found.values, found.notes


ELSEWHERE = "elsewhere"


def _drawn(spots: Inside) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Drawn classes as labels; spots in none of them share one more."""
    drawn = regions_of(spots.section)
    codes = drawn.codes[spots.rows]
    return np.where(codes < 0, len(drawn.names), codes).astype(np.int32), (*drawn.names, ELSEWHERE)


def _groups(
    spots: Inside, codes: NDArray[np.int32] | None, names: tuple[str, ...], params: TraitMapParams
) -> list[made.Groups]:
    groups = []
    if codes is not None:
        name = made.ANNOTATION if params.annotation else made.REGIONS
        labels = spots.labels(name, codes, names)
        groups.append(made.Groups(name, np.asarray(labels.codes, np.int32), names))
    if params.regions and (params.annotation or codes is None):
        groups.append(regions_of(spots.section))
    return groups


def _everywhere(spots: Inside, values: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.full(len(spots.section.names), np.nan)
    out[spots.rows] = values
    return out
