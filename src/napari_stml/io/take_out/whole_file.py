"""A file that appears whole or not at all."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotSaveError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole_file(path: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary name beside ``path``; rename it when the block ends without an error."""
    path = Path(path)
    _refuse(path, overwrite)
    if not path.parent.is_dir():
        raise CannotSaveError("There is no such folder", where=path.parent)
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield staged
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        _refuse(path, overwrite)  # another program may have written it meanwhile
        staged.replace(path)
    except OSError as error:
        raise CannotSaveError(
            f"The file could not be written: {error.strerror or error}",
            where=path,
            do="choose a folder with enough space where you may write",
        ) from error
    finally:
        staged.unlink(missing_ok=True)


def _refuse(path: Path, overwrite: bool) -> None:
    if path.exists() and (path.is_dir() or not overwrite):
        raise CannotSaveError(
            "This file exists already", where=path, do="choose another name or allow overwriting"
        )
