"""SNPs, baseline and SNP-gene weights of a trait map: from a resource, or from a panel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.analyses._shared.progress import at, span
from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.gsmap import gene_places as files
from napari_stml.io.gsmap import plink, resource
from napari_stml.methods.gsmap import ld_scores, snp_gene
from napari_stml.methods.gsmap.trait import Reference, baseline_sum

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.core.progress import Progress
    from napari_stml.io.gsmap.gene_places import Places
    from napari_stml.io.gsmap.resource import SnpPart


@dataclass(frozen=True)
class PanelChoice:
    """How LD is computed from a panel; the names are those of gsMap's options."""

    bfile_root: str
    gtf: str
    keep_snp_root: str = ""
    window: int = snp_gene.WINDOW_BP
    enhancers: str = ""
    strategy: snp_gene.Strategy = "max_mkscore"
    priority: snp_gene.Priority = "enhancer_only"
    ld_wind: float = 1.0
    ld_unit: ld_scores.Unit = "CM"
    chromosomes: tuple[int, ...] = ()


@dataclass(frozen=True)
class ChromosomeLd:
    """What a panel gives for one chromosome."""

    snps: plink.Snps
    owner: NDArray[np.int64]
    maf: NDArray[np.float32]
    kept: NDArray[np.int64]
    by_gene: csr_matrix
    weight: NDArray[np.float64]
    extra: NDArray[np.float64]
    notes: tuple[str, ...]


def reference_of(part: SnpPart, extra: NDArray[np.float32] | None = None) -> Reference:
    """Make the regression's reference, with further columns (f32) where it is adjusted."""
    baseline = part.baseline
    if extra is not None:
        baseline = np.concatenate([baseline.astype(np.float32), extra], axis=1)
    return Reference(part.names, baseline.astype(np.float32), baseline_sum(baseline), part.weight,
                     part.index)  # fmt: skip


def chromosomes_of(root: str) -> tuple[int, ...]:
    """Chromosomes of a panel, by its bed files."""
    from napari_stml.io.gsmap.tables import by_chromosome

    found = tuple(by_chromosome(f"{root}.", ".bed"))
    if not found:
        raise CannotOpenError(
            "There is no panel of this name", where=f"{root}.1.bed",
            do="give what the names of bed, bim and fam begin with, without the chromosome",
        )  # fmt: skip
    return found


def from_panel(
    choice: PanelChoice, genes: Sequence[str], mean_score: NDArray[np.float64] | None,
    low: float, high: float,
) -> Generator[Progress, None, SnpPart]:  # fmt: skip
    """Compute LD by gene for all chromosomes of a panel, as quick mode would find it stored."""
    import scipy.sparse as sp

    places = gene_places(choice, genes)
    numbers = choice.chromosomes or chromosomes_of(choice.bfile_root)
    parts, notes = [], []
    for i, number in enumerate(numbers):
        start = low + (high - low) * i / len(numbers)
        stop = low + (high - low) * (i + 1) / len(numbers)
        part = yield from chromosome_ld(choice, number, places, mean_score, None, start, stop)
        parts.append(part)
        notes += [n for n in part.notes if n not in notes]
    matrix = sp.vstack([p.by_gene for p in parts]).tocsr()
    names = np.concatenate([p.snps.name[p.kept] for p in parts])
    baseline = baseline_of(matrix)
    used = np.flatnonzero(np.diff(matrix.tocsc().indptr[:-1]) > 0)
    owner = np.concatenate([p.owner[p.kept] for p in parts])
    return resource.SnpPart(
        names, np.repeat(np.array(numbers), [len(p.kept) for p in parts]), baseline,
        ("all_gene", "base"), np.concatenate([p.weight for p in parts]).astype(np.float32),
        matrix[:, used], tuple(places.gene[used]),
        np.concatenate([p.snps.bp[p.kept] for p in parts]),
        np.where(owner >= 0, np.append(places.gene, "")[owner], ""), tuple(notes),
    )  # fmt: skip


def baseline_of(by_gene: csr_matrix) -> NDArray[np.float16]:
    """``all_gene`` and ``base`` of weights whose last column is that of no gene."""
    total = np.asarray(by_gene.sum(axis=1)).ravel()
    nowhere = by_gene[:, -1].toarray().ravel()
    return np.column_stack([total - nowhere, total]).astype(np.float16)


def gene_places(choice: PanelChoice, genes: Sequence[str]) -> Places:
    """Places of the section's genes; an error when the annotation knows none of them."""
    places = files.read_gtf(choice.gtf).of(genes)
    if not len(places):
        raise StmlError(
            "The gene annotation names none of the section's genes", where=choice.gtf,
            do="check the species, or give a homolog file",
        )  # fmt: skip
    return places


def chromosome_ld(
    choice: PanelChoice, number: int, places: Places, mean_score: NDArray[np.float64] | None,
    annotation: NDArray[np.float64] | None, low: float, high: float,
) -> Generator[Progress, None, ChromosomeLd]:  # fmt: skip
    """One chromosome: genes of its SNPs, then LD to them and, for the weights, to kept SNPs.

    Parameters
    ----------
    mean_score
        Mean specificity of each gene of ``places``, which decides between enhancers.
    annotation
        (SNPs, k) further annotations, whose LD scores come as ``extra``.
    """
    yield at(low, f"chromosome {number}: genotypes")
    panel = plink.open_panel(choice.bfile_root, number)
    owner = owners(choice, number, panel.snps, places, mean_score)
    coordinates, size, note = ld_scores.window_coordinates(
        panel.snps.cm, panel.snps.bp, choice.ld_wind, choice.ld_unit
    )
    kept = _kept(choice, number, panel)
    columns = np.empty((len(panel), 0)) if annotation is None else annotation
    found = yield from span(
        ld_scores.gene_weights(
            panel, ld_scores.lefts(coordinates, size), owner, len(places), kept, columns
        ), low, low + 0.8 * (high - low), f"chromosome {number}: linkage",
    )  # fmt: skip
    weight = yield from span(
        _among_kept(panel, kept, coordinates, size), low + 0.8 * (high - low), high,
        f"chromosome {number}: regression weights",
    )  # fmt: skip
    notes = tuple(n for n in (note,) if n)
    return ChromosomeLd(
        panel.snps, owner, panel.maf, kept, found.by_gene, weight, found.extra, notes
    )


def owners(
    choice: PanelChoice, number: int, snps: plink.Snps, places: Places,
    mean_score: NDArray[np.float64] | None,
) -> NDArray[np.int64]:  # fmt: skip
    """Gene of each SNP: its index in ``places``, -1 for none."""
    here = places.chromosome == f"chr{number}"
    rows = np.flatnonzero(here)
    own = places.rows(here)
    window = snp_gene.by_window(snps.bp, own, own.tss, choice.window)
    enhancer = None
    if choice.enhancers:
        known = {g: i for i, g in enumerate(own.gene)}
        bed = files.read_bed(choice.enhancers).of(list(known))
        bed = bed.rows(bed.chromosome == f"chr{number}")
        by_score = choice.strategy == "max_mkscore" and mean_score is not None
        enhancer = snp_gene.by_enhancer(
            snps.bp, bed, np.array([known[g] for g in bed.gene], dtype=np.int64), tss=own.tss,
            score=mean_score[rows] if by_score and mean_score is not None else None,
        )  # fmt: skip
    found = snp_gene.merged(window, enhancer, choice.priority)
    return np.where(found >= 0, rows[found] if len(rows) else -1, -1)


def _kept(choice: PanelChoice, number: int, panel: plink.Genotypes) -> NDArray[np.int64]:
    if not choice.keep_snp_root:
        return np.arange(len(panel))
    path = plink.beside(Path(f"{choice.keep_snp_root}.{number}.snp"))
    wanted = set(files.read_snp_list(path))
    kept = np.flatnonzero([name in wanted for name in panel.snps.name])
    if not len(kept):
        raise StmlError(
            "None of the SNPs to keep is in the panel", where=path,
            do="both must use rs numbers; leave the list out to keep all",
        )  # fmt: skip
    return kept


class _Some:
    """A panel of some of another's SNPs."""

    def __init__(self, panel: plink.Genotypes, rows: NDArray[np.int64]) -> None:
        self._panel, self._rows, self.people = panel, rows, panel.people

    def __len__(self) -> int:
        return len(self._rows)

    def standardised(self, first: int, last: int) -> NDArray[np.float32]:
        rows = self._rows[first:last]
        if not len(rows):
            return self._panel.standardised(0, 0)
        whole = self._panel.standardised(int(rows[0]), int(rows[-1]) + 1)
        return np.asarray(whole[rows - rows[0]])


def _among_kept(
    panel: plink.Genotypes, kept: NDArray[np.int64], coordinates: NDArray[np.float64], size: float
) -> Generator[float, None, NDArray[np.float64]]:
    some, n = _Some(panel, kept), len(kept)
    found = yield from ld_scores.gene_weights(
        some, ld_scores.lefts(coordinates[kept], size), np.full(n, -1), 0, np.arange(n),
        np.ones((n, 1)),
    )  # fmt: skip
    return np.asarray(found.extra[:, 0])
