"""Wide CSV count matrices (cells x genes), read block by block into sparse rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.instrument_files import RECOPY, csv_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.io.tables.base import Table

BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True)
class CountMatrix:
    """``ids`` are the columns that name the cell, ``counts`` the rest."""

    ids: pd.DataFrame
    genes: NDArray[np.object_]
    counts: csr_matrix
    path: Path


def read_counts(path: Path, id_columns: Sequence[str]) -> CountMatrix:
    """Read a count matrix; the memory needed is that of the result and one block.

    Parameters
    ----------
    id_columns
        Columns kept as text, which name the cell; all of them must be there. An empty name
        stands for an unnamed first column.
    """
    import pandas as pd
    import pyarrow as pa
    from scipy.sparse import csr_matrix, vstack

    header = csv_header(path)
    unnamed = header[0].startswith("Unnamed: ") if header else False
    names = ["", *header[1:]] if unnamed else header
    if missing := [c for c in id_columns if c not in names]:
        raise CannotOpenError(f"Column {', '.join(missing)} is missing", where=path, do=RECOPY)
    genes = [c for c in names if c not in id_columns]
    if not genes:
        raise CannotOpenError("There is no gene column", where=path, do=RECOPY)
    try:
        try:
            blocks, ids = _read_blocks(path, id_columns, genes, pa.int32())
        except pa.ArrowInvalid:  # not whole numbers, which are read twice as fast
            blocks, ids = _read_blocks(path, id_columns, genes, pa.float32())
    except (OSError, ValueError, EOFError, KeyError, pa.ArrowException) as error:
        raise CannotOpenError(
            f"Damaged or not a count matrix: {error}", where=path, do=RECOPY
        ) from error
    counts = vstack(blocks, format="csr") if blocks else csr_matrix((0, len(genes)))
    if not counts.shape[0]:
        raise CannotOpenError("The table is empty", where=path, do=RECOPY)
    if not np.isfinite(counts.data).all() or (counts.data < 0).any():
        raise CannotOpenError("Some counts are missing or negative", where=path, do=RECOPY)
    together = pd.concat(ids, ignore_index=True)
    return CountMatrix(together, np.array(genes, dtype=object), counts, path)


def _read_blocks(
    path: Path, id_columns: Sequence[str], genes: Sequence[str], kind: Any
) -> tuple[list[csr_matrix], list[pd.DataFrame]]:
    import pyarrow as pa
    from pyarrow import csv

    types = {c: pa.string() for c in id_columns} | dict.fromkeys(genes, kind)
    blocks: list[csr_matrix] = []
    ids: list[pd.DataFrame] = []
    with csv.open_csv(
        path,
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES),
        convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    ) as reader:
        for batch in reader:
            ids.append(batch.select(list(id_columns)).to_pandas())
            blocks.append(_sparse(batch, genes))
    return blocks, ids


def _sparse(batch: Any, genes: Sequence[str]) -> csr_matrix:
    """Sparse rows of a record batch, by way of its columns; missing values become NaN."""
    from scipy.sparse import csc_matrix

    rows, values, ends = [], [], [0]
    for gene in genes:
        column = batch.column(gene).to_numpy(zero_copy_only=False)
        filled = np.flatnonzero(column)
        rows.append(filled)
        values.append(column[filled].astype(np.float32))
        ends.append(ends[-1] + len(filled))
    parts = (np.concatenate(values), np.concatenate(rows), np.array(ends))
    return csc_matrix(parts, shape=(batch.num_rows, len(genes))).tocsr()


def tables_with_obs(
    matrix: CountMatrix,
    names: NDArray[np.object_],
    obs: pd.DataFrame,
    is_control: Callable[[str], bool],
) -> dict[str, Table]:
    """Give "RNA" with the cells' columns, and "controls": probes that no gene answers to.

    Parameters
    ----------
    names
        Of the rows of ``matrix``.
    obs
        Columns by cell name; cells without a row there have missing values.
    """
    control = np.array([is_control(str(gene)) for gene in matrix.genes], dtype=bool)
    parts: dict[str, NDArray[Any]] = {}
    if not control.all():
        parts["RNA"] = np.flatnonzero(~control)
    if control.any():
        parts["controls"] = np.flatnonzero(control)
    tables: dict[str, Table] = {}
    for name, columns in parts.items():
        counts = matrix.counts if len(parts) == 1 else matrix.counts[:, columns]
        tables[name] = _table(name, counts, matrix, names, obs, columns)
    return tables


def _table(
    name: str,
    counts: csr_matrix,
    matrix: CountMatrix,
    names: NDArray[np.object_],
    obs: pd.DataFrame,
    columns: NDArray[Any],
) -> Table:
    import anndata as ad
    import pandas as pd

    from napari_stml.io.tables.memory import MemoryTable

    index = pd.Index(names, dtype=object)
    rows = obs.reindex(index) if name == "RNA" else pd.DataFrame(index=index)
    var = pd.DataFrame(index=pd.Index(matrix.genes[columns], dtype=object))
    return MemoryTable(ad.AnnData(counts, obs=rows, var=var), name=name, source=str(matrix.path))
