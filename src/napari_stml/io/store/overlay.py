"""Where a section's Runs and strokes are kept: in its own store, or locally beside it."""

from __future__ import annotations

import errno
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotSaveError
from napari_stml.io.store import files
from napari_stml.io.store.lock import StoreBusyError
from napari_stml.io.store.source import Source, is_remote
from napari_stml.io.store.store import Store, is_spatialdata

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOTE = "source.json"
_CANNOT_WRITE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOLCK, errno.ENOTSUP}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """A section's store and how it came to it.

    Attributes
    ----------
    locally
        True for an overlay in the user's data folder ("kept locally").
    source
        What was opened.
    changed
        The source is no longer what it was when the overlay was made.
    moved_from
        The place where the source lay before; "" unless it was moved.
    """

    store: Store
    locally: bool
    source: Source
    changed: bool = False
    moved_from: str = ""


def data_home() -> Path:
    """The folder for overlays; ``STML_DATA_HOME`` overrides the system's place for user data."""
    override = os.environ.get("STML_DATA_HOME")
    if override:
        return Path(override)
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-stml", appauthor=False))


def store_for(source: Path | str) -> Kept:
    """Open the store in which a section keeps its Runs.

    A writable local SpatialData zarr is its own store. Folders, files, slides, read-only stores
    and remote addresses get an overlay, found again by place or, when moved, by content. Raises
    `StoreBusyError` when another program of ours writes it.
    """
    if not is_remote(source) and is_spatialdata(Path(source)):
        try:
            return Kept(Store.open(source), False, Source(str(Path(source).resolve()), ""))
        except StoreBusyError:
            raise
        except CannotSaveError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno not in _CANNOT_WRITE:
                raise
    return _overlay(Source.of(source))


def find_store(source: Path | str) -> Path | None:
    """Where a section's Runs lie, when there are any; nothing is made and nothing locked."""
    own = None
    if not is_remote(source) and is_spatialdata(Path(source)) and (Path(source) / ".stml").is_dir():
        own = Path(source)
        if os.access(own, os.W_OK):
            return own
    place = str(source).rstrip("/") if is_remote(source) else str(Path(source).resolve())
    known = list(overlays())
    found = next((path for path, overlay in known if overlay.place == place), None)
    if found is None and not is_remote(source) and Path(source).exists():
        found = _moved_here(Path(source), known)
    return found or own


def _moved_here(source: Path, known: list[tuple[Path, Source]]) -> Path | None:
    """The overlay of a file that lay elsewhere before, known by its content."""
    gone = [o for o in known if not o[1].remote and o[1].content and not Path(o[1].place).exists()]
    if not gone:
        return None
    content = Source.of(source).content
    return next((path for path, overlay in gone if overlay.content == content), None)


def overlays() -> Iterator[tuple[Path, Source]]:
    """All overlays with the sources that they belong to."""
    for note in sorted((data_home() / "overlays").glob(f"*.zarr/.stml/{_NOTE}")):
        try:
            yield note.parents[1], Source(**json.loads(note.read_bytes()))
        except (ValueError, TypeError) as error:
            _log.warning("%s is not readable: %s", note, error)


def _overlay(source: Source) -> Kept:
    known = list(overlays())
    for path, remembered in known:
        if remembered.place == source.place:
            return Kept(Store.open(path), True, source, remembered.content != source.content)
    for path, remembered in known:
        gone = not remembered.remote and not Path(remembered.place).exists()
        if gone and source.content and remembered.content == source.content:
            store = Store.open(path)
            _remember(path, source)
            return Kept(store, True, source, moved_from=remembered.place)
    folder = data_home() / "overlays"
    path = folder / f"{source.stem}-{source.key}.zarr"
    number = 2
    while path.exists():
        path = folder / f"{source.stem}-{source.key}-{number}.zarr"
        number += 1
    draft = path.with_name(f".{path.name}.making-{os.getpid()}")
    with files.saving("A place for locally kept results is", folder):
        files.remove_tree(draft)
        Store.create(draft).close()
        _remember(draft, source)
        files.move(draft, path)
    return Kept(Store.open(path), True, source)


def accept_change(kept: Kept) -> Kept:
    """Take the source's present content as the one that the overlay belongs to."""
    _remember(kept.store.path, kept.source)
    return Kept(kept.store, kept.locally, kept.source)


def _remember(overlay: Path, source: Source) -> None:
    with files.saving("The place of the locally kept results is", overlay):
        note = json.dumps(asdict(source)).encode()
        files.write_atomic(overlay / ".stml" / _NOTE, note, overlay / ".stml")
