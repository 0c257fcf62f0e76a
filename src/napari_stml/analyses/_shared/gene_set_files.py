"""Gene sets from a file of the user: GMT, or a list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError
from napari_stml.methods.expression.gene_sets import from_text

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BYTES = 50_000_000


def read_sets(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read a GMT by its ending, anything else as text with one gene per line."""
    file = Path(path)
    try:
        if file.stat().st_size > MOST_BYTES:
            raise StmlError("This file is too large for gene sets", where=file.name,
                            do="choose a GMT file or a list of genes")  # fmt: skip
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise StmlError(
            f"The gene sets cannot be read: {error.strerror}", where=file,
            do="choose the file again",
        ) from error  # fmt: skip
    except UnicodeDecodeError as error:
        raise StmlError(
            "This file is no text", where=file.name, do="choose a GMT file or a list of genes"
        ) from error
    return from_text(text, file.stem, gmt=file.suffix.lower() == ".gmt")


def chosen(
    sets: dict[str, tuple[str, ...]], names: Sequence[str], where: str
) -> dict[str, tuple[str, ...]]:
    """Only the named sets, in that order; all of them when none is named."""
    unknown = [name for name in names if name not in sets]
    if unknown:
        import difflib

        close = difflib.get_close_matches(unknown[0], sets, n=3)
        raise StmlError(
            f"There is no gene set '{unknown[0]}'", where=Path(where).name,
            do=f"did you mean {', '.join(close)}?" if close else "choose one of the file's sets",
        )  # fmt: skip
    return {name: sets[name] for name in names} if names else sets
