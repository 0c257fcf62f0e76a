"""`napari-stml demo`: make the demo sections, analyse one, leave figures and a report, show it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.cli.display import has_display
from napari_stml.cli.terminal import Bar, duration, say

if TYPE_CHECKING:
    from collections.abc import Sequence

SCREEN = "-screen 0 1600x1000x24 +extension GLX"


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="(default: demo)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1),
                        help="of the analyses (default: %(default)s)")  # fmt: skip
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--no-window", action="store_true", help="only write the sections")
    how.add_argument(
        "--tour", action="store_true", help="leave everything, without a window that stays open"
    )
    how.add_argument("--pictures-only", action="store_true", help=argparse.SUPPRESS)


def act(options: argparse.Namespace) -> int:
    from napari_stml.demo import make_demo

    begun = time.monotonic()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    if not options.pictures_only:
        say(f"Writing the demo sections into {folder} ...")
    bar = Bar("demo")
    paths = make_demo(folder, seed=options.seed, progress=bar)
    bar.end()
    if options.no_window:
        say(str(paths.store))
        return 0
    if options.pictures_only:
        return _take_pictures(paths.store, folder)
    from napari_stml.cli.demo_results import leave_results

    for file in leave_results(paths.store, folder, threads=options.threads):
        say(str(file))
    code = _pictures(options)
    took = duration(time.monotonic() - begun)
    if code != 0:
        say(f"The pictures of the window failed; all else is in {folder}, {took}")
        return code
    say(f"{folder} is complete, {took}")
    if has_display() and not options.tour:
        from napari_stml.plugin import open_window

        open_window([paths.store])
    return 0


def _take_pictures(store: Path, folder: Path) -> int:
    from napari_stml.plugin import tour

    for picture in tour(store, folder):
        say(str(picture))
    return 0


def _pictures(options: argparse.Namespace) -> int:
    """Show a window of its own process and photograph it; in a virtual display where need be."""
    again = [sys.executable, "-m", "napari_stml", "demo", "--pictures-only",
             "--folder", str(options.folder), "--seed", str(options.seed)]  # fmt: skip
    if not has_display():
        run = shutil.which("xvfb-run")
        if run is None:
            say("No display and no Xvfb here: no window was shown, there are no screenshots.")
            return 0
        again = [run, "-a", "-s", SCREEN, *again]
    say("Looking at it in a window ...")
    return subprocess.run(again, check=False).returncode
