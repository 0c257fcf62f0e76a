"""The GWAS as files: PLINK panel, GTF, SNP lists, LD weights, summary statistics."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from napari_stml.demo.gwas import N_CHROMOSOMES, Gwas, Panel, ld_sums

_HM_MAF = 0.05


@dataclass(frozen=True)
class GwasPaths:
    """Files of the GWAS; those with a chromosome are roots to which ``.1``, ``.2`` belong."""

    folder: Path

    @property
    def bfile_root(self) -> Path:
        return self.folder / "panel" / "demo"

    @property
    def keep_snp_root(self) -> Path:
        return self.folder / "hapmap3_snps" / "hm"

    @property
    def weights_root(self) -> Path:
        return self.folder / "weights" / "weights"

    @property
    def gtf(self) -> Path:
        return self.folder / "genes.gtf.gz"

    def sumstats(self, trait: str) -> Path:
        return self.folder / f"{trait}.sumstats.gz"


def write(gwas: Gwas, folder: Path) -> GwasPaths:
    paths = GwasPaths(folder)
    for root in (paths.bfile_root, paths.keep_snp_root, paths.weights_root):
        root.parent.mkdir(parents=True, exist_ok=True)
    for chromosome in range(1, N_CHROMOSOMES + 1):
        _write_plink(gwas.panel, chromosome, paths.bfile_root)
        _write_weights(gwas.panel, chromosome, paths)
    _write_gtf(gwas, paths.gtf)
    for trait, z in gwas.z.items():
        with _gzip_text(paths.sumstats(trait)) as f:
            f.write("SNP\tA1\tA2\tZ\tN\n")
            for name, (a1, a2), value, n in zip(
                gwas.panel.name, gwas.panel.alleles, z, gwas.people, strict=True
            ):
                f.write(f"{name}\t{a1}\t{a2}\t{value:.3f}\t{n}\n")
    return paths


def _gzip_text(path: Path) -> TextIOWrapper:
    """Text to gzip without name and time inside, so that equal content gives equal bytes."""
    raw = gzip.GzipFile(filename="", mode="wb", fileobj=path.open("wb"), mtime=0)
    return _ClosingText(raw, encoding="utf-8", newline="\n")


class _ClosingText(TextIOWrapper):
    """Closes the file below the gzip stream as well, which GzipFile leaves open."""

    def close(self) -> None:
        below = getattr(self.buffer, "fileobj", None)
        super().close()
        if below is not None:
            below.close()


def _write_plink(panel: Panel, chromosome: int, root: Path) -> None:
    here = np.flatnonzero(panel.chromosome == chromosome)
    with open(f"{root}.{chromosome}.bim", "w", encoding="ascii", newline="\n") as f:
        for i in here:
            a1, a2 = panel.alleles[i]
            f.write(
                f"{chromosome}\t{panel.name[i]}\t{panel.cm[i]:.6f}\t{panel.bp[i]}\t{a1}\t{a2}\n"
            )
    people = panel.genotypes.shape[1]
    with open(f"{root}.{chromosome}.fam", "w", encoding="ascii", newline="\n") as f:
        f.writelines(f"P{i:03d} P{i:03d} 0 0 {1 + i % 2} -9\n" for i in range(people))
    code = np.array([3, 2, 0], dtype=np.uint8)[panel.genotypes[here]]  # copies of A1
    padded = np.zeros((len(here), -(-people // 4) * 4), dtype=np.uint8)
    padded[:, :people] = code
    four = padded.reshape(len(here), -1, 4)
    packed = four[..., 0] | four[..., 1] << 2 | four[..., 2] << 4 | four[..., 3] << 6
    Path(f"{root}.{chromosome}.bed").write_bytes(b"\x6c\x1b\x01" + packed.tobytes())


def _write_weights(panel: Panel, chromosome: int, paths: GwasPaths) -> None:
    here = np.flatnonzero(panel.chromosome == chromosome)
    kept = panel.maf[here] > _HM_MAF
    names = panel.name[here]
    Path(f"{paths.keep_snp_root}.{chromosome}.snp").write_text(
        "".join(f"{n}\n" for n in names[kept]), encoding="ascii"
    )
    score = ld_sums(panel, chromosome, kept, np.ones((len(here), 1)))[:, 0]
    with _gzip_text(Path(f"{paths.weights_root}.{chromosome}.l2.ldscore.gz")) as f:
        f.write("CHR\tSNP\tBP\tL2\n")
        for i in np.flatnonzero(kept):
            f.write(f"{chromosome}\t{names[i]}\t{panel.bp[here[i]]}\t{score[i]:.3f}\n")


def _write_gtf(gwas: Gwas, path: Path) -> None:
    with _gzip_text(path) as f:
        f.write("##description: genes of the demo section, places drawn at random\n")
        for i, g in enumerate(sorted(gwas.genes, key=lambda g: (g.chromosome, g.start))):
            f.write(
                f"chr{g.chromosome}\tdemo\tgene\t{g.start}\t{g.end}\t.\t{g.strand}\t.\t"
                f'gene_id "DEMOG{i:05d}"; gene_type "protein_coding"; gene_name "{g.name}";\n'
            )
