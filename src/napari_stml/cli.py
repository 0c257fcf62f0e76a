"""`napari-stml`: everything the program does, without a screen where none is needed."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; an error of ours is one line on stderr and exit code 2."""
    options = parser().parse_args(arguments)
    try:
        return int(options.command(options) or 0)
    except StmlError as error:
        print(f"napari-stml: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="napari-stml", description=__doc__)
    top.add_argument("--version", action="version", version=_version())
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    show = commands.add_parser("open", help="open sections in a window")
    show.add_argument("paths", nargs="+", help="stores, folders, h5ad files, slides, URLs")
    _opening(show)
    show.set_defaults(command=_open)

    tell = commands.add_parser("info", help="say what a section holds, without a window")
    tell.add_argument("path")
    _opening(tell)
    tell.set_defaults(command=_info)

    take = commands.add_parser("export", help="write a section as .h5ad, .csv or .parquet")
    take.add_argument("path")
    take.add_argument("target", type=Path, help="its ending decides the format")
    take.add_argument("--columns", nargs="*", help="columns and genes (csv, parquet)")
    take.add_argument("--overwrite", action="store_true")
    _opening(take)
    take.set_defaults(command=_export)

    demo = commands.add_parser("demo", help="make the demo section and show it")
    demo.add_argument("--folder", type=Path, default=Path("demo"))
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--no-window", action="store_true", help="only write the files")
    demo.add_argument(
        "--tour", action="store_true", help="leave screenshots instead of staying open"
    )
    demo.set_defaults(command=_demo)
    return top


def _opening(command: argparse.ArgumentParser) -> None:
    command.add_argument("--um-per-px", type=float, help="micrometres per pixel, where unknown")
    command.add_argument(
        "--choose", action="append", default=[], metavar="NAME=VALUE",
        help="a choice of the reader: section=..., bin_size=..., positions=...",
    )  # fmt: skip


def _choices(options: argparse.Namespace) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for text in options.choose:
        name, separator, value = text.partition("=")
        if not separator:
            raise StmlError("A choice is written NAME=VALUE", where=text, do="see --help")
        chosen[name.strip().replace("-", "_")] = value.strip()
    if options.um_per_px is not None:
        chosen["um_per_px"] = options.um_per_px
    return chosen


def _open(options: argparse.Namespace) -> None:
    from napari_stml.plugin import open_window

    open_window(options.paths, **_choices(options))


def _info(options: argparse.Namespace) -> None:
    from napari_stml import Section
    from napari_stml.io.describe import describe

    with Section.open(options.path, **_choices(options)) as section:
        print(describe(section))


def _export(options: argparse.Namespace) -> None:
    from napari_stml import Section
    from napari_stml.io.take_out.section import export

    with Section.open(options.path, **_choices(options)) as section:
        export(section, options.target, columns=options.columns, overwrite=options.overwrite)
    print(options.target)


def _demo(options: argparse.Namespace) -> int:
    from napari_stml.demo import make_demo

    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    print(f"Writing the demo section into {folder} ...", flush=True)
    paths = make_demo(folder, seed=options.seed)
    if options.no_window:
        return 0
    if not options.tour and _has_display():
        from napari_stml.plugin import open_window

        open_window([paths.store])
        return 0
    if _has_display():
        from napari_stml.plugin import tour

        for picture in tour(paths.store, folder):
            print(picture)
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
        print("No display and no Xvfb here: the files are written, no window was shown.")
        return 0
    screen = "-screen 0 1600x1000x24 +extension GLX"
    again = [sys.executable, "-m", "napari_stml", "demo", "--tour",
             "--folder", str(options.folder), "--seed", str(options.seed)]  # fmt: skip
    return subprocess.run([run, "-a", "-s", screen, *again], check=False).returncode


def _version() -> str:
    from napari_stml import __version__

    return f"napari-stml {__version__}"
