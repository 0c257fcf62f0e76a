"""LD scores as files: gsMap's step 3, and the resource directory of a panel for quick mode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._gsmap.reference import (
    ChromosomeLd,
    PanelChoice,
    baseline_of,
    chromosome_ld,
    chromosomes_of,
    gene_places,
)
from napari_stml.core.errors import CannotOpenError
from napari_stml.io.gsmap import gene_places as files
from napari_stml.io.gsmap import resource
from napari_stml.io.gsmap.tables import read_table
from napari_stml.io.gsmap.tree import ResultTree, fingerprint, need, note, read_scores, same_input
from napari_stml.methods.gsmap.halves import LARGEST

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_stml.core.progress import Progress
    from napari_stml.io.gsmap.gene_places import Places
    from napari_stml.io.gsmap.plink import Snps

    Words = Generator[Progress, None, tuple[str, ...]]

COMMON = 0.05


def generate_ldscore(
    tree: ResultTree, choice: PanelChoice, *, spots_per_chunk: int = 1000, conditional: str = ""
) -> Words:
    """Step 3: LD scores of every spot from a panel, in files that gsMap's step 4 reads."""
    need(tree.scores, "run-latent-to-gene")
    same_input(tree.scores, tree.latent, "run-latent-to-gene")
    genes, spots, values = read_scores(tree.scores)
    places = gene_places(choice, genes)
    place = {g: i for i, g in enumerate(genes)}
    score = values[:, [place[g] for g in places.gene]].astype(np.float32)
    mean = score.mean(axis=0).astype(np.float64)
    numbers = choice.chromosomes or chromosomes_of(choice.bfile_root)
    notes: list[str] = []
    for i, number in enumerate(numbers):
        low, high = 100 * i / len(numbers), 100 * (i + 1) / len(numbers)
        extra, columns = _conditional(conditional, number, choice)
        found = yield from chromosome_ld(choice, number, places, mean, extra, low, high)
        _write_chromosome(tree, number, found, places, score, spots, spots_per_chunk)
        if columns:
            _write_frame(tree.ld / "additional_baseline" / f"baseline.{number}.l2.ldscore.feather",
                         found.snps.name[found.kept], columns, found.extra)  # fmt: skip
        notes += [n for n in found.notes if n not in notes]
    tree.ld_done.parent.mkdir(parents=True, exist_ok=True)
    tree.ld_done.touch()
    note(tree.ld_done, {"input": fingerprint(tree.scores), **vars(choice),
                        "conditional": conditional})  # fmt: skip
    return (*notes, f"written: {tree.ld}")


def build_resource(choice: PanelChoice, genes: tuple[str, ...], out: Path, about: str) -> Words:
    """Make a resource directory for quick mode from a panel of any ancestry."""
    import anndata as ad
    import pandas as pd
    import scipy.sparse as sp

    places = files.read_gtf(choice.gtf)
    places = places.of(genes) if genes else places
    numbers = choice.chromosomes or chromosomes_of(choice.bfile_root)
    matrices, names = [], []
    for i, number in enumerate(numbers):
        low, high = 100 * i / len(numbers), 100 * (i + 1) / len(numbers)
        found = yield from chromosome_ld(choice, number, places, None, None, low, high)
        kept = found.snps.only(found.kept)
        _write_frame(out / f"{resource.BASELINE}{number}.l2.ldscore.feather", kept.name,
                     ("all_gene", "base"), baseline_of(found.by_gene))  # fmt: skip
        _write_pairs(
            out / f"{resource.PAIRS}{number}.feather", number, found.snps, found.owner, places
        )
        _write_weights(out / f"{resource.WEIGHTS}{number}.l2.ldscore.gz", kept, number, found)
        matrices.append(found.by_gene[:, :-1])
        names.append(kept.name)
    matrix = sp.vstack(matrices).tocsr().astype(np.float32)
    used = np.flatnonzero(np.diff(matrix.tocsc().indptr) > 0)
    data = ad.AnnData(
        matrix[:, used], obs=pd.DataFrame(index=pd.Index(np.concatenate(names), dtype=object)),
        var=pd.DataFrame(index=pd.Index(places.gene[used], dtype=object)),
    )  # fmt: skip
    target = out / resource.MATRIX
    target.parent.mkdir(parents=True, exist_ok=True)
    with ad.settings.override(allow_write_nullable_strings=False):
        data.write_h5ad(target)
    (out / "stml_resource.txt").write_text(f"{about or choice.bfile_root}\n", encoding="utf-8")
    said = f"{matrix.shape[0]} SNPs, {len(used)} genes, chromosome {', '.join(map(str, numbers))}"
    return said, f"written: {out}"


def _write_chromosome(
    tree: ResultTree, number: int, found: ChromosomeLd, places: Places,
    score: NDArray[np.float32], spots: tuple[str, ...], per_chunk: int,
) -> None:  # fmt: skip
    kept = found.snps.only(found.kept)
    base = tree.ld / "baseline" / f"baseline.{number}"
    _write_frame(Path(f"{base}.l2.ldscore.feather"), kept.name, ("all_gene", "base"),
                 baseline_of(found.by_gene))  # fmt: skip
    counted = [found.owner >= 0, np.ones(len(found.owner), dtype=bool)]
    common = np.minimum(found.maf, 1 - found.maf) > COMMON
    _write_m(base, [float(c.sum()) for c in counted], [float((c & common).sum()) for c in counted])
    _write_weights(tree.ld / "w_ld" / f"weights.{number}.l2.ldscore.gz", kept, number, found)
    pairs = tree.ld / "SNP_gene_pair" / f"SNP_gene_pair_chr{number}.feather"
    _write_pairs(pairs, number, found.snps, found.owner, places)
    weights = found.by_gene[:, :-1].astype(np.float32)
    for chunk, first in enumerate(range(0, len(spots), per_chunk), start=1):
        own = slice(first, first + per_chunk)
        values = weights @ score[own].T
        half = np.clip(values, -LARGEST, LARGEST).astype(np.float16)
        _write_frame(tree.ld_chunk(chunk, number), kept.name, spots[own], half)


def _write_m(base: Path, whole: list[float], common: list[float]) -> None:
    for ending, values in (("M", whole), ("M_5_50", common)):
        text = "\t".join(f"{v:g}" for v in values)
        Path(f"{base}.l2.{ending}").write_text(f"{text}\n", encoding="ascii")


def _write_frame(path: Path, snps: Any, columns: tuple[str, ...], values: NDArray[Any]) -> None:
    import pyarrow as pa
    from pyarrow import feather

    arrays = [pa.array([str(s) for s in snps])]
    arrays += [pa.array(np.ascontiguousarray(values[:, i])) for i in range(values.shape[1])]
    path.parent.mkdir(parents=True, exist_ok=True)
    feather.write_feather(pa.table(arrays, names=["SNP", *columns]), path)


def _write_pairs(
    path: Path, number: int, snps: Snps, owner: NDArray[np.int64], places: Places
) -> None:
    import pandas as pd

    genes = [None if i < 0 else str(places.gene[i]) for i in owner]
    table = pd.DataFrame({"SNP": snps.name, "gene_name": genes, "CHR": number,
                          "BP": snps.bp, "CM": snps.cm})  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_feather(path)


def _write_weights(path: Path, kept: Snps, number: int, found: ChromosomeLd) -> None:
    import pandas as pd

    table = pd.DataFrame({"CHR": number, "SNP": kept.name, "BP": kept.bp, "CM": kept.cm,
                          "L2": found.weight})  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False, compression={"method": "gzip", "mtime": 0})


def _conditional(
    folder: str, number: int, choice: PanelChoice
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """Further annotations of the panel's SNPs; those a file does not name are 0."""
    if not folder:
        return None, ()
    import pandas as pd

    from napari_stml.io.gsmap.plink import open_panel

    path = Path(folder) / f"baseline.{number}.annot.gz"
    if not path.is_file():
        raise CannotOpenError("An additional annotation lacks a chromosome", where=path,
                              do="all chromosomes of the panel are needed")  # fmt: skip
    table = read_table(path).drop(columns=["CHR", "BP", "CM"], errors="ignore").set_index("SNP")
    names = pd.Index(open_panel(choice.bfile_root, number).snps.name, dtype=object)
    found = table.reindex(names).fillna(0.0)
    return found.to_numpy(dtype=np.float64), tuple(map(str, table.columns))
