"""Names of observations and variables: checked, made unique, joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_stml.io.tables.base import Table

MISSING_NAMES = ("", "nan", "NaN", "None", "<NA>")


def as_text(values: Any) -> NDArray[np.object_]:
    """Names as Python text; bytes are decoded, numbers written out."""
    array = np.asarray(values, dtype=object)
    if array.ndim != 1:
        raise ValueError(f"names must be one list, got shape {array.shape}")
    if len(array) and isinstance(array[0], bytes):
        return np.array([v.decode("utf-8", "replace") for v in array], dtype=object)
    if all(type(v) is str for v in array):
        return array
    return np.array([str(v) for v in array], dtype=object)


def checked_obs_names(values: Any, where: object) -> NDArray[np.object_]:
    """Names of observations: at least one, none missing, none twice."""
    import pandas as pd

    names = as_text(values)
    if not len(names):
        raise CannotOpenError("The table has no observations", where=where)
    index = pd.Index(names)
    missing = int(index.isin(MISSING_NAMES).sum())
    if missing:
        raise CannotOpenError(
            f"{missing} of {len(names)} observations have no name",
            where=where,
            do="give every spot or cell a barcode or id",
        )
    if not index.is_unique:
        twice = index[index.duplicated()].unique()
        raise CannotOpenError(
            f"{len(twice)} barcodes occur more than once, for example {twice[0]}",
            where=where,
            do="make the barcodes unique (one section per file, or a sample prefix)",
        )
    return names


def unique_var_names(values: Any) -> NDArray[np.object_]:
    """Names of variables; repeated ones get -1, -2, ... as scanpy does."""
    import pandas as pd

    names = as_text(values)
    index = pd.Index(names)
    if index.is_unique:
        return names
    from anndata.utils import make_index_unique

    return np.asarray(make_index_unique(index), dtype=object)


def positions(names: ArrayLike, wanted: ArrayLike) -> NDArray[np.intp]:
    """Where each wanted name stands among unique names; -1 where it does not."""
    import pandas as pd

    found = pd.Index(np.asarray(names, dtype=object)).get_indexer(
        pd.Index(np.asarray(wanted, dtype=object))
    )
    return np.asarray(found, dtype=np.intp)


def align(table: Table, names: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Join a table to observations by name.

    Returns
    -------
    index
        Row of the table for every name, -1 where the table lacks it.
    missing
        True where the table lacks it.
    """
    index = positions(table.obs_names, names)
    return index, index < 0


def at_observations(values: ArrayLike, index: NDArray[np.intp]) -> NDArray[Any]:
    """Values of a table's rows, put at the observations; missing (NaN) where it has none.

    Whole numbers and booleans become floats only where something is missing.
    """
    rows = np.asarray(values)
    missing = index < 0
    taken = (
        rows[np.where(missing, 0, index)]
        if len(rows)
        else np.zeros((len(index), *rows.shape[1:]), rows.dtype)
    )
    if missing.any():
        if taken.dtype.kind in "biu":
            taken = taken.astype(np.float64)
        taken[missing] = None if taken.dtype == object else np.nan
    return np.asarray(taken)
