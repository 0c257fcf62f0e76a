"""Where genes and enhancers lie: GTF and BED; which SNPs to keep; homologous genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LEAST_HOMOLOGS = 100


@dataclass(frozen=True)
class Places:
    """Intervals that belong to genes: 0-based, the end not included.

    Attributes
    ----------
    tss
        0-based start of the gene, or its end on the minus strand; -1 for enhancers.
    """

    chromosome: NDArray[np.object_]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    gene: NDArray[np.object_]
    tss: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def of(self, genes: Sequence[str]) -> Places:
        """Only those of some genes."""
        wanted = set(genes)
        return self.rows(np.array([g in wanted for g in self.gene], dtype=bool))

    def rows(self, chosen: NDArray[np.bool_]) -> Places:
        return Places(self.chromosome[chosen], self.start[chosen], self.end[chosen],
                      self.gene[chosen], self.tss[chosen])  # fmt: skip


def plain_chromosome(name: object) -> str:
    """Write chromosomes in one way: ``1`` and ``Chr1`` are ``chr1``."""
    text = str(name).strip()
    return f"chr{text[3:] if text[:3].casefold() == 'chr' else text}"


def read_gtf(path: str | Path) -> Places:
    """Genes of a GTF, the first row of each name."""
    import pandas as pd

    with reading(path, "The gene annotation cannot be read"):
        table = pd.read_csv(
            path, sep="\t", comment="#", header=None, usecols=[0, 2, 3, 4, 6, 8],
            dtype={0: str, 6: str, 8: str},
        )  # fmt: skip
    table = table[table[2] == "gene"]
    names = table[8].str.extract(r'gene_name "?([^";]+)"?', expand=False)
    table = table.assign(name=names)[names.notna()].drop_duplicates("name")
    if not len(table):
        raise CannotOpenError("No gene with a gene_name is in this file", where=path,
                              do="use a GTF of GENCODE or Ensembl")  # fmt: skip
    start = table[3].to_numpy(dtype=np.int64) - 1
    end = table[4].to_numpy(dtype=np.int64)
    return Places(
        np.array([plain_chromosome(c) for c in table[0]], dtype=object), start, end,
        table["name"].to_numpy(dtype=object), np.where(table[6] == "-", end, start),
    )  # fmt: skip


def read_bed(path: str | Path) -> Places:
    """Enhancers: four columns, the fourth names the gene."""
    import pandas as pd

    with reading(path, "The enhancers cannot be read"):
        table = pd.read_csv(path, sep="\t", header=None, comment="#")
    if table.shape[1] < 4:
        raise CannotOpenError("Enhancers need four columns: chromosome, start, end, gene",
                              where=path)  # fmt: skip
    return Places(
        np.array([plain_chromosome(c) for c in table[0]], dtype=object),
        table[1].to_numpy(dtype=np.int64), table[2].to_numpy(dtype=np.int64),
        table[3].astype(str).to_numpy(dtype=object), np.full(len(table), -1),
    )  # fmt: skip


def read_snp_list(path: str | Path) -> NDArray[np.object_]:
    """One rs number per line, no header."""
    import pandas as pd

    with reading(path, "The list of SNPs cannot be read"):
        return pd.read_csv(path, header=None, dtype=str, sep=r"\s+", usecols=[0])[0].to_numpy(
            dtype=object
        )


@dataclass(frozen=True)
class Homologs:
    """Human names of another species' genes."""

    species: str
    human: dict[str, str]

    def renamed(self, genes: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """Columns that have a human name, each human name once, and these names."""
        columns, names, seen = [], [], set[str]()
        for i, gene in enumerate(genes):
            name = self.human.get(gene)
            if name is not None and name not in seen:
                seen.add(name)
                columns.append(i)
                names.append(name)
        if len(names) < LEAST_HOMOLOGS:
            raise StmlError(
                f"Only {len(names)} genes of the section are in the homolog file",
                where=self.species,
                do="check that the file is of this species; human sections need none",
            )
        return np.array(columns, dtype=np.int64), tuple(names)


def read_homologs(path: str | Path) -> Homologs:
    """Read two columns with titles: the species' gene, the human gene; the first row counts."""
    import pandas as pd

    with reading(path, "The homologs cannot be read"):
        table = pd.read_csv(path, sep="\t", dtype=str).dropna()
    if table.shape[1] != 2:
        raise CannotOpenError(
            "A homolog file has two columns, separated by a tab: the species' gene and the human "
            "gene", where=path,
        )  # fmt: skip
    first = table.drop_duplicates(table.columns[0])
    return Homologs(
        str(table.columns[0]), dict(zip(first.iloc[:, 0], first.iloc[:, 1], strict=True))
    )
