"""Tables people make: CSV, TSV and XLSX with any header, separator, encoding and decimal sign."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.bring_in.matching import GOOD, SectionNames, best_treatment, cleaned
from napari_stml.io.bring_in.text_file import SAMPLE_ROWS, opened, rows_of, text_layout
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

MISSING_CELLS = ["", "NA", "N/A", "#N/A", "nan", "NaN", "NULL", "null"]
EXCEL = (".xlsx", ".xlsm")

_DECIMAL_COMMA = re.compile(r"^[-+]?\d+,\d+([eE][-+]?\d+)?$")
_SEQUENCE = re.compile(r"^.*[ACGT]{10,}([-._]\d+)*$")


@dataclass(frozen=True)
class Sheet:
    """A table of which one column holds barcodes.

    Attributes
    ----------
    titles
        Of all columns, the barcodes' included; unique.
    cells
        Reads some columns, by position, as text.
    parsed
        Reads some columns as numbers where all their cells are (``True``: decimal commas).
    """

    source: str
    titles: tuple[str, ...]
    barcode_position: int
    cells: Callable[[list[int]], pd.DataFrame]
    decimal_comma: bool
    parsed: Callable[[list[int], bool], pd.DataFrame] | None = None

    @property
    def barcode_column(self) -> str:
        return f"column '{self.titles[self.barcode_position]}'"

    @property
    def value_titles(self) -> tuple[str, ...]:
        return tuple(t for i, t in enumerate(self.titles) if i != self.barcode_position)

    def barcodes(self) -> NDArray[np.object_]:
        return self.cells([self.barcode_position]).iloc[:, 0].to_numpy(dtype=object)

    def text(self, columns: list[str]) -> pd.DataFrame:
        """Columns as trimmed text, missing as None."""
        frame = self.cells([self.titles.index(c) for c in columns])
        frame.columns = columns
        for column in columns:
            text = frame[column].astype(object).str.strip()
            frame[column] = text.where(~text.isin(MISSING_CELLS) & text.notna(), None)
        return frame

    def numbers(self, columns: list[str]) -> tuple[pd.DataFrame, dict[str, int]]:
        """Columns as floats, and how many filled cells of each are no numbers."""
        import pandas as pd

        numbers, strange = {}, {}
        if self.parsed is not None:  # a million rows are read in seconds this way
            frame = self.parsed([self.titles.index(c) for c in columns], self.decimal_comma)
            for i, column in enumerate(columns):
                if frame.dtypes.iloc[i].kind in "iuf":
                    found = frame.iloc[:, i].astype(np.float64)
                    numbers[column], strange[column] = found.where(np.isfinite(found)), 0
        for column in [c for c in columns if c not in numbers]:
            text = self.text([column])[column]
            if self.decimal_comma:
                text = text.str.replace(",", ".", regex=False)
            found = pd.to_numeric(text, errors="coerce").astype(np.float64)
            numbers[column] = found.where(np.isfinite(found))
            strange[column] = int((numbers[column].isna() & text.notna()).sum())
        return pd.DataFrame(numbers, columns=columns), strange


def open_sheet(
    path: str | Path,
    section: SectionNames,
    *,
    barcodes: str | None = None,
    sheet: str | None = None,
) -> Sheet:
    """Open a CSV, TSV or XLSX file and find its header and its barcodes.

    Parameters
    ----------
    section
        Names of the section's observations; the column that agrees best holds the barcodes.
    barcodes
        Title of that column where it is known.
    sheet
        Sheet of a workbook; else the one that agrees best.
    """
    path = Path(path)
    if not path.is_file():
        raise CannotOpenError("There is no such file", where=path)
    if path.suffix.lower() in EXCEL:
        return _open_workbook(path, section, barcodes, sheet)
    layout = text_layout(path)
    with opened(path, layout.encoding) as file:
        first = list(islice(rows_of(file, layout.separator), SAMPLE_ROWS))

    def cells(columns: list[int]) -> pd.DataFrame:
        import pandas as pd

        with reading(path, "The table cannot be read"):
            frame = pd.read_csv(
                path,
                sep=layout.separator,
                encoding=layout.encoding,
                header=None,
                names=range(layout.width),
                index_col=False,
                usecols=sorted(set(columns)),
                dtype=str,
                skiprows=start,
                keep_default_na=False,
                na_values=[""],
            )
        return frame[columns]

    def parsed(columns: list[int], comma: bool) -> pd.DataFrame:
        import pandas as pd

        with reading(path, "The table cannot be read"):
            frame = pd.read_csv(
                path,
                sep=layout.separator,
                encoding=layout.encoding,
                header=None,
                names=range(layout.width),
                index_col=False,
                usecols=sorted(set(columns)),
                skiprows=start,
                keep_default_na=False,
                na_values=MISSING_CELLS,
                decimal="," if comma else ".",
                low_memory=False,
                skipinitialspace=True,
            )
        return frame[columns]

    header = _header([row for _, row in first], layout.width, section.known(0))
    start = first[header][0] if header is not None else 0
    data = [row for _, row in first[0 if header is None else header + 1 :]]
    titles = _titles(first[header][1] if header is not None else [], layout.width)
    found = _sheet(str(path.name), titles, data, cells, section, barcodes)
    return replace(found, parsed=parsed)


def _sheet(
    source: str,
    titles: tuple[str, ...],
    data: list[list[str]],
    cells: Callable[[list[int]], pd.DataFrame],
    section: SectionNames,
    barcodes: str | None,
) -> Sheet:
    if not data:
        raise CannotOpenError("The file has a header but no rows", where=source)
    if barcodes is not None:
        if barcodes not in titles:
            raise CannotOpenError(
                f"There is no column '{barcodes}'",
                where=source,
                do=f"choose one of {', '.join(titles[:10])}",
            )
        position = titles.index(barcodes)
    else:
        position = _barcode_position(source, titles, data, section)
    body = [c for row in data for i, c in enumerate(row) if i != position and c.strip()]
    commas = sum(1 for c in body if _DECIMAL_COMMA.match(c.strip()))
    points = sum(1 for c in body if re.match(r"^[-+]?\d*\.\d+", c.strip()))
    return Sheet(source, titles, position, cells, commas > points)


def _barcode_position(
    source: str, titles: tuple[str, ...], data: list[list[str]], section: SectionNames
) -> int:
    """The column that agrees best with the section, the first one among equals."""
    columns = [cleaned(row[i] if i < len(row) else "" for row in data) for i in range(len(titles))]
    columns = [names[names != ""] for names in columns]
    plain = [sum(n in section.known(0) for n in names) for names in columns]
    if max(plain) >= GOOD * min(len(data), len(section.names)):
        return int(np.argmax(plain))
    scores = []
    for names in columns:
        treatment = best_treatment(names, section) if len(names) else None
        if treatment is None:
            scores.append(0.0)
            continue
        known = section.known(treatment.in_section)
        share = sum(key in known for key in treatment.of_file(names)) / len(data)
        rewriting = treatment.in_file + treatment.in_section
        scores.append(share * len(set(names)) / len(names) - 0.01 * rewriting)
    if max(scores) <= 0:
        shown = ", ".join(v for v in data[0][:3] if v)
        raise CannotOpenError(
            f"No column of the file holds barcodes of this section; its first row reads {shown}, "
            f"a barcode of the section {section.names[0]}",
            where=source,
            do="check that the file was made for this section",
        )
    return int(np.argmax(scores))


def _header(rows: list[list[str]], width: int, known: frozenset[str]) -> int | None:
    """Position of the header: the first full row, unless it already holds a barcode."""
    for i, row in enumerate(rows):
        filled = sum(1 for cell in row if cell.strip())
        if filled >= max(2, width - 1) or len(row) == width - 1 == 1:
            cells = [cell.strip() for cell in row]
            if any(cell in known or _SEQUENCE.match(cell) for cell in cells):
                return i - 1 if i else None
            return i
    return 0


def _titles(row: list[str], width: int) -> tuple[str, ...]:
    if row and len(row) == width - 1:
        row = ["", *row]  # R writes row names without a title
    titles: list[str] = []
    for i in range(width):
        title = row[i].strip() if i < len(row) and row[i].strip() else f"column {i + 1}"
        while title in titles:
            title += " (again)"
        titles.append(title)
    return tuple(titles)


def _open_workbook(
    path: Path, section: SectionNames, barcodes: str | None, sheet: str | None
) -> Sheet:
    import pandas as pd

    if find_spec("openpyxl") is None:
        raise CannotOpenError(
            "Reading workbooks needs openpyxl",
            where=path,
            do="pip install openpyxl, or save the sheet as CSV",
        )
    with reading(path, "The workbook cannot be read"):
        books = pd.read_excel(path, sheet_name=None, header=None, dtype=str, engine="openpyxl")
    if sheet is not None and sheet not in books:
        raise CannotOpenError(
            f"There is no sheet '{sheet}'", where=path, do=f"choose one of {', '.join(books)}"
        )
    wanted = {k: v for k, v in books.items() if sheet in (None, k)}
    found: list[Sheet] = []
    failure: CannotOpenError | None = None
    for name, frame in wanted.items():
        try:
            found.append(_worksheet(path, str(name), frame, section, barcodes))
        except CannotOpenError as error:
            failure = failure or error
    if not found:
        raise failure or CannotOpenError("The workbook is empty", where=path)
    return found[0]


def _worksheet(
    path: Path,
    name: str,
    frame: pd.DataFrame,
    section: SectionNames,
    barcodes: str | None,
) -> Sheet:
    source = f"{path.name}, sheet '{name}'"
    frame = frame.dropna(how="all").dropna(how="all", axis=1).reset_index(drop=True)
    if frame.empty:
        raise CannotOpenError("The sheet is empty", where=source)
    width = frame.shape[1]
    rows = frame.head(SAMPLE_ROWS).fillna("").astype(str).to_numpy().tolist()
    header = _header(rows, width, section.known(0))
    data = rows if header is None else rows[header + 1 :]
    titles = _titles(rows[header] if header is not None else [], width)
    body = frame if header is None else frame.iloc[header + 1 :].reset_index(drop=True)
    return _sheet(
        source, titles, data, lambda columns: body.iloc[:, columns].copy(), section, barcodes
    )
