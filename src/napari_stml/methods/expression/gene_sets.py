"""Named lists of genes: read from text, matched with the genes of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_stml.core.errors import StmlError

GeneSets = Mapping[str, tuple[str, ...]]
_SEPARATORS = re.compile(r"[,;\s]+")


def from_text(text: str, name: str, *, gmt: bool) -> dict[str, tuple[str, ...]]:
    """Read a GMT (name, description, genes; by tabs), or one list of genes.

    In a list, a line ``name: A, B, C`` is a set of its own; all other genes are one set, called
    ``name``. Lines that begin with # are skipped.
    """
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    sets: dict[str, tuple[str, ...]] = {}
    rest: list[str] = []
    for line in lines:
        if gmt:
            title, _, *genes = (*line.split("\t"), "", "")
        elif ":" in line:
            title, _, listed = line.partition(":")
            genes = split(listed)
        else:
            rest += split(line)
            continue
        title = title.strip()
        if not title or title in sets:
            kind = "has no name" if not title else "occurs twice"
            raise StmlError(
                f"A gene set {kind}", where=f"{name}: {line[:40]}", do="correct the file"
            )
        sets[title] = _unique(genes)
    if rest:
        sets[name] = _unique(rest)
    if not any(sets.values()):
        raise StmlError(
            "No genes were found in this file", where=name,
            do="give a GMT file, or a text with one gene per line",
        )  # fmt: skip
    return {title: genes for title, genes in sets.items() if genes}


def split(text: str) -> list[str]:
    """Gene names between commas, semicolons or blanks."""
    return [gene for gene in _SEPARATORS.split(text) if gene]


@dataclass(frozen=True)
class Matched:
    """A gene set in a table: columns of those found, names of those missing.

    ``recased`` counts genes found only without regard to upper and lower case.
    """

    name: str
    columns: tuple[int, ...]
    missing: tuple[str, ...]
    recased: int = 0


def matched(sets: GeneSets, genes: Sequence[str]) -> tuple[Matched, ...]:
    """Look the genes of every set up, exactly first, then without regard to case."""
    exact = {gene: i for i, gene in enumerate(genes)}
    folded = {gene.casefold(): i for i, gene in reversed(list(enumerate(genes)))}
    result = []
    for name, wanted in sets.items():
        columns: dict[int, None] = {}
        missing, recased = [], 0
        for gene in wanted:
            place = exact.get(gene)
            if place is None:
                place = folded.get(gene.casefold())
                recased += place is not None
            if place is None:
                missing.append(gene)
            else:
                columns[place] = None
        result.append(Matched(name, tuple(columns), tuple(missing), recased))
    if not any(m.columns for m in result):
        asked = [gene for m in result for gene in m.missing][:3]
        raise StmlError(
            f"None of the genes is in this table (for example {', '.join(asked)})",
            where=f"{len(genes)} genes such as {', '.join(genes[:3])}",
            do="use the gene names of the table: symbols or ids of the same species",
        )  # fmt: skip
    return tuple(result)


def _unique(genes: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(gene.strip() for gene in genes if gene.strip()))
