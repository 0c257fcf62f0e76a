"""One matrix of a table: its genes, by the cheapest way, and its rows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_stml.io.tables.gene_cache import Report, build_copy, open_copy
from napari_stml.io.tables.matrix import DenseOnDisk, OnDisk, SparseOnDisk, in_columns
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

log = logging.getLogger(__name__)

IN_MEMORY_VALUES = 32_000_000
"""Row-wise matrices up to this size (256 MB) are turned in memory rather than on disk."""

Line = Callable[[int], tuple[NDArray[Any], NDArray[Any]]]


class LazyMatrix:
    """X, a layer or raw of one table.

    Parameters
    ----------
    open_matrix
        Opens it on disk; called again after `release`.
    identity
        The key of its copy by columns.
    picked
        Columns of the stored matrix that belong to the table (10x files hold several
        modalities in one matrix); all of them when None.
    """

    def __init__(
        self,
        open_matrix: Callable[[], OnDisk],
        identity: Callable[[], str],
        where: str,
        picked: NDArray[np.intp] | None = None,
    ) -> None:
        self._open = open_matrix
        self._identity = identity
        self._where = where
        self._picked = picked
        self._matrix: OnDisk | None = None
        self._line: Line | None = None
        self._lock = threading.Lock()

    @property
    def on_disk(self) -> OnDisk:
        if self._matrix is None:
            self._matrix = self._open()
        return self._matrix

    def gene(self, j: int) -> NDArray[np.float32]:
        j = j if self._picked is None else int(self._picked[j])
        with reading(self._where, "The gene cannot be read"):
            matrix = self.on_disk
            if isinstance(matrix, DenseOnDisk):
                return np.asarray(matrix.column(j), dtype=np.float32)
            rows, values = self._columns(matrix)(j)
        out = np.zeros(matrix.shape[0], dtype=np.float32)
        np.add.at(out, rows, values.astype(np.float32, copy=False))
        return out

    def genes(self, js: NDArray[np.intp]) -> NDArray[np.float32]:
        with reading(self._where, "The genes cannot be read"):
            if isinstance(self.on_disk, DenseOnDisk):
                return self.on_disk.columns(js if self._picked is None else self._picked[js])
        out = np.empty((self.on_disk.shape[0], len(js)), dtype=np.float32)
        for k, j in enumerate(js):
            out[:, k] = self.gene(int(j))
        return out

    def rows(self, index: NDArray[np.intp]) -> csr_matrix:
        with reading(self._where, "The rows cannot be read"):
            found = self.on_disk.rows(np.asarray(index, dtype=np.intp))
            return found if self._picked is None else found[:, self._picked]

    def rows_as_stored(self, index: NDArray[np.intp]) -> Any:
        """Rows, dense where the matrix on disk is dense."""
        if not isinstance(self.on_disk, DenseOnDisk):
            return self.rows(index)
        with reading(self._where, "The rows cannot be read"):
            found = self.on_disk.rows_dense(np.asarray(index, dtype=np.intp))
            return found if self._picked is None else found[:, self._picked]

    @property
    def ready(self) -> bool:
        """Whether a gene is a short read now."""
        matrix = self.on_disk
        return (
            isinstance(matrix, DenseOnDisk)
            or matrix.layout == "csc"
            or self._line is not None
            or (matrix.nnz > IN_MEMORY_VALUES and open_copy(self._identity(), matrix) is not None)
        )

    def prepare(self, report: Report | None = None) -> None:
        """Make genes quick (seconds for tens of millions of values)."""
        with reading(self._where, "The genes cannot be prepared"):
            matrix = self.on_disk
            if isinstance(matrix, SparseOnDisk):
                self._columns(matrix, report)

    def _columns(self, matrix: SparseOnDisk, report: Report | None = None) -> Line:
        if matrix.layout == "csc":
            return matrix.line
        with self._lock:
            if self._line is None:
                self._line = self._turned(matrix, report)
            return self._line

    def _turned(self, matrix: SparseOnDisk, report: Report | None) -> Line:
        if matrix.nnz <= IN_MEMORY_VALUES:
            turned = in_columns(matrix)

            def line(j: int) -> tuple[NDArray[Any], NDArray[Any]]:
                a, b = turned.indptr[j], turned.indptr[j + 1]
                return turned.indices[a:b], turned.data[a:b]

            return line
        key = self._identity()
        copy = open_copy(key, matrix)
        if copy is None:
            try:
                copy = build_copy(key, matrix, report)
            except OSError as error:
                log.warning("No gene cache for %s, every gene is slow: %s", self._where, error)
                return lambda j: scan(matrix, j)
        return copy.line

    def release(self) -> None:
        self._matrix = None
        self._line = None

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_lock"} | {
            "_matrix": None,
            "_line": None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


def scan(matrix: SparseOnDisk, j: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """One column of a row-wise matrix by reading all of it, block by block."""
    rows, values = [np.zeros(0, np.int64)], [np.zeros(0, matrix.data.dtype)]
    for first, stop in matrix.spans():
        a, b = int(matrix.indptr[first]), int(matrix.indptr[stop])
        hits = np.flatnonzero(np.asarray(matrix.indices[a:b]) == j)
        rows.append(np.searchsorted(matrix.indptr, hits + a, side="right") - 1)
        if len(hits):
            values.append(np.asarray(matrix.data[a:b])[hits])
    return np.concatenate(rows), np.concatenate(values)
