"""Categories and continuous scores from a table of barcodes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError
from napari_stml.io.bring_in.matching import SectionNames, join
from napari_stml.io.bring_in.sheet import Sheet, open_sheet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import ArrayLike

    from napari_stml.io.bring_in.report import BroughtIn

MOST_CATEGORIES = 200
"""A column of more different texts is a comment or an id, and is taken only when named."""

PLACES = frozenset(
    {
        "x",
        "y",
        "z",
        "row",
        "col",
        "in_tissue",
        "array_row",
        "array_col",
        "pxl_row_in_fullres",
        "pxl_col_in_fullres",
        "pxl_row",
        "pxl_col",
        "imagerow",
        "imagecol",
        "pixel_x",
        "pixel_y",
        "x_centroid",
        "y_centroid",
    }
)
"""Titles of columns that say where a spot lies, not what it is."""


def bring_in_categories(
    path: str | Path,
    names: ArrayLike,
    *,
    columns: Sequence[str] | None = None,
    barcodes: str | None = None,
    sheet: str | None = None,
    sample: str | None = None,
) -> BroughtIn:
    """Read classes: a Loupe export, a pathologist's spreadsheet.

    Parameters
    ----------
    names
        Names of the section's observations; the values come back in their order.
    columns
        Which columns to take; else all with at most 200 different texts that are no positions.
    barcodes, sheet, sample
        Column of the barcodes, sheet of a workbook, and which sample prefix is this section,
        where guessing is not wanted or not possible.
    """
    import pandas as pd

    section = SectionNames(names)
    table = open_sheet(path, section, barcodes=barcodes, sheet=sheet)
    text = table.text(_asked(table, columns))
    notes: list[str] = []
    taken, left = [], []
    for column in text.columns:
        different = text[column].nunique()
        if columns is not None or 0 < different <= MOST_CATEGORIES:
            taken.append(column)
            notes += _same_but_for_case(column, text[column])
        else:
            left.append(column)
    if left:
        notes.append(f"Not taken as classes: {', '.join(left)}.")
    if not taken:
        raise StmlError(
            "The file has no column of classes",
            where=table.source,
            do="name the column to take, or bring it in as scores",
        )
    found = join(
        text[taken],
        table.barcodes(),
        section,
        source=table.source,
        barcode_column=table.barcode_column,
        sample=sample,
        notes=tuple(notes),
    )
    classes = {
        c: pd.Categorical(
            found.values[c],
            categories=pd.Index(
                sorted(found.values[c].dropna().unique(), key=_natural), dtype=object
            ),
        )
        for c in taken
    }
    return replace(found, values=pd.DataFrame(classes, index=found.values.index))


def bring_in_scores(
    path: str | Path,
    names: ArrayLike,
    *,
    columns: Sequence[str] | None = None,
    barcodes: str | None = None,
    sheet: str | None = None,
    sample: str | None = None,
) -> BroughtIn:
    """Read numbers per observation; cells that are no numbers are missing and counted.

    Parameters are those of `bring_in_categories`; without ``columns`` every column of numbers
    that is no position is taken.
    """
    section = SectionNames(names)
    table = open_sheet(path, section, barcodes=barcodes, sheet=sheet)
    values, notes = read_numbers(table, columns)
    return join(
        values,
        table.barcodes(),
        section,
        source=table.source,
        barcode_column=table.barcode_column,
        sample=sample,
        notes=notes,
    )


def read_numbers(
    table: Sheet, columns: Sequence[str] | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Numeric columns of a sheet and what should be said about the other ones."""
    values, strange = table.numbers(_asked(table, columns))
    filled = values.notna().sum()
    good = [c for c in values.columns if filled[c] and strange[c] <= filled[c]]
    if columns is not None and len(good) < len(columns):
        bad = next(c for c in columns if c not in good)
        raise StmlError(
            f"The column '{bad}' does not hold numbers",
            where=table.source,
            do="bring it in as categories, or choose another column",
        )
    if not good:
        raise StmlError(
            "The file has no column of numbers", where=table.source, do="bring it in as categories"
        )
    notes = [
        f"{strange[c]:,} cells of '{c}' are no numbers and count as missing."
        for c in good
        if strange[c]
    ]
    left = [c for c in values.columns if c not in good]
    if left:
        notes.append(f"Not numbers, not taken: {', '.join(left)}.")
    return values[good], tuple(notes)


def _asked(table: Sheet, columns: Sequence[str] | None) -> list[str]:
    if columns is None:
        return [t for t in table.value_titles if t.lower() not in PLACES]
    unknown = [c for c in columns if c not in table.value_titles]
    if unknown:
        raise StmlError(
            f"There is no column '{unknown[0]}'",
            where=table.source,
            do=f"choose one of {', '.join(table.value_titles[:10])}",
        )
    return list(columns)


def _same_but_for_case(column: str, text: pd.Series) -> list[str]:
    spellings: dict[str, set[str]] = {}
    for value in text.dropna().unique():
        spellings.setdefault(value.casefold(), set()).add(value)
    alike = [" / ".join(sorted(s)) for s in spellings.values() if len(s) > 1]
    if not alike:
        return []
    return [f"'{column}' has classes that differ only in case: {', '.join(alike)}."]


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sorts "2" before "10"."""
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", text) if p]
