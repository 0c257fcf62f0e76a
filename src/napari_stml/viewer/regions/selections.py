"""Selections of observations that were given a name: kept in the store, offered again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError
from napari_stml.regions.region import now
from napari_stml.viewer.selection import Selection
from napari_stml.viewer.styling import keep_attribute, stored_attribute

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.io.section import Section

ATTRIBUTE = "selections"
MOST = 50_000
"""More names would make the store's root slow to read; a region holds any number."""


def kept_selections(section: Section) -> dict[str, Selection]:
    """By name; members that the section no longer has are left out."""
    stored = stored_attribute(section, ATTRIBUTE)
    observed = section.observations
    if not isinstance(stored, dict) or observed is None:
        return {}
    known = set(observed.names.tolist())
    found = {}
    for name, entry in stored.items():
        members = tuple(n for n in entry.get("members", ()) if n in known)
        if members:
            found[str(name)] = Selection(members, str(name))
    return found


def keep_selection(
    section: Section, name: str, selection: Selection, author: str, failed: Callable[[str], None]
) -> None:
    """Keep it under a name; an equal name is replaced."""
    if len(selection) > MOST:
        raise StmlError(f"More than {MOST:,} spots are not kept by name", do="draw a region")
    stored = stored_attribute(section, ATTRIBUTE)
    before = stored if isinstance(stored, dict) else {}
    entry = {"members": list(selection.names), "by": author, "at": now()}
    done = keep_attribute(section, ATTRIBUTE, {**before, name: entry}, failed)
    if done is not None:
        done.result(timeout=30)


def drop_selection(section: Section, name: str, failed: Callable[[str], None]) -> None:
    stored = stored_attribute(section, ATTRIBUTE)
    before = stored if isinstance(stored, dict) else {}
    keep_attribute(section, ATTRIBUTE, {k: v for k, v in before.items() if k != name}, failed)
