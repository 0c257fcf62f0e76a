"""The readers of all formats, and the choice of one of them by looking at a path.

A reader is a module of this package with a module-level ``READER``. It is imported when its
turn to look at a path comes, and its formats' libraries only when it reads.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from napari_stml.core.errors import CannotOpenError, StmlError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_stml.io.contents import Contents

Location = Path | str
"""A local path, or a URL as text."""

Source = Location | tuple[Location, ...]
"""What a section is opened from; several locations hold several tables of the same spots."""

READERS: tuple[str, ...] = (
    # Most specific first: the first reader that claims a path reads it.
    "napari_stml.io.readers.spatialdata",
    "napari_stml.io.readers.h5mu",
    # Folders of instruments.
    "napari_stml.io.readers.visium_hd",
    "napari_stml.io.readers.space_ranger",
    "napari_stml.io.readers.xenium",
    "napari_stml.io.readers.merscope",
    "napari_stml.io.readers.cosmx",
    "napari_stml.io.readers.fov_folder",
    "napari_stml.io.readers.hest",
    # Looser claims: folders with .h5ad files, any slide.
    "napari_stml.io.readers.joined",
    "napari_stml.io.readers.h5ad",
    "napari_stml.io.readers.slide_only",
)

_URL = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@runtime_checkable
class Reader(Protocol):
    """Reads one format.

    The keyword-only arguments of ``read`` are the format's choices; all of them have a default,
    and what was taken stands in ``Contents.chosen``.
    """

    @property
    def format(self) -> str:
        """The name shown to the user ("Visium", "SpatialData", ...)."""

    def claims(self, path: Source) -> bool:
        """Whether this is my format, by names and small metadata only.

        Raises only for an address that is out of reach.
        """

    def read(self, path: Source, **choices: Any) -> Contents:
        """Read everything lazily."""


def readers() -> Iterator[Reader]:
    """All readers, most specific first, each imported when it is reached."""
    for module in READERS:
        reader: Reader = import_module(module).READER
        yield reader


def is_url(path: object) -> bool:
    """Whether this is text like ``https://...`` or ``s3://...`` (``file://`` is a path)."""
    return isinstance(path, str) and bool(_URL.match(path)) and not path.startswith("file://")


def normalised(path: Location | Sequence[Location]) -> Source:
    """A local path as absolute `Path`, a URL as text, a list as a tuple of these."""
    if isinstance(path, str | Path):
        if is_url(path):
            return str(path).rstrip("/")
        text = str(path).removeprefix("file://")
        return Path(text).expanduser().absolute()
    several = tuple(normalised(p) for p in path)
    if not several:
        raise CannotOpenError("No file was given", do="give at least one path")
    if len(several) == 1:
        return several[0]
    return tuple(p for p in several if not isinstance(p, tuple))


def read_contents(path: Location | Sequence[Location], **choices: Any) -> Contents:
    """Find the reader of a path and let it read.

    Raises
    ------
    CannotOpenError
        When nothing lies there, no reader claims it, a choice is unknown or the files are
        damaged. The message says what was looked for and what was found.
    """
    source = normalised(path)
    _must_exist(source)
    reader = claimant(source)
    if reader is not None:
        return _read(reader, source, choices)
    raise CannotOpenError(
        f"Nothing here that can be opened: {_what_is_there(source)}",
        where=shown(source),
        do="give one of: " + ", ".join(reader.format for reader in readers()),
    )


def claimant(path: Location | Sequence[Location]) -> Reader | None:
    """The reader that takes a path for its format, by names and small metadata only."""
    source = normalised(path)
    return next((reader for reader in readers() if reader.claims(source)), None)


def accepted_choices(reader: Reader) -> tuple[str, ...]:
    """The names of a reader's choices."""
    parameters = inspect.signature(reader.read).parameters.values()
    return tuple(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)


def shown(source: Source) -> str:
    """A source in words."""
    return ", ".join(map(str, source)) if isinstance(source, tuple) else str(source)


def _read(reader: Reader, source: Source, choices: dict[str, Any]) -> Contents:
    accepted = accepted_choices(reader)
    if unknown := sorted(set(choices) - set(accepted)):
        listed = ", ".join(accepted) if accepted else "none"
        raise CannotOpenError(
            f"{reader.format} has no choice named {', '.join(unknown)}",
            where=shown(source),
            do=f"choices that it accepts: {listed}",
        )
    try:
        return reader.read(source, **choices)
    except (StmlError, MemoryError):
        raise
    except Exception as error:
        raise CannotOpenError(
            f"This {reader.format} could not be read: {type(error).__name__}: {error}",
            where=shown(source),
            do="check that the files are complete and were copied without errors",
        ) from error


def _must_exist(source: Source) -> None:
    for place in source if isinstance(source, tuple) else (source,):
        if isinstance(place, Path) and not place.exists():
            raise CannotOpenError("There is nothing at this path", where=place)


def _what_is_there(source: Source) -> str:
    if isinstance(source, tuple):
        return "these files are not tables of the same spots"
    if isinstance(source, str):
        return "no known format at this address"
    if not source.is_dir():
        return f"a file of {source.stat().st_size} bytes that no reader knows"
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in source.iterdir())
    if not names:
        return "an empty folder"
    return "a folder with " + ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
