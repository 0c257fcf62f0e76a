"""`napari-stml info`: what a section holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.cli.opening import add_opening, opened
from napari_stml.cli.terminal import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("path")
    add_opening(parser)


def act(options: argparse.Namespace) -> None:
    from napari_stml.io.describe import describe

    with opened(options) as section:
        say(describe(section))
        records = section.shelf.records if section.shelf is not None else {}
        for record in records.values():
            say(f"run           {record.id}: {record.title}, {record.started:%Y-%m-%d %H:%M}")
