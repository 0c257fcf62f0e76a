"""Deconvolved cell types: cell2location, RCTD, or any table of weights."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.io.bring_in.columns import read_numbers
from napari_stml.io.bring_in.matching import SectionNames, join
from napari_stml.io.bring_in.report import BroughtIn
from napari_stml.io.bring_in.sheet import open_sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

SUM_TOLERANCE = 0.02

_CELL2LOCATION = re.compile(r"^(means|stds|q\d+)_?cell_abundance_w_sf_")
_LIKELY_KEYS = (
    "q05_cell_abundance_w_sf",
    "means_cell_abundance_w_sf",
    "proportions",
    "deconvolution",
    "cell_type_proportions",
    "celltype_proportions",
    "weights",
)


def bring_in_proportions(
    path: str | Path,
    names: ArrayLike,
    *,
    key: str | None = None,
    columns: Sequence[str] | None = None,
    normalise: bool = False,
    barcodes: str | None = None,
    sheet: str | None = None,
    sample: str | None = None,
) -> BroughtIn:
    """Read cell-type proportions or abundances.

    Parameters
    ----------
    names
        Names of the section's observations.
    key
        For an ``.h5ad``: the obsm entry; else cell2location's, or the only likely one.
    normalise
        Set negative values to 0 and divide every row by its sum. Without it values come as
        they are, and the report says when they are negative or do not sum to 1.
    columns, barcodes, sheet, sample
        As of `bring_in_categories`.
    """
    section = SectionNames(names)
    if Path(path).suffix.lower() == ".h5ad":
        found = _from_h5ad(Path(path), section, key, columns, sample)
    else:
        table = open_sheet(path, section, barcodes=barcodes, sheet=sheet)
        values, notes = read_numbers(table, columns)
        chosen = _lower_quantile(list(values.columns))
        found = join(
            values[chosen],
            table.barcodes(),
            section,
            source=table.source,
            barcode_column=table.barcode_column,
            sample=sample,
            notes=notes,
        )
    values = found.values.rename(columns=lambda c: _CELL2LOCATION.sub("", str(c)))
    values, said = _checked(values, normalise)
    report = replace(found.report, notes=(*found.report.notes, *said))
    return BroughtIn(values, report)


def _from_h5ad(
    path: Path,
    section: SectionNames,
    key: str | None,
    columns: Sequence[str] | None,
    sample: str | None,
) -> BroughtIn:
    import pandas as pd

    from napari_stml.io.tables.disk import DiskTable

    table = DiskTable(path)
    try:
        if key is None:
            likely = [k for k in _LIKELY_KEYS if k in table.obsm_keys]
            if not likely:
                raise StmlError(
                    "The file names no cell-type proportions",
                    where=path,
                    do=f"choose the obsm entry among {', '.join(table.obsm_keys)}",
                )
            key = likely[0]
        values = pd.DataFrame(table.obsm(key), columns=list(table.obsm_names(key)), dtype=float)
        if columns is not None:
            values = values[list(columns)]
        return join(
            values,
            table.obs_names,
            section,
            source=f"{path.name}, obsm '{key}'",
            barcode_column="names of obs",
            sample=sample,
        )
    finally:
        table.close()


def _lower_quantile(columns: list[str]) -> list[str]:
    """Of cell2location's mean, deviation and quantiles in one file: the 5 % quantile."""
    kinds = {m.group(1) for c in columns if (m := _CELL2LOCATION.match(c))}
    if len(kinds) < 2:
        return columns
    kind = "q05" if "q05" in kinds else "means" if "means" in kinds else sorted(kinds)[0]
    return [c for c in columns if (m := _CELL2LOCATION.match(c)) and m.group(1) == kind]


def _checked(values: pd.DataFrame, normalise: bool) -> tuple[pd.DataFrame, list[str]]:
    notes = []
    known = values.dropna(how="all")
    negative = int((known < 0).to_numpy().sum())
    sums = known.sum(axis=1)
    off = int((np.abs(sums - 1) > SUM_TOLERANCE).sum())
    if normalise:
        values = values.clip(lower=0)
        total = values.sum(axis=1, min_count=1)
        empty = int((total == 0).sum())
        values = values.div(total.where(total > 0), axis=0)
        notes.append(f"Every row was divided by its sum ({off:,} did not sum to 1).")
        if negative:
            notes.append(f"{negative:,} negative values were set to 0.")
        if empty:
            notes.append(f"{empty:,} rows hold only zeros and count as missing.")
        return values, notes
    if negative:
        notes.append(f"{negative:,} values are negative, which proportions cannot be.")
    if off:
        notes.append(
            f"{off:,} of {len(known):,} rows do not sum to 1 (median {sums.median():.3g}): "
            "abundances or unnormalised weights; normalise to compare spots."
        )
    return values, notes
