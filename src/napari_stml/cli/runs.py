"""`napari-stml runs`: what was computed on a section; words, repetition, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.cli.opening import add_opening, opened
from napari_stml.cli.terminal import duration, say
from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_stml.core.run_record import RunRecord
    from napari_stml.io.section import Section


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("path")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--methods", metavar="ID", help="a paragraph for the methods section")
    what.add_argument("--command", metavar="ID", help="the command line that repeats a Run")
    what.add_argument("--script", metavar="ID", help="the Python script that repeats a Run")
    what.add_argument("--undo", metavar="ID", help="take a Run out of the store")
    what.add_argument("--redo", metavar="ID", help="bring an undone Run back")
    add_opening(parser)


def act(options: argparse.Namespace) -> None:
    from napari_stml.runs import words

    with opened(options) as section:
        if options.undo:
            _undo(section, options.undo)
        elif options.redo:
            section.kept.store.redo(options.redo)
            say(f"{options.redo} is back")
        elif options.methods:
            say(words.describe(_record(section, options.methods)))
        elif options.command:
            say(words.as_command(_record(section, options.command), section))
        elif options.script:
            say(words.as_script(_record(section, options.script), section))
        else:
            _list(section)


def _list(section: Section) -> None:
    from napari_stml.runs.standing import whole

    shelf = section.shelf
    records = [] if shelf is None else [r for r in shelf.records.values() if _of(section, r)]
    if shelf is None or not records:
        say("No Run is stored.")
        return
    for record in records:
        scope = record.scope.get("title", "whole section")
        lost = "" if whole(shelf, record.id) else "  LOST: another program took its values away"
        say(
            f"{record.id:<18}{record.started:%Y-%m-%d %H:%M}  {duration(record.seconds):>8}  "
            f"{record.title} ({scope}){lost}"
        )
        say(f"{'':<18}{', '.join(entry.name for entry in record.parts)}")
    say(f"kept in {shelf.store}")


def _of(section: Section, record: RunRecord) -> bool:
    """Whether a Run of the store is one of this section."""
    shelf = section.shelf
    return shelf is not None and bool(shelf.entries(record.id) or not record.parts)


def _record(section: Section, run_id: str) -> RunRecord:
    from napari_stml.runs.parameters import did_you_mean

    records = section.shelf.records if section.shelf is not None else {}
    if run_id not in records:
        raise StmlError(
            f"There is no Run '{run_id}'", where=section.name,
            do=did_you_mean(run_id, records) or "list them with napari-stml runs",
        )  # fmt: skip
    return records[run_id]


def _undo(section: Section, run_id: str) -> None:
    _record(section, run_id)
    store = section.kept.store
    used_by = store.dependents(run_id)
    store.undo(run_id)
    say(f"{run_id} was undone; napari-stml runs PATH --redo {run_id} brings it back")
    if used_by:
        say(f"{', '.join(used_by)} used it and stays")
