"""What a file is, told without reading all of it."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SAMPLE = 1 << 16
_SAMPLES = 16


def key_of(*parts: object) -> str:
    """Return a short key of anything that prints."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def file_stamp(path: str | os.PathLike[str]) -> tuple[str, int, int]:
    """Path, size and time of change: differs as soon as somebody writes the file."""
    stat = os.stat(path)
    return os.path.realpath(path), stat.st_size, stat.st_mtime_ns


def content_key(path: Path, *parts: object) -> str:
    """Key of a file's content: survives moving, from size, time and samples of the bytes."""
    stat = path.stat()
    digest = hashlib.blake2b(digest_size=16)
    step = max((stat.st_size - _SAMPLE) // _SAMPLES, 1)
    with path.open("rb") as file:
        for i in range(_SAMPLES + 1):
            file.seek(i * step)
            digest.update(file.read(_SAMPLE))
    return key_of(stat.st_size, stat.st_mtime_ns, digest.hexdigest(), *parts)
