"""A copy of a row-wise matrix by columns, kept on disk, so that one gene is one short read.

A copy is a folder of plain arrays: ``indptr.npy``, ``rows.npy``, ``values.npy`` and
``about.json``. Plain memory-mapped arrays were measured against zarr with 64k values a chunk
(`benchmarks/genes.py`): twice the bytes, a tenth of the time per gene, three files.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.io.tables.matrix import SparseOnDisk

log = logging.getLogger(__name__)

VERSION = 1
Report = Callable[[float], None]


def cache_folder() -> Path:
    """Where copies lie: ``STML_CACHE_HOME`` or the user's cache folder."""
    import platformdirs

    home = os.environ.get("STML_CACHE_HOME") or platformdirs.user_cache_dir("napari-stml", False)
    return Path(home) / "genes"


def cache_limit() -> int:
    """Bytes that all copies together may take: ``STML_GENE_CACHE_GB``, else 20 GB."""
    return int(float(os.environ.get("STML_GENE_CACHE_GB", "20")) * 1e9)


@dataclass(frozen=True)
class CachedColumns:
    """An opened copy."""

    folder: Path
    indptr: NDArray[np.int64]
    rows: NDArray[Any]
    values: NDArray[Any]

    def line(self, j: int) -> tuple[NDArray[Any], NDArray[Any]]:
        a, b = int(self.indptr[j]), int(self.indptr[j + 1])
        return self.rows[a:b], self.values[a:b]


def open_copy(key: str, matrix: SparseOnDisk) -> CachedColumns | None:
    """The copy of this matrix if there is a whole one."""
    folder = cache_folder() / key
    try:
        about = json.loads((folder / "about.json").read_text())
        arrays = [np.load(folder / f"{n}.npy", mmap_mode="r") for n in ("rows", "values")]
        pointer = np.load(folder / "indptr.npy")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        log.warning("The gene cache %s is damaged and is made again: %s", folder, error)
        shutil.rmtree(folder, ignore_errors=True)
        return None
    fits = about == _about(matrix) and len(pointer) == matrix.shape[1] + 1
    if not fits or any(len(a) != matrix.nnz for a in arrays):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    os.utime(folder)  # the time of last use decides what is evicted
    return CachedColumns(folder, pointer, *arrays)


def build_copy(key: str, matrix: SparseOnDisk, report: Report | None = None) -> CachedColumns:
    """Stream the rows twice: count per column, then write each value to its place.

    Memory is bounded by the block size, not by the matrix. The copy appears whole, by a
    rename. Raises OSError when the disk is full or not writable; nothing is left then.
    """
    home = cache_folder()
    home.mkdir(parents=True, exist_ok=True)
    staged = home / f".new-{uuid.uuid4().hex}"
    staged.mkdir()
    tell = report or (lambda done: None)
    try:
        pointer = _count(matrix, lambda done: tell(0.3 * done))
        np.save(staged / "indptr.npy", pointer)
        _write(matrix, pointer, staged, lambda done: tell(0.3 + 0.7 * done))
        (staged / "about.json").write_text(json.dumps(_about(matrix)))
        target = home / key
        try:
            staged.rename(target)
        except OSError:
            if not target.exists():  # else another process was quicker, which is as good
                raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    copy = open_copy(key, matrix)
    if copy is None:
        raise OSError(f"the gene cache {target} vanished while it was written")
    evict(cache_limit(), keep=target)
    return copy


def evict(limit: int, keep: Path | None = None) -> None:
    """Remove the copies used longest ago until all together fit the limit."""
    folders = sorted(
        (f for f in cache_folder().iterdir() if f.is_dir() and not f.name.startswith(".")),
        key=lambda f: f.stat().st_mtime,
        reverse=True,
    )
    total = 0
    for folder in sorted(folders, key=lambda f: f != keep):
        total += sum(f.stat().st_size for f in folder.iterdir())
        if total > limit and folder != keep:
            log.info("Removing the gene cache %s, used longest ago", folder)
            shutil.rmtree(folder, ignore_errors=True)


def _about(matrix: SparseOnDisk) -> dict[str, Any]:
    return {"version": VERSION, "shape": list(matrix.shape), "nnz": matrix.nnz}


def _count(matrix: SparseOnDisk, report: Report) -> NDArray[np.int64]:
    counts = np.zeros(matrix.shape[1], dtype=np.int64)
    for first, stop in matrix.spans():
        a, b = int(matrix.indptr[first]), int(matrix.indptr[stop])
        indices = matrix.checked(np.asarray(matrix.indices[a:b]))
        counts += np.bincount(indices, minlength=len(counts))
        report(stop / matrix.lines)
    if len(counts) and counts.max() > matrix.shape[0]:
        # A lost chunk of a zarr array reads as zeros without any error.
        raise matrix._damaged("a column has more values than rows; a chunk is missing")
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _write(matrix: SparseOnDisk, pointer: NDArray[np.int64], folder: Path, report: Report) -> None:
    row_type = np.dtype(np.int32 if matrix.shape[0] < 2**31 else np.int64)
    small = matrix.data.dtype.itemsize <= 2 and matrix.data.dtype.kind in "biu"
    value_type = np.dtype(matrix.data.dtype if small else np.float32)
    for name, dtype in (("rows", row_type), ("values", value_type)):
        _reserve(folder / f"{name}.npy", matrix.nnz, dtype)
    free = pointer[:-1].copy()
    for first, stop in matrix.spans():
        block = matrix.block(first, stop).tocsc()
        counts = np.diff(block.indptr)
        place = np.arange(block.nnz) + np.repeat(free - block.indptr[:-1], counts)
        free += counts
        for name, written in (
            ("rows", block.indices + row_type.type(first)),
            ("values", block.data),
        ):
            # Mapped anew for each block: written pages would else count as ours.
            array = np.lib.format.open_memmap(folder / f"{name}.npy", mode="r+")
            array[place] = written
            del array
        report(stop / matrix.lines)


def _reserve(path: Path, length: int, dtype: np.dtype[Any]) -> None:
    """An array file whose bytes exist: writing to a hole on a full disk ends the process."""
    if not length:
        np.save(path, np.zeros(0, dtype=dtype))
        return
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": (length,),
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        size = file.tell() + length * dtype.itemsize
        if hasattr(os, "posix_fallocate"):
            file.flush()
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            zeros = bytes(1 << 24)
            while file.tell() < size:
                file.write(zeros[: size - file.tell()])
