"""LD scores that step 3 left as files, read a few spots at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.gsmap.resource import read_baseline, read_weights
from napari_stml.io.gsmap.tables import by_chromosome
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_stml.io.gsmap.tree import ResultTree


@dataclass(frozen=True)
class StoredBaseline:
    """What the regression needs beside the scores of the spots."""

    names: NDArray[np.object_]
    baseline: NDArray[np.floating]
    weight: NDArray[np.float32]


@dataclass(frozen=True)
class StoredLd:
    """Spots in the order of the files, and the files of each of their chunks."""

    base: StoredBaseline
    spots: tuple[str, ...]
    chunks: tuple[tuple[tuple[str, ...], tuple[Path, ...]], ...]
    notes: tuple[str, ...]

    def read(self, first: int, last: int) -> NDArray[np.float16]:
        """(SNPs, spots) of the spots from ``first`` to before ``last``."""
        from pyarrow import feather

        parts = []
        start = 0
        for names, files in self.chunks:
            own = list(names[max(0, first - start) : max(0, last - start)])
            start += len(names)
            if own:
                with reading(files[0], "The LD scores cannot be read"):
                    tables = [feather.read_table(f, columns=own) for f in files]
                parts.append(
                    np.concatenate([
                        np.stack([t.column(name).to_numpy() for name in own], axis=1)
                        for t in tables
                    ])
                )  # fmt: skip
        return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def open_stored(tree: ResultTree, w_file: str = "", *, additional: bool = True) -> StoredLd:
    """Baseline, weights and scores of a sample; SNPs must stand in one order in all of them."""
    import pandas as pd

    names, _, baseline, _ = read_baseline(tree.ld / "baseline" / "baseline.")
    notes: list[str] = []
    further = tree.ld / "additional_baseline"
    if additional and by_chromosome(further / "baseline."):
        more_names, _, more, columns = read_baseline(further / "baseline.")
        _same(names, more_names, further)
        baseline = np.concatenate([baseline.astype(np.float32), more.astype(np.float32)], axis=1)
        notes.append(f"adjusted for {', '.join(columns)}")
    prefix = w_file or str(tree.ld / "w_ld" / "weights.")
    weight, said = read_weights(prefix, pd.Index(names, dtype=object))
    folders = sorted(tree.ld.glob(f"{tree.sample}_chunk*"),
                     key=lambda p: int(p.name.rpartition("chunk")[2]))  # fmt: skip
    if not folders:
        raise CannotOpenError("There are no LD scores of spots", where=tree.ld,
                              do="run run-generate-ldscore, or give the resource")  # fmt: skip
    chunks = []
    for folder in folders:
        files = tuple(by_chromosome(folder / f"{tree.sample}.").values())
        spots, own = _contents(files)
        _same(names, own, folder)
        chunks.append((spots, files))
    every = tuple(s for spots, _ in chunks for s in spots)
    return StoredLd(StoredBaseline(names, baseline, weight), every, tuple(chunks),
                    (*notes, *said))  # fmt: skip


def _contents(files: tuple[Path, ...]) -> tuple[tuple[str, ...], NDArray[np.object_]]:
    from pyarrow import feather

    spots: tuple[str, ...] = ()
    snps = []
    for path in files:
        with reading(path, "The LD scores cannot be read"):
            table = feather.read_table(path, memory_map=True)
        own = tuple(c for c in table.column_names if c not in ("SNP", "index"))
        if spots and own != spots:
            raise StmlError("The chromosomes have different spots", where=path,
                            do="run run-generate-ldscore again for all chromosomes")  # fmt: skip
        spots = own
        snps.append(np.array(table.column("SNP").to_pylist(), dtype=object))
    return spots, np.concatenate(snps)


def _same(names: NDArray[np.object_], own: NDArray[np.object_], where: Path) -> None:
    if len(names) != len(own) or not (names == own).all():
        raise StmlError(
            "The SNPs stand in another order than in the baseline, or are others", where=where,
            do="run run-generate-ldscore again, with one panel and one list of SNPs",
        )  # fmt: skip
