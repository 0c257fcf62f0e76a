"""Where an AnnData tree lies: an h5 file or a zarr store, and the key inside."""

from __future__ import annotations

import hashlib
import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.tables.damage import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)


@contextmanager
def reading(where: object, what: str = "The file cannot be read") -> Iterator[None]:
    """Turn what h5py, zarr and anndata raise on damaged files into one error with a place."""
    try:
        yield
    except StmlError:
        raise
    except MemoryError:
        raise
    except Exception as error:
        log.info("%s was not read", where, exc_info=True)
        reason = in_words(error)
        detail = f": {reason}" if reason else ""
        raise CannotOpenError(
            f"{what}{detail}", where=where, do="copy the file again or export it anew"
        ) from error


class Tree:
    """A group of an h5 file or a zarr store, opened when first asked and again after pickling.

    Parameters
    ----------
    where
        A path, a URL (``https://``, ``s3://``), an fsspec mapper, a zarr store, or an open
        h5py or zarr group.
    key
        The group inside, for example ``tables/table`` or ``mod/rna``.
    """

    def __init__(self, where: Any, key: str = "") -> None:
        self._key = key.strip("/")
        self._where: Any = where
        if isinstance(where, (str, os.PathLike)):
            text = os.fspath(where)
            self._where = text if "://" in text else Path(text)
        elif type(where).__module__.startswith("h5py"):
            # By name, so that the table can be pickled and outlive the caller's file handle.
            self._key = "/".join(p for p in (where.name.strip("/"), self._key) if p)
            self._where = Path(where.file.filename)
        self._file: Any = None
        self._group: Any = None

    @property
    def source(self) -> str:
        where = self._where
        if not isinstance(where, (str, Path)):
            where = getattr(where, "store_path", where)
        return f"{where}::{self._key}" if self._key else str(where)

    @property
    def group(self) -> Any:
        if self._group is None:
            with reading(self.source):
                root = self._open()
                if self._key and self._key not in root:
                    raise CannotOpenError(f"There is no '{self._key}' inside", where=self._where)
                self._group = root[self._key] if self._key else root
        return self._group

    def _open(self) -> Any:
        where = self._where
        if not isinstance(where, (str, Path)):
            return where if hasattr(where, "attrs") else _zarr_group(where, remote=True)
        if isinstance(where, str):
            return _zarr_group(where, remote=True)
        if not where.exists():
            raise CannotOpenError("There is no such file or folder", where=where)
        if where.is_dir():
            return _zarr_group(str(where), remote=False)
        import h5py

        if not h5py.is_hdf5(where):
            raise CannotOpenError(
                "This is not an HDF5 file", where=where, do="choose an .h5ad, .h5 or .zarr"
            )
        # Without a locking flag: HDF5 refuses to open a file twice with different ones, and
        # anndata opens it with the default.
        self._file = h5py.File(where, "r")
        return self._file

    def identity(self, *nodes: str) -> str:
        """A digest that changes when the arrays below ``nodes`` are written again.

        Paths, inodes and times of the files; of a local zarr also the folders' times, because
        every chunk arrives by a rename. What is remote is known by its address only.
        """
        facts: list[object] = [self.source]
        local = _local_path(self._where)
        if local is not None and local.is_file():
            facts += _file_facts(local)
        elif local is not None:
            inner = getattr(self.group, "path", self._key) or ""
            for node in nodes:
                for part in ("", "indptr", "indices", "data"):
                    place = local / inner / node / part
                    for file in (place, place / "c", place / "zarr.json", place / ".zarray"):
                        if file.exists():
                            facts += _file_facts(file)
        facts += nodes
        return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
        self._group = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_group": None}


def _zarr_group(where: Any, *, remote: bool) -> Any:
    import zarr

    # Locally the consolidated block may be older than the tables (another program replaced
    # one); remotely it spares a request per node.
    return zarr.open_group(where, mode="r", use_consolidated=None if remote else False)


def _local_path(where: Any) -> Path | None:
    """The folder or file on this machine that ``where`` stands for, if any."""
    if isinstance(where, Path):
        return where.resolve()
    root = getattr(getattr(where, "store", where), "root", None)
    return Path(root).resolve() if isinstance(root, (str, Path)) else None


def _file_facts(path: Path) -> list[object]:
    stat = path.stat()
    return [str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size if path.is_file() else 0]
