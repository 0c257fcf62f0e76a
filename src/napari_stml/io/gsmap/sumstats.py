"""Summary statistics of a GWAS, brought into the form that gsMap, LDSC and we read.

Rules and their order are those of gsMap 1.73.8 (``format_sumstats``). ``parity`` imitates it to
the letter, with what it refuses; otherwise more headers are known and nothing is dropped for a
column that is not used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.gsmap.headers import Headers, exact_headers, usual_headers
from napari_stml.io.gsmap.z_scores import with_n, with_z
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

PAIRS = frozenset({"AC", "AG", "CA", "CT", "GA", "GT", "TC", "TG"})
"""Allele pairs that tell the strand."""
SPACE = r"\s+"
COJO = ("SNP", "A1", "A2", "FRQ", "BETA", "SE", "P", "N")


@dataclass(frozen=True)
class FormatOptions:
    """What ``format_sumstats`` may be told; ``columns`` maps its options to columns.

    Attributes
    ----------
    n
        A number of people for all rows, where the file has none.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    n: int | None = None
    info_min: float = 0.9
    maf_min: float = 0.01
    dbsnp: Path | None = None
    chunksize: int = 1_000_000
    format: Literal["gsMap", "COJO"] = "gsMap"
    keep_chr_pos: bool = False
    parity: bool = False


@dataclass(frozen=True)
class Formatted:
    """The table, and how many rows each rule took."""

    table: pd.DataFrame
    headers: Headers
    rows: int
    dropped: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        lines = [f"{self.rows} rows read"]
        lines += [f"{count} dropped: {rule}" for rule, count in self.dropped.items() if count]
        lines += [f"{len(self.table)} SNPs kept", *self.notes]
        return "\n".join(lines)


def read_headers(path: str | Path, options: FormatOptions) -> Headers:
    """Say what each column will be taken for, from the first line alone."""
    columns = read_titles(path)
    given = {option: column for option, column in options.columns.items() if column}
    return exact_headers(columns, given) if options.parity else usual_headers(columns, given)


def read_titles(path: str | Path) -> list[str]:
    """Words of the first line."""
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise CannotOpenError("There is no such file", where=path)
    with reading(path, "The summary statistics cannot be read"):
        first = pd.read_csv(path, sep=_between(path), nrows=0, compression=_packed(path),
                            skipinitialspace=True)  # fmt: skip
    return [str(c) for c in first.columns]


def format_sumstats(path: str | Path, options: FormatOptions | None = None) -> Formatted:
    """Read, map, compute z and N, look up rs numbers and apply the rules."""
    import pandas as pd

    options = options or FormatOptions()
    path, headers = Path(path), read_headers(path, options)
    with reading(path, "The summary statistics cannot be read"):
        table = pd.read_csv(
            path, sep=SPACE if options.parity else _between(path), na_values=[".", "NA"],
            compression=_packed(path), skipinitialspace=True,
            usecols=None if options.parity else list(headers.names),
        )  # fmt: skip
    table = table.rename(columns=dict(headers.names))
    rows, notes = len(table), []
    if not rows:
        raise CannotOpenError("The file has a header and no rows", where=path)
    table, said = with_n(table, options.n, parity=options.parity, where=path)
    notes += said
    if options.format == "gsMap":
        table, said = with_z(table, parity=options.parity, where=path)
        notes += said
    dropped: dict[str, int] = {}
    if "SNP" not in table.columns:
        from napari_stml.io.gsmap.dbsnp import with_rs_numbers

        before = len(table)
        table = with_rs_numbers(table, options.dbsnp, options.chunksize, path)
        dropped["no rs number at this position"] = before - len(table)
    table = _checked(table, options, dropped)
    if not len(table):
        worst = max(dropped, key=lambda rule: dropped[rule])
        raise StmlError(
            f"No SNP is left; most ({dropped[worst]} of {rows}) went by the rule: {worst}",
            where=path, do="check which column was taken for what, or loosen the rule",
        )  # fmt: skip
    return Formatted(_chosen(table, options, path), headers, rows, dropped, tuple(notes))


def write_sumstats(done: Formatted, out: str | Path, kind: Literal["gsMap", "COJO"]) -> Path:
    """Write ``<out>.sumstats.gz`` or ``<out>.cojo.gz``; equal content gives equal bytes."""
    target = Path(f"{out}.{'sumstats' if kind == 'gsMap' else 'cojo'}.gz")
    target.parent.mkdir(parents=True, exist_ok=True)
    done.table.to_csv(
        target, sep="\t", index=False, float_format="%.3f",
        compression={"method": "gzip", "mtime": 0},
    )  # fmt: skip
    return target


def _checked(table: pd.DataFrame, options: FormatOptions, dropped: dict[str, int]) -> pd.DataFrame:
    """Apply the rules in their order; each is counted."""

    def keep(frame: pd.DataFrame, good: Any, rule: str) -> pd.DataFrame:
        chosen = np.asarray(good, dtype=bool)
        dropped[rule] = dropped.get(rule, 0) + int((~chosen).sum())
        return frame[chosen]

    needed = [c for c in table.columns if c != "INFO"]
    if not options.parity:
        wanted = {"SNP", "A1", "A2", "Z", "N"} if options.format == "gsMap" else set(COJO)
        needed = [c for c in needed if c in wanted]
    table = keep(table, table[needed].notna().all(axis=1), "a value is missing")
    if "INFO" in table:
        table = keep(
            table, table["INFO"] >= options.info_min, f"INFO below {options.info_min:g} or missing"
        )
    if "FRQ" in table:
        frq = table["FRQ"].to_numpy(dtype=np.float64)
        rare = (frq >= 0) & (frq <= 1) & (np.minimum(frq, 1 - frq) > options.maf_min)
        if not options.parity:
            rare |= np.isnan(frq)
        table = keep(table, rare, f"allele frequency not above {options.maf_min:g}")
    if "P" in table:
        p = table["P"].to_numpy(dtype=np.float64)
        good = (p > 0) & (p <= 1)
        if not options.parity:
            good |= np.isnan(p) | ((p == 0) & ("BETA" in table and "SE" in table))
        table = keep(table, good, "p is not above 0 and up to 1")
    if "A1" in table and "A2" in table:
        table = table.assign(
            A1=table["A1"].astype(str).str.upper(), A2=table["A2"].astype(str).str.upper()
        )
        table = keep(table, (table["A1"] + table["A2"]).isin(PAIRS),
                     "alleles are no single letters or do not tell the strand")  # fmt: skip
    table = keep(table, ~table["SNP"].duplicated(), "a repeated SNP")
    if "N" in table and len(table):
        least = float(np.quantile(table["N"], 0.9)) / 1.5
        table = keep(table, table["N"] >= least, f"fewer than {least:.0f} people (90 % / 1.5)")
    return table


def _chosen(table: pd.DataFrame, options: FormatOptions, path: Path) -> pd.DataFrame:
    wanted = list(COJO) if options.format == "COJO" else ["SNP", "A1", "A2", "Z", "N"]
    missing = [c for c in wanted if c not in table.columns]
    if set(missing) <= {"A1", "A2"} and not options.parity and options.format == "gsMap":
        wanted = [c for c in wanted if c not in missing]
    elif missing:
        raise StmlError(
            f"The file has no {' and no '.join(missing)}", where=path,
            do=f"name the column (--{missing[0].lower()})",
        )  # fmt: skip
    if options.keep_chr_pos:
        wanted += [c for c in ("Chr", "Pos") if c in table.columns]
    return table[wanted].reset_index(drop=True)


def _between(path: Path) -> str:
    """What parts the columns, from the first line: commas, semicolons, tabs, else white space."""
    import bz2
    import gzip

    unpacked: Any = {"gzip": gzip.open, "bz2": bz2.open}.get(_packed(path), open)
    with unpacked(path, "rt", encoding="utf-8", errors="replace") as file:
        titles = file.readline().strip()
    for sign in (",", ";"):
        if titles.count(sign) >= 2 and not any(c.isspace() for c in titles.replace(", ", ",")):
            return sign
    exact = "\t" in titles and all(t == t.strip() and " " not in t for t in titles.split("\t"))
    return "\t" if exact else SPACE


def _packed(path: Path) -> Any:
    """By the end of the name, as gsMap does: ``gz`` also without a full stop."""
    return "gzip" if path.name.endswith("gz") else "bz2" if path.name.endswith("bz2") else None
