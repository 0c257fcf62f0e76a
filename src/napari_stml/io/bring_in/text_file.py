"""How a text file is to be read: encoding, separator, and whether its rows are equally wide."""

from __future__ import annotations

import codecs
import csv
import gzip
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO, cast

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SAMPLE_ROWS = 2_000


@dataclass(frozen=True)
class Layout:
    """How a text file is cut into cells; ``width`` is the number of its columns."""

    encoding: str
    separator: str
    width: int


def text_layout(path: Path) -> Layout:
    """Read the whole text once: its encoding, separator, and that every row is as wide."""
    with reading(path, "The file cannot be read"):
        encoding = _encoding(path)
        with opened(path, encoding) as file:
            sample = list(islice(file, SAMPLE_ROWS))
        if not any(line.strip() for line in sample):
            raise CannotOpenError("The file is empty", where=path)
        separator = _separator(sample, path)
        widths = Counter(len(row) for row in csv.reader(sample, delimiter=separator) if row)
        width = widths.most_common(1)[0][0]
        with opened(path, encoding) as file:
            _check_widths(path, rows_of(file, separator), width)
    return Layout(encoding, separator, width)


def _check_widths(path: Path, rows: Iterable[tuple[int, list[str]]], width: int) -> None:
    """A header may lack the title of R's row names; titles above the header may be short."""
    begun = False
    for line, row in rows:
        begun = begun or len(row) == width
        if len(row) > width or (begun and len(row) != width):
            raise CannotOpenError(
                f"Line {line} has {len(row)} cells where the others have {width}",
                where=path,
                do="open the file in a spreadsheet program and repair that line",
            )


def opened(path: Path, encoding: str) -> TextIO:
    if path.suffix.lower() == ".gz":
        return cast("TextIO", gzip.open(path, "rt", encoding=encoding, newline=""))
    return path.open(encoding=encoding, newline="")


def _encoding(path: Path) -> str:
    zipped = path.suffix.lower() == ".gz"
    with cast("Any", gzip.open if zipped else open)(path, "rb") as file:
        start = file.read(4)
        if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        utf8, part = True, start
        while part:
            if b"\0" in part:
                raise CannotOpenError(
                    "This is not a text file", where=path, do="choose a CSV, TSV or XLSX file"
                )
            try:
                decoder.decode(part)
            except UnicodeDecodeError:
                utf8 = False
                break
            part = file.read(1 << 20)
    return "utf-8-sig" if utf8 else "latin-1"


def _separator(lines: list[str], path: Path) -> str:
    """The sign that cuts most rows into the same number of cells, at least two."""
    best, score = "", 0.0
    for sign in ("\t", ";", ",", "|"):
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=sign) if row)
        width, count = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]))
        agreement = count / sum(widths.values()) if width > 1 else 0.0
        # "1,5;2,5" is cut by both signs: the semicolon stands first and wins the tie.
        if agreement > score + 0.05:
            best, score = sign, agreement
    if not best:
        raise CannotOpenError(
            "The file has only one column",
            where=path,
            do="a table needs one column of barcodes and one of values",
        )
    return best


def rows_of(file: TextIO, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Number of the line read last and the cells of each row that is not blank."""
    reader = csv.reader(file, delimiter=separator)
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, row
