"""gsMap's resource directory: what of it is there, and what quick mode reads from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.gsmap.tables import (
    CHROMOSOMES,
    by_chromosome,
    missing_chromosomes,
    read_columns,
    read_table,
)
from napari_stml.io.gsmap.weight_matrix import read_matrix

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

BASELINE = "quick_mode/baseline/baseline."
MATRIX = "quick_mode/snp_gene_weight_matrix.h5ad"
PAIRS = "quick_mode/SNP_gene_pair/SNP_gene_pair_chr"
WEIGHTS = "LDSC_resource/weights_hm3_no_hla/weights."
HAPMAP = "LDSC_resource/hapmap3_snps/hm."
PANEL = "LD_Reference_Panel/1000G_EUR_Phase3_plink/1000G.EUR.QC."
GTF = "genome_annotation/gtf"
HOMOLOGS = "homologs"
ENHANCERS = "genome_annotation/enhancer/by_tissue/ALL/ABC_roadmap_merged.bed"
PLACES = frozenset({"CHR", "BP", "CM", "MAF"})
"""Columns of LDSC's tables that say where a SNP lies."""
SOURCE = "https://yanglab.westlake.edu.cn/data/gsMap/gsMap_resource.tar.gz"


@dataclass(frozen=True)
class SnpPart:
    """SNPs of the LD scores with baseline, regression weights, and weights by gene.

    Attributes
    ----------
    baseline
        (SNPs, columns), in the precision of the files; ``columns`` names them.
    weight
        NaN where the weight files lack the SNP.
    bp, gene
        Place of each SNP and the gene it belongs to ("" for none); 0 and "" where unknown.
    index
        The names, where they were looked through already.
    """

    names: NDArray[np.object_]
    chromosome: NDArray[np.int64]
    baseline: NDArray[np.floating]
    columns: tuple[str, ...]
    weight: NDArray[np.float32]
    matrix: csr_matrix
    genes: tuple[str, ...]
    bp: NDArray[np.int64]
    gene: NDArray[np.object_]
    notes: tuple[str, ...] = ()
    index: pd.Index | None = None


@dataclass(frozen=True)
class Finding:
    """One part of the directory; ``state`` decides whether quick mode can run."""

    part: str
    state: Literal["there", "missing", "incomplete", "not needed"]
    text: str
    do: str = ""


def open_quick(folder: str | Path, *, places: bool = True) -> SnpPart:
    """Read what quick mode needs; SNPs of the matrix are found by name, whatever their order.

    ``places`` also reads where SNPs lie and to which gene they belong.
    """
    import pandas as pd

    folder = complete(folder)
    names, chromosome, baseline, columns = read_baseline(folder / BASELINE)
    index = pd.Index(names, dtype=object)
    weight, said = read_weights(folder / WEIGHTS, index)
    matrix, genes, also = read_matrix(folder / MATRIX, names)
    absent = missing_chromosomes(by_chromosome(folder / BASELINE))
    notes = [*said, *also]
    if absent:
        notes.append(f"without chromosome {', '.join(map(str, absent))}")
    bp, gene = read_pairs(folder / PAIRS if places else folder / "no", index)
    return SnpPart(
        names, chromosome, baseline, columns, weight, matrix, genes, bp, gene, tuple(notes), index
    )


def complete(folder: str | Path) -> Path:
    """Give the directory, or say what quick mode lacks in it."""
    folder = Path(folder)
    lacking = [f for f in check(folder) if f.state == "missing"]
    if lacking:
        raise CannotOpenError(
            f"The resource directory lacks {', '.join(f.part for f in lacking)}", where=folder,
            do=f"{lacking[0].do}; napari-stml gsmap check-resource says more",
        )  # fmt: skip
    return folder


def read_baseline(
    prefix: str | Path,
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.floating], tuple[str, ...]]:
    """Read SNPs in file order, with their chromosome and the columns of the baseline."""
    files = by_chromosome(prefix)
    if not files:
        raise CannotOpenError("There are no baseline LD scores", where=f"{prefix}1.l2.ldscore.*")
    found = [_baseline_columns(path) for path in files.values()]
    columns = tuple(c for c in found[0] if c != "SNP")
    for path, own in zip(files.values(), found, strict=True):
        if set(own) != {"SNP", *columns}:
            raise CannotOpenError(
                "The chromosomes of the baseline have different columns", where=path,
                do="take all files from one resource",
            )  # fmt: skip
    names = np.concatenate([own["SNP"] for own in found]).astype(object, copy=False)
    twice = len(names) - len(set(names.tolist()))
    if twice:
        raise CannotOpenError(
            f"{twice} SNPs stand twice in the baseline", where=prefix,
            do="remove the second copy of the chromosome's file",
        )  # fmt: skip
    number = np.repeat(np.array(list(files), np.int64), [len(own["SNP"]) for own in found])
    values = [np.concatenate([own[c] for own in found]) for c in columns]
    return names, number, np.column_stack(values), columns


def _baseline_columns(path: Path) -> dict[str, NDArray[Any]]:
    """SNP and scores; where gsMap left the SNPs as the index of the table, they are that."""
    found = read_columns(path, lambda name: name not in PLACES)
    if "SNP" in found or "index" in found:
        return {"SNP" if name == "index" else name: values for name, values in found.items()}
    table = read_table(path).reset_index(names="SNP")
    return {str(c): table[c].to_numpy() for c in table.columns if c not in PLACES}


def read_pairs(
    prefix: str | Path, names: pd.Index
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Positions and genes of SNPs, for the Manhattan plot; nothing where they are not there."""
    import pandas as pd

    files = by_chromosome(prefix, "")
    bp, gene = np.zeros(len(names), np.int64), np.full(len(names), "", dtype=object)
    if not files:
        return bp, gene
    whole = pd.concat([read_table(p) for p in files.values()])
    place = names.get_indexer(pd.Index(whole["SNP"], dtype=object))
    known = place >= 0
    bp[place[known]] = whole["BP"].to_numpy(dtype=np.int64)[known]
    gene[place[known]] = whole["gene_name"].fillna("").to_numpy(dtype=object)[known]
    return bp, gene


def read_weights(prefix: str | Path, names: pd.Index) -> tuple[NDArray[np.float32], list[str]]:
    """Regression weights of the SNPs, by name; NaN where there is none."""
    import pandas as pd

    files = by_chromosome(prefix)
    if not files:
        raise CannotOpenError("There are no regression weights", where=f"{prefix}1.l2.ldscore.gz",
                              do="give the prefix of the files (--w_file)")  # fmt: skip
    snps, values = zip(*(_weight_columns(path) for path in files.values()), strict=True)
    place = names.get_indexer(pd.Index(np.concatenate(snps), dtype=object))
    used = np.flatnonzero(place >= 0)[::-1]
    found = np.full(len(names), np.nan, np.float32)
    found[place[used]] = np.concatenate(values).astype(np.float32)[used]
    known = np.isfinite(found)
    if not known.any():
        raise StmlError("No SNP of the LD scores is in the regression weights", where=prefix,
                        do="both must come from the same panel")  # fmt: skip
    lost = int((~known).sum())
    return found, [f"{lost} SNPs have no regression weight"] if lost else []


def _weight_columns(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    found = read_columns(path, lambda name: name not in PLACES)
    if len(found) != 2 or "SNP" not in found:
        raise CannotOpenError("Regression weights have the columns SNP and L2", where=path)
    (value,) = (v for name, v in found.items() if name != "SNP")
    return found["SNP"], value


def check(folder: str | Path) -> tuple[Finding, ...]:
    """Look at each part of the directory, without reading the large ones."""
    folder = Path(folder)
    if not folder.is_dir():
        raise CannotOpenError("There is no such folder", where=folder,
                              do=f"download it ({SOURCE}) or build one from a panel")  # fmt: skip
    fetch = f"get the whole archive ({SOURCE}), or build it: napari-stml gsmap build-resource"
    found = [
        _files(folder, "baseline LD scores", BASELINE, ".l2.ldscore", fetch),
        _single(folder, "SNP-gene weights", MATRIX, fetch),
        _files(folder, "regression weights", WEIGHTS, ".l2.ldscore", fetch),
    ]
    further = [
        _files(folder, "SNP-gene pairs", PAIRS, ".feather", fetch),
        _files(folder, "reference panel", PANEL, ".bed", fetch),
        _files(folder, "SNPs to keep", HAPMAP, ".snp", fetch),
        _any(folder, "gene annotation", GTF, "*.gtf*"),
        _any(folder, "homologs", HOMOLOGS, "*.txt"),
        _single(folder, "enhancers", ENHANCERS, fetch),
    ]
    optional = tuple(
        Finding(f.part, "not needed" if f.state == "missing" else f.state, f.text, f.do)
        for f in further
    )
    return (*found, *optional)


def _files(folder: Path, part: str, prefix: str, ending: str, do: str) -> Finding:
    found = by_chromosome(folder / prefix, ending)
    absent = [c for c in CHROMOSOMES if c not in found]
    if not found:
        return Finding(part, "missing", f"{prefix}*{ending}", do)
    if absent:
        return Finding(part, "incomplete", f"without {', '.join(map(str, absent))}",
                       "the missing chromosomes are left out of the analysis")  # fmt: skip
    return Finding(part, "there", "chromosomes 1 to 22")


def _single(folder: Path, part: str, path: str, do: str) -> Finding:
    if (folder / path).is_file():
        return Finding(part, "there", path)
    return Finding(part, "missing", path, do)


def _any(folder: Path, part: str, where: str, pattern: str) -> Finding:
    found = sorted((folder / where).glob(pattern)) if (folder / where).is_dir() else []
    if found:
        return Finding(part, "there", ", ".join(p.name for p in found))
    return Finding(part, "missing", where)


def provenance(folder: str | Path) -> str:
    """Build and ancestry, where somebody wrote them down; the public archive is European, hg19."""
    path = Path(folder) / "stml_resource.txt"
    if path.is_file():
        return path.read_text(encoding="utf-8").strip()
    return "1000 Genomes, European, hg19 (as gsMap's public archive; nothing else is stated)"
