"""Keeps what was changed about the look of a section: in its store, with undo."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from napari_stml.core.categories import CategoryStyle

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from napari_stml.io.section import Section

log = logging.getLogger(__name__)

ATTRIBUTE = "styling"
KEPT_EDITS = 200


@dataclass(frozen=True)
class Edit:
    """One command on the categories of a column."""

    column: str
    title: str
    before: CategoryStyle
    after: CategoryStyle


class Styling:
    """The category styles of one section. Read once, written with each command.

    Nothing is written, and no store made, before the user changes something.
    """

    def __init__(self, section: Section, failed: Callable[[str], None]) -> None:
        self.author = ""
        """Who signs the edits; what the user calls themselves in the preferences, or nobody."""
        self._section, self._failed = section, failed
        self._styles: dict[str, CategoryStyle] | None = None
        self._log: list[dict[str, str]] = []
        self._done: list[Edit] = []

    def load(self) -> None:
        """Read what is stored, once; for a thread."""
        if self._styles is not None:
            return
        stored = stored_attribute(self._section, ATTRIBUTE)
        columns = stored.get("columns", {}) if isinstance(stored, dict) else {}
        self._log = list(stored.get("edits", [])) if isinstance(stored, dict) else []
        self._styles = {str(k): CategoryStyle.of(v) for k, v in columns.items()}

    def of(self, column: str) -> CategoryStyle:
        return (self._styles or {}).get(column, CategoryStyle())

    def do(self, column: str, title: str, after: CategoryStyle) -> None:
        """Change a column's style and keep it."""
        self.load()
        self._done.append(Edit(column, title, self.of(column), after))
        self._put(column, after, title)

    @property
    def undo_title(self) -> str:
        """What `undo` would take back; "" for nothing."""
        return self._done[-1].title if self._done else ""

    def undo(self) -> Edit | None:
        """Take the latest command back."""
        if not self._done:
            return None
        edit = self._done.pop()
        self._put(edit.column, edit.before, f"undone: {edit.title}")
        return edit

    def _put(self, column: str, style: CategoryStyle, title: str) -> None:
        styles = self._styles = dict(self._styles or {})
        styles[column] = style
        if style == CategoryStyle():
            del styles[column]
        when = datetime.now(UTC).isoformat(timespec="seconds")
        note = {"column": column, "did": title, "by": self.author, "at": when}
        self._log = [*self._log, note][-KEPT_EDITS:]
        record = {"columns": {k: s.record() for k, s in styles.items()}, "edits": self._log}
        keep_attribute(self._section, ATTRIBUTE, record, self._failed)


def keep_attribute(
    section: Section, key: str, value: Any, failed: Callable[[str], None]
) -> Future[None] | None:
    """Write an attribute on the store's writer thread; a refusal is said, not raised."""
    from napari_stml.core.errors import StmlError

    try:
        store = section.kept.store
    except StmlError as error:
        failed(str(error))
        return None
    future = store.later(store.set_attr, key, value)

    def told(done: Future[None]) -> None:
        error = done.exception()
        if error is not None:
            log.error("%s was not kept", key, exc_info=error)
            failed(str(error))

    future.add_done_callback(told)
    return future


def stored_attribute(section: Section, key: str) -> Any:
    """One of our attributes, without opening the store for writing; None where there is none."""
    shelf = section.shelf
    if shelf is None:
        return None
    try:
        attributes = json.loads((shelf.store / "zarr.json").read_bytes()).get("attributes", {})
    except (OSError, ValueError) as error:
        log.warning("%s is not readable: %s", shelf.store, error)
        return None
    return attributes.get("stml", {}).get(key)
