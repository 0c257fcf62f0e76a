"""Gene lists: plain text, a column of a table, or GMT."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXAMPLES = 5


@dataclass(frozen=True)
class GeneLists:
    """Lists by name, in the section's spelling.

    Attributes
    ----------
    lists
        Genes of each list that the section has, in the file's order, none twice.
    unknown
        Entries of each list that the section does not have.
    notes
        How entries were matched where they were not written alike.
    """

    source: str
    lists: Mapping[str, tuple[str, ...]]
    unknown: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """The report in sentences."""
        lines = []
        for name, genes in self.lists.items():
            lost = self.unknown[name]
            line = f"{name}: {len(genes)} of {len(genes) + len(lost)} genes are in the table"
            if lost:
                line += f"; not found: {', '.join(lost[:EXAMPLES])}"
                line += f" and {len(lost) - EXAMPLES} more" if len(lost) > EXAMPLES else ""
            lines.append(line + ".")
        return "\n".join([*lines, *self.notes])


def bring_in_genes(
    path: str | Path,
    genes: Sequence[str],
    *,
    ids: Mapping[str, str] | None = None,
    column: str | None = None,
) -> GeneLists:
    """Read one or several gene lists and find their genes in a table.

    Parameters
    ----------
    genes
        Names of the table's variables.
    ids
        Further names of variables, for example Ensembl id -> symbol.
    column
        Title of the column of a CSV or TSV; else the one that agrees best.
    """
    path = Path(path)
    if not path.is_file():
        raise CannotOpenError("There is no such file", where=path)
    raw = path.read_bytes()
    if b"\0" in raw:
        raise CannotOpenError(
            "This is not a text file", where=path, do="choose a text file, a CSV or a GMT"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise CannotOpenError("The gene list is empty", where=path)
    finder = _Finder(genes, ids or {})
    if path.suffix.lower() == ".gmt":
        lists = _gmt(lines, path)
    elif path.suffix.lower() in (".csv", ".tsv"):
        lists = _column(lines, path, finder, column)
    else:
        words = [w for line in lines for w in re.split(r"[\s,;]+", line) if w]
        lists = {path.stem: words}
    return finder.found(path.name, lists)


class _Finder:
    """Finds genes as they are, by id, without version, and at last without regard to case."""

    def __init__(self, genes: Sequence[str], ids: Mapping[str, str]) -> None:
        self._exact = {
            **{_without_version(k): v for k, v in ids.items()},
            **ids,
            **{g: g for g in genes},
        }
        folded: dict[str, set[str]] = {}
        for gene in genes:
            folded.setdefault(gene.casefold(), set()).add(gene)
        self._folded = {k: next(iter(v)) for k, v in folded.items() if len(v) == 1}

    def __call__(self, entry: str) -> str | None:
        return (
            self._exact.get(entry)
            or self._exact.get(_without_version(entry))
            or self._folded.get(entry.casefold())
        )

    def found(self, source: str, lists: Mapping[str, Sequence[str]]) -> GeneLists:
        known: dict[str, tuple[str, ...]] = {}
        unknown: dict[str, tuple[str, ...]] = {}
        rewritten: dict[str, str] = {}
        for name, entries in lists.items():
            hits = {e: self(e) for e in dict.fromkeys(e.strip().strip("\"'") for e in entries) if e}
            known[name] = tuple(dict.fromkeys(g for g in hits.values() if g))
            unknown[name] = tuple(e for e, g in hits.items() if not g)
            rewritten |= {e: g for e, g in hits.items() if g and g != e}
        notes: tuple[str, ...] = ()
        if rewritten:
            entry, gene = next(iter(rewritten.items()))
            notes = (
                f"{len(rewritten)} entries are written differently in the table "
                f"({entry} was taken as {gene}).",
            )
        if not any(known.values()):
            first = next((e for u in unknown.values() for e in u), "nothing")
            raise CannotOpenError(
                f"No gene of the file is in the table; the file has {first}",
                where=source,
                do="check species and kind of names (symbols or Ensembl ids)",
            )
        return GeneLists(source, known, unknown, notes)


def _without_version(entry: str) -> str:
    return re.sub(r"^(ENS[A-Z]*\d+)\.\d+$", r"\1", entry)


def _gmt(lines: list[str], path: Path) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for i, line in enumerate(lines, start=1):
        cells = line.rstrip("\r\n").split("\t")
        if len(cells) < 3 or not cells[0].strip():
            raise CannotOpenError(
                f"Entry {i} is not a gene set (name, description, genes; separated by tabs)",
                where=path,
                do="choose a GMT file, or save a plain list as .txt",
            )
        if cells[0] in lists:
            raise CannotOpenError(f"The gene set '{cells[0]}' occurs twice", where=path)
        lists[cells[0]] = [c for c in cells[2:] if c.strip()]
    return lists


def _column(
    lines: list[str], path: Path, finder: _Finder, column: str | None
) -> dict[str, list[str]]:
    counts = {sign: lines[0].count(sign) for sign in ("\t", ";", ",")}
    sign = max(counts, key=lambda s: counts[s]) if any(counts.values()) else ","
    with reading(path, "The table cannot be read"):
        rows = list(csv.reader(lines, delimiter=sign))
    titles = [t.strip() for t in rows[0]]
    if column is not None:
        if column not in titles:
            raise CannotOpenError(
                f"There is no column '{column}'",
                where=path,
                do=f"choose one of {', '.join(titles[:10])}",
            )
        place = titles.index(column)
        return {column: [r[place] for r in rows[1:] if place < len(r)]}
    cells = [[r[i] for r in rows if i < len(r)] for i in range(len(titles))]
    hits = [sum(finder(c.strip()) is not None for c in col) for col in cells]
    place = hits.index(max(hits))
    headed = finder(titles[place]) is None
    name = titles[place] if headed and titles[place] else path.stem
    return {name: cells[place][1 if headed else 0 :]}
