"""`napari-stml report`: one HTML page about a section and its Runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.cli.opening import add_opening, opened
from napari_stml.cli.terminal import Line, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_stml.core.run_record import RunRecord
    from napari_stml.figures.report import Words


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("path", help="a store, folder, h5ad file, slide or URL")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html")
    add_opening(parser)


def act(options: argparse.Namespace) -> None:
    from napari_stml.figures.report import write_report

    line = Line()
    with opened(options) as section:
        notes = write_report(
            section, options.out, in_words(), on_run=lambda title: line.draw(f"report: {title}")
        )
    line.clear()
    say(str(options.out))
    for note in notes:
        say(f"  {note}")


def in_words() -> Words:
    """Runs as the program says them: methods paragraph, titles and units of parameters."""
    from napari_stml.figures.report import Words
    from napari_stml.runs.words import describe

    return Words(describe, parameters)


def parameters(record: RunRecord) -> list[tuple[str, str]]:
    """Titles and values of a Run's parameters; names as stored for an unknown analysis."""
    from napari_stml.runs.desk import analyses
    from napari_stml.runs.options import options_of

    kind = analyses().get(record.analysis)
    options = {o.field: o for o in options_of(kind.Params)} if kind is not None else {}
    rows = []
    for name, value in record.params.items():
        option = options.get(name)
        title = (option.info.title if option is not None else None) or name
        unit = option.hints.get("unit", "") if option is not None else ""
        rows.append((title, f"{_word(value)} {unit}".strip()))
    return rows


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_word, value)) or "none"
    return "none" if value is None or value == "" else str(value)
