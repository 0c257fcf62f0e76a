"""Names that SpatialData, anndata and three file systems accept, and the names of a Run's parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from napari_stml.core.errors import CannotSaveError
from napari_stml.io.contents import ElementKind

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS: tuple[ElementKind, ...] = get_args(ElementKind)
PREFIX = "stml."
"""Elements whose name starts so are ours; all others belong to the user and are never changed."""

_KEY = re.compile(r"^[\w.\-]+$")
_RUN = r"[a-z0-9]+(?:-[a-z0-9]+)*-[0-9]+"
_RUN_ID = re.compile(rf"^{_RUN}$")
_RUN_ELEMENT = re.compile(rf"^stml\.({_RUN})(?:\.[^/]+)?$")
_LONGEST = 100


def check_key(key: str, where: str) -> None:
    """Raise unless ``key`` can name an element, a column or an entry of obsm, varm or uns."""
    good = _KEY.match(key) and not key.startswith((".", "__")) and key != "_index"
    if not good or len(key) > _LONGEST:
        raise CannotSaveError(
            f"{key!r} cannot be a name in a SpatialData store",
            where=where,
            do="use at most 100 letters, digits, '_', '-' and '.', "
            "not beginning with '.' or '__', and not '_index'",
        )


def storable_name(name: str) -> str:
    """The nearest name that `check_key` accepts."""
    text = re.sub(r"[^\w.\-]+", "_", name).strip("._-")[:_LONGEST]
    return text or "element"


def check_keys(keys: Iterable[str], where: str) -> None:
    """`check_key` for each, and no two that differ only in case."""
    seen: dict[str, str] = {}
    for key in keys:
        check_key(key, where)
        other = seen.setdefault(key.casefold(), key)
        if other != key:
            raise CannotSaveError(
                f"{key!r} and {other!r} differ only in upper and lower case",
                where=where,
                do="rename one of them: not every file system can tell them apart",
            )


def check_run_id(run_id: str) -> None:
    if not _RUN_ID.match(run_id) or len(run_id) > _LONGEST // 2:
        raise CannotSaveError(
            f"{run_id!r} is not the id of a Run", do="take the id from Store.new_run_id"
        )


def analysis_slug(analysis: str) -> str:
    """The analysis' part of a run id: lower case, digits and hyphens."""
    slug = re.sub(r"[^a-z0-9]+", "-", analysis.lower()).strip("-")
    return slug[:40].strip("-") or "run"


def element_name(run_id: str, part: str = "") -> str:
    """``stml.<run id>`` or ``stml.<run id>.<part>``."""
    return f"{PREFIX}{run_id}.{part}" if part else f"{PREFIX}{run_id}"


def run_of(element: str) -> str | None:
    """The run id in an element's name; None for elements that are no Run's."""
    match = _RUN_ELEMENT.match(element)
    return match.group(1) if match else None
