"""`napari-stml open`: sections in a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.cli.opening import add_opening, choices

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("paths", nargs="+", help="stores, folders, h5ad files, slides, URLs")
    add_opening(parser)


def act(options: argparse.Namespace) -> None:
    from napari_stml.cli.display import has_display
    from napari_stml.core.errors import StmlError
    from napari_stml.plugin import open_window

    if not has_display():
        raise StmlError(
            "There is no display to open a window on",
            do="use xvfb-run, or napari-stml info, figure and report, which need none",
        )
    open_window(options.paths, **choices(options))
