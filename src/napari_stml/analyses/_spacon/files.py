"""Connection matrices in files: .npy, .npz (dense or scipy's sparse) and zarr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("names", "barcodes", "index")


def named_matrix(path: Path) -> tuple[Any, tuple[str, ...]]:
    """The square matrix of a file, as far as possible left on disk, and the names of its rows."""
    try:
        if path.is_dir():
            return _zarr(path)
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False), ()
        if path.suffix == ".npz":
            return _npz(path)
    except (OSError, ValueError, KeyError) as error:
        raise StmlError(
            f"The connection matrix cannot be read: {error}", where=path, do="choose another file"
        ) from error
    raise StmlError(
        "A connection matrix is read from .npy, .npz or .zarr", where=path, do="convert it"
    )


def _npz(path: Path) -> tuple[Any, tuple[str, ...]]:
    from scipy.sparse import load_npz

    with np.load(path, allow_pickle=False) as arrays:
        names = _names(arrays, arrays.files)
        if "format" in arrays.files:
            return load_npz(path).tocsr(), names
        square = [k for k in arrays.files if arrays[k].ndim == 2]
        return arrays[_only(square, path)], names


def _zarr(path: Path) -> tuple[Any, tuple[str, ...]]:
    import zarr

    root: Any = zarr.open(path, mode="r")
    if isinstance(root, zarr.Array):
        return root, ()
    found = dict(root.arrays())
    if {"data", "indices", "indptr"} <= set(found):
        from scipy.sparse import csr_matrix

        n = len(found["indptr"]) - 1
        shape = tuple(root.attrs.get("shape", (n, n)))
        parts = (found["data"][:], found["indices"][:], found["indptr"][:])
        return csr_matrix(parts, shape=shape), _names(found, found)
    square = [k for k, v in found.items() if v.ndim == 2]
    return found[_only(square, path)], _names(found, found)


def _only(names: list[str], path: Path) -> str:
    if len(names) != 1:
        raise StmlError(
            f"There are {len(names)} matrices in this file ({', '.join(names[:6])})", where=path,
            do="leave one in it",
        )  # fmt: skip
    return names[0]


def _names(arrays: Any, keys: Any) -> tuple[str, ...]:
    for name in NAMES:
        if name in keys:
            return tuple(str(v) for v in np.asarray(arrays[name][:]).tolist())
    return ()
