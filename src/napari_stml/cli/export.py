"""`napari-stml export`: a section, or some of its Runs, as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.cli.opening import add_opening, opened, pair
from napari_stml.cli.terminal import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("path")
    parser.add_argument("target", type=Path, help="its ending decides the format")
    parser.add_argument("--columns", nargs="*", help="columns and genes (csv, parquet)")
    parser.add_argument("--runs", nargs="*", metavar="ID", help="Runs that come along; else all")
    parser.add_argument(
        "--filter", action="append", default=[], metavar="TEST",
        help="only observations that pass: COLUMN, COLUMN=CLASS, COLUMN!=CLASS",
    )  # fmt: skip
    parser.add_argument("--region", action="append", default=[], metavar="CLASS",
                        help="only observations in drawn regions of this class")  # fmt: skip
    parser.add_argument(
        "--name", action="append", default=[], metavar="KEY=NEW",
        help="write a key under another name: X=layers/count, obs/region=domain",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true")
    add_opening(parser)


def act(options: argparse.Namespace) -> None:
    from napari_stml.cli.run import asked_scope
    from napari_stml.io.take_out.section import export

    names = dict(pair(text, "A name") for text in options.name)
    with opened(options) as section:
        members = asked_scope(section, options).members
        taken = export(
            section, options.target, columns=options.columns, runs=options.runs,
            selection=list(members) if members is not None else None, names=names or None,
            overwrite=options.overwrite,
        )  # fmt: skip
    say(str(taken.path))
    for note in taken.notes:
        say(f"  {note}")
