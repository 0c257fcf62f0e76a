"""A reference panel in PLINK's bed, bim and fam files: genotypes standardised when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"\x6c\x1b\x01"
MISSING = 3
_COPIES = np.array([2, MISSING, 1, 0], dtype=np.uint8)
_FOUR = _COPIES[(np.arange(256)[:, None] >> (2 * np.arange(4))) & 3]
"""The copies of A1 that one byte holds for four people."""


@dataclass(frozen=True)
class Snps:
    """Rows of a bim file."""

    chromosome: NDArray[np.object_]
    name: NDArray[np.object_]
    cm: NDArray[np.float64]
    bp: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bp)

    def only(self, rows: NDArray[Any]) -> Snps:
        return Snps(self.chromosome[rows], self.name[rows], self.cm[rows], self.bp[rows])


class Genotypes:
    """Standardised genotypes of one chromosome, read block by block.

    SNPs at which everybody with a call is heterozygous say nothing and are left out; those that
    do not vary stay, as zeros.

    Attributes
    ----------
    snps, maf
        What is left, in the file's order.
    people
        How many are in the panel.
    """

    def __init__(self, bed: Path, snps: Snps, people: int) -> None:
        self.people = people
        self._bytes = -(-people // 4)
        with reading(bed, "The genotypes cannot be read"):
            raw = np.memmap(bed, dtype=np.uint8, mode="r")
        if raw[:3].tobytes() != MAGIC:
            raise CannotOpenError("This is no bed file in SNP-major order", where=bed,
                                  do="write it anew with plink --make-bed")  # fmt: skip
        if len(raw) - 3 != self._bytes * len(snps):
            raise CannotOpenError(
                f"The genotypes do not fit {len(snps)} SNPs of {people} people", where=bed,
                do="bed, bim and fam must come from the same run of PLINK",
            )  # fmt: skip
        self._raw = raw[3:].reshape(len(snps), self._bytes)
        kept, maf = self._survey()
        self._rows = np.flatnonzero(kept)
        self.snps, self.maf = snps.only(self._rows), maf[self._rows].astype(np.float32)

    def __len__(self) -> int:
        return len(self._rows)

    def standardised(self, first: int, last: int) -> NDArray[np.float32]:
        """(SNPs, people), mean 0 and sd 1 (ddof 0); missing calls are the mean."""
        copies = self._copies(self._rows[first:last]).astype(np.float32)
        copies[copies == MISSING] = np.nan
        called = ~np.isnan(copies)
        count = called.sum(axis=1, keepdims=True)
        total = np.nansum(copies, axis=1, keepdims=True, dtype=np.float64)
        mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
        centred = np.where(called, copies - mean, 0.0)
        sd = np.sqrt((centred**2).mean(axis=1, keepdims=True))
        out = np.divide(centred, sd, out=np.zeros_like(centred), where=sd > 0)
        return np.asarray(out, dtype=np.float32)

    def _copies(self, rows: NDArray[Any]) -> NDArray[np.uint8]:
        packed = np.asarray(self._raw[rows])
        return np.asarray(_FOUR[packed].reshape(len(packed), 4 * self._bytes)[:, : self.people])

    def _survey(self) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        kept, maf = [], []
        for start in range(0, len(self._raw), 4096):
            rows = np.arange(start, min(start + 4096, len(self._raw)))
            copies = self._copies(rows)
            count = (copies != MISSING).sum(axis=1)
            single = (copies == 1).sum(axis=1)
            total = single + 2 * (copies == 2).sum(axis=1)
            kept.append(single < count)
            share = np.divide(total, 2 * count, out=np.zeros(len(rows)), where=count > 0)
            maf.append(np.minimum(share, 1 - share))
        return np.concatenate(kept), np.concatenate(maf)


def read_bim(path: Path) -> Snps:
    import pandas as pd

    with reading(path, "The list of SNPs cannot be read"):
        table = pd.read_csv(
            path, sep=r"\s+", header=None, usecols=[0, 1, 2, 3],
            dtype={0: str, 1: str, 2: np.float64, 3: np.int64},
        )  # fmt: skip
    return Snps(*(table[i].to_numpy(dtype=kind) for i, kind in
                  enumerate((object, object, np.float64, np.int64))))  # fmt: skip


def open_panel(root: str | Path, chromosome: int | str) -> Genotypes:
    """Open ``<root>.<chromosome>.bed`` with its bim and fam."""
    base = f"{root}.{chromosome}"
    files = {end: beside(Path(f"{base}.{end}")) for end in ("bed", "bim", "fam")}
    with reading(files["fam"], "The list of people cannot be read"):
        import pandas as pd

        people = len(pd.read_csv(files["fam"], sep=r"\s+", header=None))
    return Genotypes(files["bed"], read_bim(files["bim"]), people)


def beside(path: Path) -> Path:
    """The file, or the same packed."""
    for candidate in (path, Path(f"{path}.gz")):
        if candidate.is_file():
            return candidate
    raise CannotOpenError(
        "A part of the reference panel is missing", where=path,
        do="the panel needs <root>.<chromosome>.bed, .bim and .fam for each chromosome",
    )  # fmt: skip
