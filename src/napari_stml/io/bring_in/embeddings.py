"""Embeddings made elsewhere: CSV, ``.npy`` with names, or an obsm entry of an ``.h5ad``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.bring_in.columns import read_numbers
from napari_stml.io.bring_in.matching import SectionNames, join
from napari_stml.io.bring_in.sheet import open_sheet
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_stml.io.bring_in.report import BroughtIn


def bring_in_embedding(
    path: str | Path,
    names: ArrayLike,
    *,
    names_file: str | Path | None = None,
    in_order: bool = False,
    key: str | None = None,
    barcodes: str | None = None,
    sample: str | None = None,
) -> BroughtIn:
    """Read one row of numbers per observation.

    Parameters
    ----------
    names
        Names of the section's observations.
    names_file
        For ``.npy``: text file with one barcode a line; else a file of the same name that ends
        in ``.txt``, ``_names.txt`` or ``_barcodes.txt``.
    in_order
        For ``.npy`` without names: its rows are the section's observations, in their order.
    key
        For ``.h5ad``: the obsm entry.
    """
    import pandas as pd

    path = Path(path)
    section = SectionNames(names)
    kind = path.suffix.lower()
    if kind == ".h5ad":
        return _from_h5ad(path, section, key, sample)
    if kind == ".npy":
        values = _matrix(path)
        frame = pd.DataFrame(values, columns=[str(i) for i in range(values.shape[1])])
        rows = section.names if in_order else _names_beside(path, names_file)
        if len(rows) != len(values):
            raise CannotOpenError(
                f"The array has {len(values)} rows but there are {len(rows)} names", where=path
            )
        column = "the section's own order" if in_order else "names beside the array"
        return join(frame, rows, section, source=path.name, barcode_column=column, sample=sample)
    table = open_sheet(path, section, barcodes=barcodes)
    frame, notes = read_numbers(table, list(table.value_titles))
    return join(
        frame,
        table.barcodes(),
        section,
        source=table.source,
        barcode_column=table.barcode_column,
        sample=sample,
        notes=notes,
    )


def _matrix(path: Path) -> NDArray[np.floating]:
    with reading(path, "The array cannot be read"):
        values: NDArray[np.floating] = np.load(path, allow_pickle=False)
    if values.ndim != 2 or values.dtype.kind not in "iuf" or 0 in values.shape:
        raise CannotOpenError(
            f"An embedding is an array of observations x dimensions, not {values.dtype} of "
            f"shape {values.shape}",
            where=path,
        )
    return values.astype(np.float32) if values.dtype.kind in "iu" else values


def _names_beside(path: Path, names_file: str | Path | None) -> NDArray[np.object_]:
    beside = [
        path.with_suffix(".txt"),
        *(path.with_name(f"{path.stem}{ending}.txt") for ending in ("_names", "_barcodes")),
    ]
    for file in [Path(names_file)] if names_file else beside:
        if file.is_file():
            with reading(file, "The names cannot be read"):
                lines = file.read_text(encoding="utf-8-sig").splitlines()
            return np.array([v.strip() for v in lines if v.strip()], dtype=object)
    raise StmlError(
        "The rows of this array have no names",
        where=path,
        do=f"put the barcodes, one a line, into {beside[0].name}, or say that they are in order",
    )


def _from_h5ad(path: Path, section: SectionNames, key: str | None, sample: str | None) -> BroughtIn:
    import pandas as pd

    from napari_stml.io.tables.disk import DiskTable

    table = DiskTable(path)
    try:
        choices = [k for k in table.obsm_keys if k not in ("spatial", "X_spatial")]
        if key is None and len(choices) != 1:
            raise StmlError(
                "Which embedding of the file is meant",
                where=path,
                do=f"choose the obsm entry among {', '.join(choices) or 'none'}",
            )
        key = key or choices[0]
        values = pd.DataFrame(table.obsm(key), columns=list(table.obsm_names(key)))
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
