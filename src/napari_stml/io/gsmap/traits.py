"""Formatted summary statistics, one or several."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.gsmap.sumstats import (
    FormatOptions,
    format_sumstats,
    read_headers,
    read_titles,
)
from napari_stml.io.gsmap.tables import read_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Sumstats:
    """What a regression needs of a GWAS."""

    name: str
    path: Path
    snps: NDArray[np.object_]
    z: NDArray[np.float32]
    n: NDArray[np.float32]


def read_sumstats(path: str | Path, name: str = "") -> Sumstats:
    """Read a formatted file (SNP, Z, N); others are answered with the command that formats them."""
    path = Path(path)
    formatted(path)
    table = read_columns(path, {"SNP", "Z", "N"}.__contains__)
    if not len(table["SNP"]):
        raise CannotOpenError("These summary statistics have no rows", where=path)
    try:
        z, n = (table[c].astype(np.float32) for c in ("Z", "N"))
    except (TypeError, ValueError) as error:
        raise CannotOpenError(f"Z and N must be numbers: {error}", where=path,
                              do="format the file anew") from error  # fmt: skip
    return Sumstats(name or trait_name(path), path, table["SNP"].astype(object), z, n)


def read_any(
    path: str | Path, name: str, options: FormatOptions
) -> tuple[Sumstats, tuple[str, ...]]:
    """Read a formatted file, or format any other as ``format-sumstats`` does; with what it said."""
    if is_formatted(path):
        return read_sumstats(path, name), ()
    done = format_sumstats(path, options)
    table = done.table
    sums = Sumstats(
        name or trait_name(Path(path)), Path(path), table["SNP"].to_numpy(dtype=object),
        table["Z"].to_numpy(dtype=np.float64).round(3).astype(np.float32),
        table["N"].to_numpy(dtype=np.float32),
    )  # fmt: skip
    said = [*done.headers.text().splitlines(), *done.text().splitlines()]
    return sums, tuple(f"{sums.name}: {line}" for line in said)


def formatted(path: str | Path) -> Path:
    """Give a file that is formatted, by its first line; else the command that formats it."""
    titles = read_titles(path)
    missing = [c for c in ("SNP", "Z", "N") if c not in titles]
    if missing:
        raise CannotOpenError(
            f"These summary statistics have no column {' and no column '.join(missing)}",
            where=path,
            do="format them first: napari-stml gsmap format-sumstats --sumstats FILE --out NAME",
        )  # fmt: skip
    return Path(path)


def is_formatted(path: str | Path) -> bool:
    """Whether a file has the columns of `read_sumstats`, by its first line."""
    return {"SNP", "Z", "N"} <= set(read_titles(path))


def foreseen(path: str | Path, name: str, options: FormatOptions) -> list[str]:
    """Say what the columns of a file will be taken for."""
    if is_formatted(path):
        return [f"{name}: formatted summary statistics"]
    headers = read_headers(path, options)
    told = [f"{name}: {line}" for line in headers.text().splitlines()]
    known = set(headers.names.values())
    if options.n is None and "N" not in known and not {"N_CAS", "N_CON"} <= known:
        told.append(f"{name}: the number of people is missing, give it below More")
    if "SNP" not in known and options.dbsnp is None:
        told.append(f"{name}: rs numbers are missing, give a table of dbSNP below More")
    return told


def trait_name(path: Path) -> str:
    return safe_name(re.sub(r"(\.sumstats|\.txt|\.tsv)?(\.gz|\.bz2)?$", "", path.name))


def safe_name(text: str) -> str:
    """A name that can be part of a path: course material writes quotes into names."""
    cleaned = re.sub(r"[^\w.+-]+", "_", text.strip().strip("'\"“”‘’").strip()).strip("._")
    if not cleaned:
        raise StmlError("A name is needed that has letters or digits", where=repr(text))
    return cleaned


def read_config(path: str | Path) -> dict[str, Path]:
    """Traits of a ``gwas_config.yaml``: name -> file.

    A relative path is looked for where the program runs, as gsMap does, then beside the file.
    """
    import yaml

    path = Path(path)
    if not path.is_file():
        raise CannotOpenError("There is no such file", where=path)
    try:
        # every word is text: a trait may be named "null" or "no"
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise CannotOpenError(f"This is no YAML file: {error}", where=path) from error
    if not isinstance(content, dict) or not content:
        raise CannotOpenError("A list of traits has one line per trait, NAME: FILE", where=path)
    found: dict[str, Path] = {}
    for name, value in content.items():
        file = Path(str(value)).expanduser()
        places = [file] if file.is_absolute() else [file, path.parent / file]
        there = next((p for p in places if p.is_file()), None)
        if there is None:
            raise CannotOpenError(f"The file of the trait '{name}' is missing", where=file,
                                  do=f"correct its path in {path.name}")  # fmt: skip
        clean = safe_name(str(name))
        if clean in found:
            raise CannotOpenError(f"Two traits are named '{clean}'", where=path)
        found[clean] = there
    return found
