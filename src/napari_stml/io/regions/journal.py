"""Every edit in a file of its own lines, before anything else happens with it.

A line is a checksum and JSON. A line that was cut off or damaged is passed over, all others count:
entries set whole regions, so each stands alone. A line ``saved`` says up to which entry the
store's shapes hold everything; what comes after it was drawn and not yet saved.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import zlib
from typing import TYPE_CHECKING, Any

from napari_stml.io.store import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST_BYTES = 16_000_000
KEPT_LOGS = 3
_log = logging.getLogger(__name__)


class Journal:
    """The journal of one section; only the process that holds the store's lock writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self._file: Any = None
        self._turn = threading.RLock()  # edits come from the main thread, "saved" from the writer
        self._unsaved: list[dict[str, Any]] = []
        for entry in read(path):
            self._count(entry)

    @property
    def unsaved(self) -> tuple[dict[str, Any], ...]:
        """Entries that the store does not hold yet, oldest first."""
        return tuple(self._unsaved)

    def note(self, entry: Mapping[str, Any]) -> int:
        """Append an edit; when this returns, a kill of the program cannot lose it."""
        with self._turn:
            return self._append({"n": self.number + 1, **entry})

    def note_saved(self, upto: int) -> None:
        """The store holds everything up to this entry."""
        with self._turn:
            self._append({"n": self.number + 1, "saved": upto})
        self.flush()
        with self._turn:
            if self.path.stat().st_size > MOST_BYTES and not self._unsaved:
                self._begin_anew()

    def flush(self) -> None:
        """Force it to the disk, against a loss of power; for a thread: edits do not wait for it."""
        with self._turn:
            if self._file is None:
                return
            file = os.dup(self._file.fileno())  # it may be closed meanwhile
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def close(self) -> None:
        with self._turn:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _append(self, entry: dict[str, Any]) -> int:
        with files.saving("This edit is", self.path):
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115 - closed by `close`
                if self._file.tell() and not _ends_whole(self.path):
                    self._file.write(b"\n")
            self._file.write(line_of(entry))
        self._count(entry)
        return self.number

    def _count(self, entry: dict[str, Any]) -> None:
        self.number = max(self.number, int(entry.get("n", 0)))
        if "saved" in entry:
            self._unsaved = [e for e in self._unsaved if e["n"] > entry["saved"]]
        else:
            self._unsaved.append(entry)

    def _begin_anew(self) -> None:
        """Everything is saved: put the long file aside as a log of who did what."""
        self.close()
        logs = sorted(self.path.parent.glob(f"{self.path.stem}-*.log"))
        self.path.rename(self.path.with_name(f"{self.path.stem}-{self.number:09}.log"))
        for old in logs[: max(0, len(logs) + 1 - KEPT_LOGS)]:
            old.unlink()
        self._append({"n": self.number + 1, "saved": self.number})


def line_of(entry: Mapping[str, Any]) -> bytes:
    text = json.dumps(entry, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def read(path: Path) -> list[dict[str, Any]]:
    """All whole entries, in their order."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    found = []
    for line in data.split(b"\n"):
        mark, _, text = line.partition(b" ")
        if not line:
            continue
        try:
            if int(mark, 16) != zlib.crc32(text):
                raise ValueError("checksum")
            entry = json.loads(text)
        except ValueError:
            _log.warning("a line of %s is cut off or damaged", path.name)
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
