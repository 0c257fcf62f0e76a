"""The version of our part of a store, and the way up from older ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotOpenError

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = 1
RUNS = "runs"
ELEMENTS = "elements"
RESERVED = frozenset({"schema", RUNS, ELEMENTS})

Own = dict[str, Any]


def version_of(own: Own) -> int:
    """The schema version in our attributes; `SCHEMA` for a store that we never wrote."""
    if not own:
        return SCHEMA
    version = own.get("schema", 0)
    if not isinstance(version, int):
        raise CannotOpenError("The store's schema version is not a number", where=repr(version))
    return version


def migrate(own: Own) -> None:
    """Bring our attributes to the current version, step by step, in place."""
    while own and (version := version_of(own)) < SCHEMA:
        MIGRATIONS[version](own)
        own["schema"] = version + 1


def _records_as_text(own: Own) -> None:
    """Version 0 kept records as objects and did not list their elements."""
    runs = own.setdefault(RUNS, {})
    elements = own.setdefault(ELEMENTS, {})
    for run_id, record in runs.items():
        if not isinstance(record, str):
            runs[run_id] = json.dumps(record)
        elements.setdefault(run_id, [f"tables/stml.{run_id}"])


MIGRATIONS: dict[int, Callable[[Own], None]] = {0: _records_as_text}
