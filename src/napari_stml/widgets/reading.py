"""Sections read and written, for a thread. Light to import."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.io.section import Section

log = logging.getLogger(__name__)


def open_section(path: Any, choices: dict[str, Any]) -> Section:
    """Open a section and read what painting it needs; it may take seconds."""
    from napari_stml.io.section import Section
    from napari_stml.viewer.prepare import prepare

    return prepare(Section.open(path, **choices))


def save_section(section: Section, target: Path | str) -> None:
    """Write a section, its Runs included, as a store of its own; for a thread."""
    from napari_stml.io.save_section import save_section_as

    for name in save_section_as(section, target):
        log.debug("saving %s", name)
