"""File operations that survive a kill: flush, atomic replacement, exchange of folders.

Other modules call these as ``files.<name>`` so that tests can stop the program before any of
them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotSaveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_NO_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextmanager
def saving(unsaved: str, where: Path) -> Iterator[None]:
    """Turn a file system's refusal into the user's words: what is still unsaved, and why."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            reason, do = "the disk is full", "free some space and save again"
        elif error.errno in _FORBIDDEN:
            reason = "the folder may not be written"
            do = "change its permissions and save again, or use Save as"
        else:
            reason, do = str(error), "check the disk and save again, or use Save as"
        raise CannotSaveError(f"{unsaved} not saved: {reason}", where=where, do=do) from error


def flush(path: Path) -> None:
    """Force a file or a folder's entries to the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot flush folders; NTFS journals their entries
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_tree(folder: Path) -> None:
    """Flush every file and folder, children before parents."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            flush(Path(parent, name))
        flush(Path(parent))


def write_atomic(
    path: Path, data: bytes, scratch: Path, *, still: Callable[[], bool] = lambda: True
) -> bool:
    """Replace a file's content at once; ``scratch`` is a folder on the same file system.

    ``still`` is asked last, when the new content is flushed; False leaves the file as it is.
    """
    temporary = scratch / f"{path.name}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        wanted = still()
        if wanted:
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    flush(path.parent)
    return wanted


def move(source: Path, target: Path) -> None:
    """Rename to a name that does not exist, on the same file system, and flush both parents."""
    if target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    os.rename(source, target)
    flush(target.parent)
    if source.parent != target.parent:
        flush(source.parent)


def exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step; False where the system or the volume cannot."""
    if sys.platform.startswith("linux"):
        name, before, between = "renameat2", (-100,), (-100,)
    elif sys.platform == "darwin":
        name, before, between = "renamex_np", (), ()
    else:
        return False
    swap = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if swap is None:
        return False
    if swap(*before, os.fsencode(a), *between, os.fsencode(b), ctypes.c_uint(2)) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(a), None, str(b))


def remove_tree(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def clone_tree(source: Path, target: Path) -> None:
    """A second name for every file (a copy where hard links are not supported)."""
    for parent, _, names in os.walk(source):
        here = target / Path(parent).relative_to(source)
        here.mkdir(parents=True)
        for name in names:
            try:
                os.link(Path(parent, name), here / name)
            except OSError as error:
                if error.errno in _FULL:
                    raise
                shutil.copy2(Path(parent, name), here / name)
