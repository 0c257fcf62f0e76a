"""`napari-stml demo`: make the demo sections, and show them where there is a display."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.cli.terminal import Bar, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="(default: demo)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-window", action="store_true", help="only write the files")
    parser.add_argument(
        "--tour", action="store_true", help="leave screenshots instead of staying open"
    )


def act(options: argparse.Namespace) -> int:
    from napari_stml.demo import make_demo

    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    say(f"Writing the demo sections into {folder} ...")
    bar = Bar("demo")
    paths = make_demo(folder, seed=options.seed, progress=bar)
    bar.end()
    if options.no_window:
        say(str(paths.store))
        return 0
    if not options.tour and _has_display():
        from napari_stml.plugin import open_window

        open_window([paths.store])
        return 0
    if _has_display():
        from napari_stml.plugin import tour

        for picture in tour(paths.store, folder):
            say(str(picture))
        return 0
    return _tour_in_virtual_display(options)


def _has_display() -> bool:
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _tour_in_virtual_display(options: argparse.Namespace) -> int:
    """Start ourselves under Xvfb; where there is none, say so and leave the files."""
    run = shutil.which("xvfb-run")
    if run is None:
        say("No display and no Xvfb here: the files are written, no window was shown.")
        return 0
    screen = "-screen 0 1600x1000x24 +extension GLX"
    again = [sys.executable, "-m", "napari_stml", "demo", "--tour",
             "--folder", str(options.folder), "--seed", str(options.seed)]  # fmt: skip
    return subprocess.run([run, "-a", "-s", screen, *again], check=False).returncode
