"""The folders that gsMap's steps write and read: ``<workdir>/<sample>/...``.

gsMap takes whatever file it finds under the right name. Here every step leaves a note of what it
was made with, and a step that finds its input made from something else says so.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.gsmap.traits import safe_name
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class ResultTree:
    """Paths of one sample; asking for one makes no folder."""

    workdir: Path
    sample: str

    @classmethod
    def of(cls, workdir: str | Path, sample: str) -> ResultTree:
        return cls(Path(workdir).expanduser(), safe_name(sample))

    @property
    def folder(self) -> Path:
        return self.workdir / self.sample

    @property
    def latent(self) -> Path:
        return self.folder / "find_latent_representations" / f"{self.sample}_add_latent.h5ad"

    @property
    def scores(self) -> Path:
        return self.folder / "latent_to_gene" / f"{self.sample}_gene_marker_score.feather"

    @property
    def ld(self) -> Path:
        return self.folder / "generate_ldscore"

    @property
    def ld_done(self) -> Path:
        return self.ld / f"{self.sample}_generate_ldscore.done"

    def ld_chunk(self, chunk: int, chromosome: int) -> Path:
        return (
            self.ld
            / f"{self.sample}_chunk{chunk}"
            / f"{self.sample}.{chromosome}.l2.ldscore.feather"
        )

    def spots(self, trait: str, chunks: tuple[int, int] | None = None) -> Path:
        part = "" if chunks is None else f"_chunk{chunks[0]}-{chunks[1]}"
        return self.folder / "spatial_ldsc" / f"{self.sample}_{safe_name(trait)}{part}.csv.gz"

    def cauchy(self, trait: str) -> Path:
        name = f"{self.sample}_{safe_name(trait)}.Cauchy.csv.gz"
        return self.folder / "cauchy_combination" / name

    def report(self, trait: str) -> Path:
        return self.folder / "report" / safe_name(trait)

    def genes(self, trait: str) -> Path:
        name = f"{self.sample}_{safe_name(trait)}_Gene_Diagnostic_Info.csv"
        return self.report(trait) / name


def need(path: Path, step: str) -> Path:
    """Give the file, or say which step makes it."""
    if not path.is_file():
        raise CannotOpenError("A result of an earlier step is missing", where=path,
                              do=f"run {step} first")  # fmt: skip
    return path


def read_sample(path: str | Path) -> Any:
    import anndata as ad

    with reading(path, "The h5ad file cannot be read"):
        return ad.read_h5ad(path)


def write_sample(data: Any, path: Path) -> None:
    import anndata as ad

    path.parent.mkdir(parents=True, exist_ok=True)
    with ad.settings.override(allow_write_nullable_strings=False):
        data.write_h5ad(path)


def write_scores(
    path: Path, genes: Sequence[str], spots: Sequence[str], scores: NDArray[Any]
) -> None:
    """Write (spots, genes) as gsMap's table: one column per spot, half precision."""
    import pyarrow as pa
    from pyarrow import feather

    columns = [pa.array([str(g) for g in genes])]
    columns += [pa.array(np.asarray(row, dtype=np.float16)) for row in scores]
    table = pa.table(columns, names=["HUMAN_GENE_SYM", *map(str, spots)])
    path.parent.mkdir(parents=True, exist_ok=True)
    feather.write_feather(table, path)


def read_scores(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.float16]]:
    """Genes, spots and scores (spots, genes)."""
    from pyarrow import feather

    with reading(path, "The specificity scores cannot be read"):
        table = feather.read_table(path)
    names = table.column_names
    if "HUMAN_GENE_SYM" not in names:
        raise CannotOpenError("Specificity scores have a column HUMAN_GENE_SYM", where=path)
    genes = tuple(map(str, table.column("HUMAN_GENE_SYM").to_pylist()))
    spots = tuple(n for n in names if n != "HUMAN_GENE_SYM")
    out = np.empty((len(spots), len(genes)), np.float16)
    for i, name in enumerate(spots):
        out[i] = table.column(name).to_numpy()
    return genes, spots, out


def link_or_copy(source: Path, target: Path) -> None:
    """Point to a folder of the resource, as quick mode does."""
    if target.is_symlink() or target.exists():
        if target.is_symlink():
            target.unlink()
        else:
            raise StmlError("LD scores of another run lie here", where=target,
                            do="remove them or choose another workdir")  # fmt: skip
    target.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(source.absolute(), target, target_is_directory=True)


def fingerprint(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def note(path: Path, made_with: Mapping[str, Any]) -> None:
    """Leave beside a result what it was made with."""
    text = json.dumps(made_with, indent=1, sort_keys=True, default=str)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name + ".stml.json").write_text(text, encoding="utf-8")


def noted(path: Path) -> dict[str, Any]:
    """What a result was made with; nothing where gsMap itself made it."""
    beside = path.with_name(path.name + ".stml.json")
    if not beside.is_file():
        return {}
    content: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
    return content


def same_input(result: Path, source: Path, step: str) -> None:
    """Raise when a result says that it was made from another version of ``source``."""
    known = noted(result).get("input")
    if known is not None and source.is_file() and known != fingerprint(source):
        raise StmlError(
            f"{result.name} was made from other data than {source.name} now holds", where=result,
            do=f"run {step} again",
        )  # fmt: skip
