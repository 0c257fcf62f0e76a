"""One writing program per store: a lock that the operating system drops when its holder dies."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotSaveError

if TYPE_CHECKING:
    from pathlib import Path

_HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_BYTE = 1 << 30  # Windows locks this byte, far behind the text, so that others can read the text


class StoreBusyError(CannotSaveError):
    """Another program of ours writes this store."""


@dataclass
class Lock:
    """Held from `acquire` to `release` or to the end of the process."""

    path: Path
    _handle: int

    @classmethod
    def acquire(cls, path: Path, program: str = "napari-stml") -> Lock:
        """Take the lock or raise `StoreBusyError` naming the holder; never waits."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle)
        except OSError as error:
            os.close(handle)
            if error.errno in _HELD:
                raise StoreBusyError(
                    f"This store is being written by {_describe(path)}",
                    where=path.parent.parent,
                    do="close it there, or open the store read-only here",
                ) from error
            raise
        note = {
            "program": program,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(note).encode())
        return cls(path, handle)

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def holder(path: Path) -> dict[str, Any]:
    """What the last holder wrote about itself; empty when that cannot be read."""
    try:
        note = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _describe(path: Path) -> str:
    note = holder(path)
    if not note:
        return "another program"
    if note.get("pid") == os.getpid() and note.get("host") == socket.gethostname():
        return "this program itself"
    return (
        f"{note.get('program')} (process {note.get('pid')} on {note.get('host')}, "
        f"since {note.get('since')})"
    )


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
