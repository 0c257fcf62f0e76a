"""Matrices as they lie on disk: compressed by rows or columns, or dense; read in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.tables.frame import is_group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csc_matrix, csr_matrix

BLOCK_VALUES = 4_000_000
"""Stored values (or dense cells) held at once while streaming: about 50 MB with indices."""
GAP_VALUES = 65_536
"""Wanted rows closer than this are read in one piece."""


@dataclass(frozen=True)
class SparseOnDisk:
    """``data``, ``indices``, ``indptr`` of a CSR or CSC matrix, none of them loaded."""

    layout: Literal["csr", "csc"]
    shape: tuple[int, int]
    data: Any
    indices: Any
    indptr_on_disk: Any
    where: str

    def __post_init__(self) -> None:
        lines, across = self.lines, self.across
        if self.indptr_on_disk.shape != (lines + 1,):
            raise self._damaged(f"indptr has {self.indptr_on_disk.shape[0]} entries for {lines}")
        if self.data.shape != self.indices.shape:
            raise self._damaged(f"{self.data.shape[0]} values but {self.indices.shape[0]} indices")
        if self.indices.dtype.kind not in "iu" or self.data.dtype.kind not in "biuf":
            raise self._damaged(f"values are {self.data.dtype}, indices {self.indices.dtype}")
        if min(lines, across) < 0:
            raise self._damaged(f"shape {self.shape}")

    def _damaged(self, why: str) -> CannotOpenError:
        return CannotOpenError(
            f"The sparse matrix is damaged: {why}",
            where=self.where,
            do="copy the file again or export it anew",
        )

    @property
    def lines(self) -> int:
        """Rows of a CSR, columns of a CSC."""
        return self.shape[0] if self.layout == "csr" else self.shape[1]

    @property
    def across(self) -> int:
        return self.shape[1] if self.layout == "csr" else self.shape[0]

    @property
    def nnz(self) -> int:
        return int(self.data.shape[0])

    @cached_property
    def indptr(self) -> NDArray[np.int64]:
        pointer = np.asarray(self.indptr_on_disk[...]).astype(np.int64)
        if pointer[0] != 0 or pointer[-1] != self.nnz or (np.diff(pointer) < 0).any():
            raise self._damaged("indptr does not fit the stored values")
        return pointer

    def checked(self, indices: NDArray[Any]) -> NDArray[Any]:
        if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= self.across):
            raise self._damaged(f"an index lies outside the shape {self.shape}")
        return indices

    def line(self, i: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Indices and values of one row (CSR) or column (CSC)."""
        a, b = int(self.indptr[i]), int(self.indptr[i + 1])
        return self.checked(np.asarray(self.indices[a:b])), np.asarray(self.data[a:b])

    def block(self, first: int, stop: int) -> csr_matrix:
        """Adjacent lines as a CSR matrix (lines, across), whatever the layout."""
        from scipy.sparse import csr_matrix

        a, b = int(self.indptr[first]), int(self.indptr[stop])
        indices = self.checked(np.asarray(self.indices[a:b]))
        pointer = self.indptr[first : stop + 1] - a
        if indices.dtype.itemsize <= 4:
            pointer = pointer.astype(np.int32)
        data = np.asarray(self.data[a:b])
        return csr_matrix((data, indices, pointer), shape=(stop - first, self.across))

    def spans(self, values: int = BLOCK_VALUES) -> Iterator[tuple[int, int]]:
        """Ranges of lines of at most so many stored values (at least one line each)."""
        first = 0
        while first < self.lines:
            limit = self.indptr[first] + values
            stop = int(np.searchsorted(self.indptr, limit, side="right")) - 1
            stop = min(max(stop, first + 1), self.lines)
            yield first, stop
            first = stop

    def rows(self, index: NDArray[np.intp]) -> csr_matrix:
        if self.layout == "csr":
            return _gather(self, index)
        from scipy.sparse import csr_matrix, hstack

        parts = [self.block(a, b).T.tocsr()[index] for a, b in self.spans()]
        if not parts:
            return csr_matrix((len(index), 0), dtype=self.data.dtype)
        return csr_matrix(hstack(parts, format="csr"))


def _gather(matrix: SparseOnDisk, index: NDArray[np.intp]) -> csr_matrix:
    """Lines in the order asked for, read in ascending pieces of bounded size."""
    from scipy.sparse import csr_matrix, vstack

    wanted, back = np.unique(index, return_inverse=True)
    pointer = matrix.indptr
    parts: list[Any] = []
    i = 0
    while i < len(wanted):
        j, start = i + 1, pointer[wanted[i]]
        while (
            j < len(wanted)
            and pointer[wanted[j]] - pointer[wanted[j - 1] + 1] <= GAP_VALUES
            and pointer[wanted[j] + 1] - start <= BLOCK_VALUES
        ):
            j += 1
        first = int(wanted[i])
        piece = matrix.block(first, int(wanted[j - 1]) + 1)
        parts.append(piece if piece.shape[0] == j - i else piece[wanted[i:j] - first])
        i = j
    if not parts:
        return csr_matrix((0, matrix.across), dtype=matrix.data.dtype)
    stacked = parts[0] if len(parts) == 1 else csr_matrix(vstack(parts, format="csr"))
    in_order = len(back) == len(wanted) and bool((np.diff(back) == 1).all())
    return stacked if in_order else stacked[back]


@dataclass(frozen=True)
class DenseOnDisk:
    """A two-dimensional array on disk."""

    array: Any
    where: str

    def __post_init__(self) -> None:
        if len(self.array.shape) != 2 or self.array.dtype.kind not in "biuf":
            raise CannotOpenError(
                f"The matrix holds {self.array.dtype} of shape {self.array.shape}, not numbers "
                "of observations x variables",
                where=self.where,
            )

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.array.shape[0]), int(self.array.shape[1])

    @property
    def nnz(self) -> int:
        return self.shape[0] * self.shape[1]

    def column(self, j: int) -> NDArray[Any]:
        return np.asarray(self.array[:, j])

    def columns(self, js: NDArray[np.intp]) -> NDArray[np.float32]:
        out = np.empty((self.shape[0], len(js)), dtype=np.float32)
        if len(js) <= 16:
            for k, j in enumerate(js):
                out[:, k] = self.array[:, int(j)]
            return out
        for a, b in self.spans():
            out[a:b] = np.asarray(self.array[a:b])[:, js]
        return out

    def spans(self, cells: int = BLOCK_VALUES) -> Iterator[tuple[int, int]]:
        step = max(1, cells // max(1, self.shape[1]))
        for first in range(0, self.shape[0], step):
            yield first, min(first + step, self.shape[0])

    def rows_dense(self, index: NDArray[np.intp]) -> NDArray[Any]:
        wanted, back = np.unique(index, return_inverse=True)
        out = np.empty((len(wanted), self.shape[1]), dtype=self.array.dtype)
        for a, b in self.spans():
            i, j = np.searchsorted(wanted, [a, b])
            if i < j:
                low, high = int(wanted[i]), int(wanted[j - 1]) + 1
                out[i:j] = np.asarray(self.array[low:high])[wanted[i:j] - low]
        return out[back]

    def rows(self, index: NDArray[np.intp]) -> csr_matrix:
        from scipy.sparse import csr_matrix, vstack

        step = max(1, BLOCK_VALUES // max(1, self.shape[1]))
        parts = [
            csr_matrix(self.rows_dense(index[a : a + step])) for a in range(0, len(index), step)
        ]
        if not parts:
            return csr_matrix((0, self.shape[1]), dtype=self.array.dtype)
        return csr_matrix(vstack(parts, format="csr"))


OnDisk = SparseOnDisk | DenseOnDisk


def matrix_on_disk(node: Any, shape: tuple[int, int], where: str) -> OnDisk:
    """A matrix of an AnnData tree, checked against the lengths of obs and var."""
    if not is_group(node):
        matrix: OnDisk = DenseOnDisk(node, where)
    else:
        attrs = dict(node.attrs)
        kind = str(attrs.get("encoding-type", attrs.get("h5sparse_format", "")))
        if not kind.startswith(("csr", "csc")):
            raise CannotOpenError(f"The matrix is stored as '{kind or 'unknown'}'", where=where)
        missing = [k for k in ("data", "indices", "indptr") if k not in node]
        if missing:
            raise CannotOpenError(
                f"The sparse matrix lacks its {' and '.join(missing)}",
                where=where,
                do="copy the file again or export it anew",
            )
        stored: Any = attrs.get("shape", attrs.get("h5sparse_shape", shape))
        rows, cols = (int(v) for v in stored)
        matrix = SparseOnDisk(
            "csr" if kind.startswith("csr") else "csc",
            (rows, cols),
            node["data"],
            node["indices"],
            node["indptr"],
            where,
        )
    if matrix.shape != shape:
        raise CannotOpenError(
            f"The matrix is {matrix.shape[0]} x {matrix.shape[1]} but there are {shape[0]} "
            f"observations and {shape[1]} variables",
            where=where,
        )
    return matrix


def in_columns(matrix: SparseOnDisk) -> csc_matrix:
    """The whole matrix in memory, by columns, as float32."""
    from scipy.sparse import csc_matrix

    whole = matrix.block(0, matrix.lines)
    if matrix.layout == "csr":
        return csc_matrix(whole, dtype=np.float32)
    return csc_matrix(whole.T, dtype=np.float32)
