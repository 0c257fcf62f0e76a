"""The folder that a window shares with its workers, and arrays that cross through it.

What is already saved crosses as its path; what is not is written here as ``.npy`` and mapped by
the worker: nothing is pickled, and no copy goes through the connection. The folder belongs to the
window, which removes it at its end. After a hard end the next window does: a lock that the system
releases with its owner tells which folders are still in use.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PREFIX = "stml-worker-"


class Scratch:
    """One window's folder for messages, answers and unsaved arrays."""

    def __init__(self, parent: Path | None = None) -> None:
        parent = Path(tempfile.gettempdir()) if parent is None else parent
        remove_abandoned(parent)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._owner = open(self.folder / "owner", "wb")  # noqa: SIM115 - held while we live
        _try_lock(self._owner.fileno())
        self._closing = threading.Lock()

    def hand_over(self, array: NDArray[Any]) -> dict[str, str]:
        """Write an unsaved array for a worker; the answer goes into the job's spec."""
        import numpy as np

        file = self.folder / f"array-{uuid.uuid4().hex}.npy"
        np.save(file, array, allow_pickle=False)
        return {"npy": str(file)}

    def discard(self, reference: dict[str, str]) -> None:
        """Remove what was handed over, once its Run has ended."""
        Path(reference["npy"]).unlink(missing_ok=True)

    def close(self) -> None:
        with self._closing:
            self._owner.close()
            shutil.rmtree(self.folder, ignore_errors=True)


def taken(reference: dict[str, str]) -> NDArray[Any] | np.memmap[Any, Any]:
    """The array behind a spec's ``{"npy": path}``, mapped read-only (in the worker)."""
    import numpy as np

    path = reference["npy"]
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.asarray(array) if array.size == 0 else array


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of windows that no longer live."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            handle = os.open(folder / "owner", os.O_RDWR)
        except OSError:
            continue  # just being made, or another user's
        try:
            abandoned = _try_lock(handle)
        finally:
            os.close(handle)
        if abandoned:
            shutil.rmtree(folder, ignore_errors=True)


def _try_lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
