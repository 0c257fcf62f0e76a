"""`napari-stml report`: one HTML page about a section and its Runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.cli.opening import add_opening, opened
from napari_stml.cli.terminal import Line, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("path", help="a store, folder, h5ad file, slide or URL")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html")
    add_opening(parser)


def act(options: argparse.Namespace) -> None:
    from napari_stml.figures.report import write_report
    from napari_stml.runs.report_words import in_words

    line = Line()
    with opened(options) as section:
        notes = write_report(
            section, options.out, in_words(), on_run=lambda title: line.draw(f"report: {title}")
        )
    line.clear()
    say(str(options.out))
    for note in notes:
        say(f"  {note}")
