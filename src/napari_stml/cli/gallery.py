"""`napari-stml gallery`: tiles of a section with their maps and values, for print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.cli.opening import add_opening, opened
from napari_stml.cli.terminal import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("path", help="a store, folder, h5ad file, slide or URL")
    parser.add_argument("runs", nargs="+", help="Runs of 'attention', side by side")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE",
                        help="its ending decides: .png .tif .pdf .svg .jpg")  # fmt: skip
    parser.add_argument(
        "--pick", choices=("random", "highest", "lowest"), default="random",
        help="which tiles (default: random)",
    )  # fmt: skip
    parser.add_argument(
        "--by", default="", metavar="VALUE",
        help="value of the tiles for highest and lowest (default: the first)",
    )  # fmt: skip
    parser.add_argument("--tiles", nargs="+", default=[], metavar="TILE",
                        help="these: numbers of tiles, or names of spots")  # fmt: skip
    parser.add_argument("--count", type=int, default=8, help="how many tiles (default: 8)")
    parser.add_argument("--seed", type=int, default=0, help="of the random choice (default: 0)")
    parser.add_argument("--width-mm", type=float, default=170.0, metavar="MM",
                        help="of the whole page (default: 170)")  # fmt: skip
    parser.add_argument("--dpi", type=int, default=200, help="(default: 200)")
    parser.add_argument("--opacity", type=float, default=0.55, help="of the maps (default: 0.55)")
    add_opening(parser)


def act(options: argparse.Namespace) -> None:
    from napari_stml.figures.drawing import check_format
    from napari_stml.figures.gallery import Choice, gallery

    check_format(options.out)
    how = Choice(
        "chosen" if options.tiles else options.pick, options.count, options.seed, options.by,
        tuple(options.tiles), options.width_mm, options.dpi, options.opacity,
    )  # fmt: skip
    with opened(options) as section:
        notes = gallery(section, options.runs, how).save(options.out)
    say(str(options.out))
    for note in notes:
        say(f"  {note}")
