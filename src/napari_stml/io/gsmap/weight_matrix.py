"""SNP-gene weights of a resource: a sparse matrix in an h5ad, its rows found by SNP name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

BETWEEN = "\n"


def read_matrix(
    path: Path, wanted: NDArray[np.object_]
) -> tuple[csr_matrix, tuple[str, ...], list[str]]:
    """Rows in the order of ``wanted``, names of the columns, and notes."""
    with reading(path, "The SNP-gene weights cannot be read"):
        found = _stored(path) or _by_anndata(path)
    matrix, rows, genes = found
    asked = BETWEEN.join(wanted.tolist()).encode()
    if rows == asked:
        return matrix, genes, []
    return _in_order(matrix, rows.decode().split(BETWEEN), wanted, genes, path)


def _stored(path: Path) -> tuple[csr_matrix, bytes, tuple[str, ...]] | None:
    """Read rows of an h5ad without making a name of each; None where it is kept otherwise."""
    import h5py
    from scipy.sparse import csr_matrix as csr

    with h5py.File(path) as file:
        x: Any = file["X"]
        rows, columns = (_names(file, axis) for axis in ("obs", "var"))
        if rows is None or columns is None or x.attrs.get("encoding-type") != "csr_matrix":
            return None
        parts = tuple(x[name][()] for name in ("data", "indices", "indptr"))
        matrix = csr(parts, shape=tuple(map(int, x.attrs["shape"])))
    return matrix, rows, tuple(columns.decode().split(BETWEEN))


def _names(file: Any, axis: str) -> bytes | None:
    group = file[axis]
    stored = group.get(group.attrs.get("_index", "_index"))
    if not hasattr(stored, "dtype") or stored.dtype.kind != "O":
        return None
    return BETWEEN.encode().join(stored[()].tolist())


def _by_anndata(path: Path) -> tuple[csr_matrix, bytes, tuple[str, ...]]:
    import anndata as ad
    from scipy.sparse import csr_matrix as csr

    data = ad.read_h5ad(path)
    rows = BETWEEN.join(map(str, data.obs_names)).encode()
    return csr(data.X), rows, tuple(map(str, data.var_names))


def _in_order(
    matrix: csr_matrix, rows: Sequence[str], wanted: NDArray[np.object_], genes: tuple[str, ...],
    path: Path,
) -> tuple[csr_matrix, tuple[str, ...], list[str]]:  # fmt: skip
    import pandas as pd

    own = pd.Index(np.array(rows, dtype=object))
    place = own.get_indexer(pd.Index(wanted)) if own.is_unique else np.full(len(wanted), -1)
    if (place >= 0).all():
        said = "SNPs of the weight matrix stood in another order than the baseline: put in order"
        return matrix[place], genes, [said]
    numbered = np.array([str(i) for i in range(len(own))], dtype=object)
    if len(own) == len(wanted) and (own == numbered).all():
        return matrix, genes, ["the weight matrix does not name its SNPs: taken in file order"]
    raise StmlError(
        f"{int((place < 0).sum())} of {len(wanted)} SNPs of the baseline are not in the weight "
        "matrix", where=path,
        do="both must come from one resource; get it anew, or build one from a panel "
        "(napari-stml gsmap build-resource)",
    )  # fmt: skip
