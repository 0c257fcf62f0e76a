"""rs numbers of positions, from a table of dbSNP or a VCF."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, TextIO, cast

from napari_stml.core.errors import StmlError
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def with_rs_numbers(
    table: pd.DataFrame, dbsnp: Path | None, chunksize: int, where: Path
) -> pd.DataFrame:
    """Give every row the first rs number of its position, in dbSNP's order; rows without one go.

    Alleles are not compared, as in gsMap; "chr" before a chromosome is no difference.
    """
    import pandas as pd

    if not {"Chr", "Pos"} <= set(table.columns):
        raise StmlError(
            "The file has neither rs numbers nor positions", where=where,
            do="name the column of rs numbers (--snp), or chromosome and position (--chr, --pos)",
        )  # fmt: skip
    if dbsnp is None:
        raise StmlError(
            "The file has positions and no rs numbers", where=where,
            do="give a table of dbSNP of the same genome build (--dbsnp FILE)",
        )  # fmt: skip
    table = table[table["Chr"].notna() & table["Pos"].notna()]
    keys = _plain(table["Chr"]) + "_" + table["Pos"].astype("int64").astype(str)
    first = ~keys.duplicated()
    table, keys = table[first], keys[first]
    known = set(keys)
    parts = []
    with reading(dbsnp, "The table of dbSNP cannot be read"):
        for part in pd.read_csv(
            dbsnp, sep="\t", header=None, skiprows=_lines_above(dbsnp), chunksize=chunksize,
            usecols=[0, 1, 2] if _is_vcf(dbsnp) else [0, 1, 4], dtype={0: str},
        ):  # fmt: skip
            part.columns = pd.Index(["chr", "pos", "rs"])
            part["key"] = _plain(part["chr"]) + "_" + part["pos"].astype("int64").astype(str)
            parts.append(part.loc[part["key"].isin(known), ["key", "rs"]])
    found = pd.concat(parts).drop_duplicates("rs").drop_duplicates("key")
    if not len(found):
        raise StmlError(
            "No position of the file is in the table of dbSNP", where=dbsnp,
            do="check that both have the same genome build",
        )  # fmt: skip
    return table.set_index(keys.to_numpy()).loc[found["key"]].assign(SNP=found["rs"].to_numpy())


def _plain(chromosome: pd.Series) -> pd.Series:
    text = chromosome.astype(str).str.replace(r"\.0$", "", regex=True)
    return text.str.replace(r"^chr", "", regex=True, case=False)


def _is_vcf(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(".vcf")


def _lines_above(path: Path) -> int:
    """The table has one line of titles; a VCF as many as begin with ``#``."""
    if not _is_vcf(path):
        return 1
    opener = gzip.open if path.name.endswith(".gz") else open
    with cast("TextIO", opener(path, "rt", encoding="utf-8")) as file:
        count = 0
        while file.readline().startswith("#"):
            count += 1
    return count
