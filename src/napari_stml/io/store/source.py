"""Recognise what was opened: by its place, and by its content when it was moved."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from napari_stml.core.errors import CannotOpenError

_SAMPLE = 1 << 16
_MOST_FILES = 5_000
_DEPTH = 3


@dataclass(frozen=True)
class Source:
    """Where a section was opened from, and what lay there.

    ``content`` is "" for remote addresses, which are recognised by their address alone.
    """

    place: str
    content: str

    @classmethod
    def of(cls, source: Path | str) -> Source:
        """Look at a file or folder: sizes, names and samples of the content, never all of it."""
        if is_remote(source):
            return cls(str(source).rstrip("/"), "")
        path = Path(source).resolve()
        if not path.exists():
            raise CannotOpenError("There is nothing at this place", where=path)
        return cls(str(path), _content(path))

    @property
    def remote(self) -> bool:
        return is_remote(self.place)

    @property
    def key(self) -> str:
        """Short and the same for the same place."""
        return hashlib.blake2b(self.place.encode(), digest_size=5).hexdigest()

    @property
    def stem(self) -> str:
        """A readable part for file names."""
        name = self.place.split("?")[0].rstrip("/").replace("\\", "/").rpartition("/")[2]
        stem = name.partition(".")[0] or name
        return re.sub(r"[^A-Za-z0-9_-]+", "_", stem)[:40].strip("_") or "section"


def is_remote(source: Path | str) -> bool:
    """Whether this is an address (``https://...``, ``s3://...``) rather than a path."""
    return isinstance(source, str) and re.match(r"^[a-z][a-z0-9+.-]+://", source) is not None


def _content(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    if path.is_file():
        _add_file(digest, path)
        return digest.hexdigest()
    count = 0
    for parent, folders, names in os.walk(path):
        depth = len(Path(parent).relative_to(path).parts)
        folders[:] = sorted(f for f in folders if not f.startswith(".")) if depth < _DEPTH else []
        for name in sorted(n for n in names if not n.startswith(".")):
            file = Path(parent, name)
            digest.update(f"{file.relative_to(path).as_posix()} {file.stat().st_size}\n".encode())
            if name == "zarr.json" or depth == 0:
                _add_file(digest, file)
            count += 1
            if count >= _MOST_FILES:
                return digest.hexdigest()
    return digest.hexdigest()


def _add_file(digest: hashlib.blake2b, path: Path) -> None:
    size = path.stat().st_size
    digest.update(str(size).encode())
    with open(path, "rb") as file:
        for start in sorted({0, max(0, size // 2 - _SAMPLE // 2), max(0, size - _SAMPLE)}):
            file.seek(start)
            digest.update(file.read(_SAMPLE))
