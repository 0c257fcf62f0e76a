"""Tables of instrument folders: matrices joined by name, and loose CSVs as obs columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.instrument_files import as_text, csv_header, matching, read_frame

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_stml.io.tables.base import Table

ID_COLUMNS = ("barcode", "Barcode", "cell_id")


def tenx_tables(folder: Path, stem: str) -> dict[str, Table]:
    """The matrix ``<stem>.h5``, else the folder ``<stem>/``; empty when there is neither."""
    from napari_stml.io.tables.tenx import open_tenx_h5, open_tenx_mtx

    if (folder / f"{stem}.h5").is_file():
        found = open_tenx_h5(folder / f"{stem}.h5")
    elif (folder / stem).is_dir():
        found = open_tenx_mtx(folder / stem)
    else:
        return {}
    short = [table.name for table in found.values()]
    unique = len(set(short)) == len(short)
    return {table.name if unique else kind: table for kind, table in found.items()}


def columns_only(frame: pd.DataFrame, names: NDArray[np.object_], path: Path) -> Table:
    """A table without variables whose obs columns are those of a data frame."""
    import anndata as ad

    from napari_stml.io.tables.memory import MemoryTable

    obs = frame.reset_index(drop=True)
    obs.index = list(names)
    for name in obs.columns:
        if obs[name].dtype == object:
            obs[name] = as_category(obs[name])
    return MemoryTable(ad.AnnData(obs=obs), name=path.name.split(".")[0], source=str(path))


def as_category(values: pd.Series[Any]) -> pd.Series[Any]:
    """Text as a categorical; missing stays missing."""
    text = values.map(lambda v: v.decode() if isinstance(v, bytes) else v)
    return text.where(text.isna(), text.astype(str)).astype("category")


def loose_csv_tables(
    folder: Path, names: NDArray[np.object_], *, but: Collection[Path]
) -> tuple[dict[str, Table], tuple[str, ...]]:
    """CSV files of a folder that speak of these barcodes, each as a table of its columns."""
    tables: dict[str, Table] = {}
    notes: list[str] = []
    for path in matching(folder, "*.csv", "*.csv.gz"):
        if path in but:
            continue
        try:
            id_column = next((c for c in ID_COLUMNS if c in csv_header(path)), None)
            if id_column is None:
                continue
            frame = read_frame(path, [id_column])
        except CannotOpenError as error:
            notes.append(f"{path.name} is left out: {error.what}")
            continue
        ids = as_text(frame[id_column])
        matched = int(np.isin(ids, names).sum())
        if not matched or len(set(ids)) < len(ids):
            why = "a barcode occurs twice" if matched else "no barcode matches"
            notes.append(f"{path.name} is left out: {why}")
            continue
        name = path.name.split(".")[0]
        tables[name] = columns_only(frame.drop(columns=id_column), ids, path)
        notes.append(
            f"columns of {path.name}: {matched} of {len(ids)} rows match, "
            f"{len(names) - matched} observations have none"
        )
    return tables, tuple(notes)


def join_notes(
    tables: Mapping[str, Table], names: NDArray[np.object_], where: Path, what: str
) -> tuple[str, ...]:
    """Count what does not match by name; an error when nothing does.

    Parameters
    ----------
    what
        The observations in the user's words ("spots", "cells").
    """
    notes: list[str] = []
    own = set(names.tolist())
    for modality, table in tables.items():
        rows = set(table.obs_names.tolist())
        matched = len(own & rows)
        if not matched:
            raise CannotOpenError(
                f"None of the {len(rows)} names of the table '{modality}' is among the "
                f"{len(own)} {what} (such as '{next(iter(rows), '')}' and '{names[0]}')",
                where=where,
                do="check that positions and matrix are of the same run",
            )
        if matched < len(own):
            notes.append(f"{len(own) - matched} of {len(own)} {what} have no row in '{modality}'")
        if matched < len(rows):
            notes.append(f"{len(rows) - matched} rows of '{modality}' have no position")
    return tuple(notes)
