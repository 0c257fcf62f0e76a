"""Memory of a figure for print of a large slide: 30,000 x 30,000 px at 600 dpi and 180 mm.

The slide is a tiled TIFF that is written tile by tile: once with a pyramid, once of one level,
where every pixel must be read. Each is drawn in a process of its own; told are its peak memory
beyond what the program takes before it draws, against the slide's size uncompressed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "src"), str(HERE.parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE, TILE = 30_000, 1024
MOST_MB = 1500.0


def write(path: Path, side: int, pyramid: bool) -> None:
    """A stained pattern; no more than one tile is held."""
    import numpy as np
    import tifffile

    y, x = np.mgrid[:TILE, :TILE] / TILE
    wave = np.sin(9 * x + 5 * np.sin(7 * y))
    tile = np.stack([220 - 60 * wave, 160 + 60 * wave, 200 + 40 * wave], axis=2).astype(np.uint8)

    def tiles(of: int) -> Iterator[Any]:
        across = -(-of // TILE)
        for i in range(across * across):
            yield np.roll(tile, 37 * i, axis=1)

    sides = [side // 4**i for i in range(4)] if pyramid else [side]
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for i, own in enumerate(sides):
            file.write(tiles(own), shape=(own, own, 3), dtype=np.uint8, tile=(TILE, TILE),
                       compression="zlib", photometric="rgb", subfiletype=int(i > 0),
                       subifds=len(sides) - 1 if i == 0 and len(sides) > 1 else None,
                       resolution=(20_000 / 4**i, 20_000 / 4**i),
                       resolutionunit="CENTIMETER")  # fmt: skip


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def draw(path: Path, out: Path) -> None:
    """In a process of its own: what is printed is read by `main`."""
    import matplotlib.figure  # noqa: F401 - counted with the program

    from napari_stml.figures.tissue import Print, tissue_figure
    from napari_stml.io.section import Section

    with Section.open(path) as section:
        before, start = peak_mb(), time.process_time()
        tissue_figure(section, "", Print(width_mm=180, dpi=600)).save(out)
    seconds = time.process_time() - start
    print(json.dumps({"before": before, "peak": peak_mb(), "seconds": seconds}))


def main() -> None:
    from support.results import add_record, ratio, recorded

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--side", type=int, default=SIDE)
    add_record(parser)
    options = parser.parse_args()
    if options.draw:
        draw(*options.draw)
        return
    with recorded(__file__, options.record), tempfile.TemporaryDirectory() as folder:
        whole = 3 * options.side**2 / 2**20
        for kind in ("pyramid", "one-level"):
            slide = Path(folder) / f"{kind}.tif"
            write(slide, options.side, kind == "pyramid")
            for ending in ("png", "pdf"):
                out = Path(folder) / f"{kind}.{ending}"
                again = [sys.executable, __file__, "--draw", str(slide), str(out)]
                told = subprocess.run(again, check=True, capture_output=True, text=True)
                found = json.loads(told.stdout.splitlines()[-1])
                more = found["peak"] - found["before"]
                size = out.stat().st_size / 2**20
                print(f"{kind} {ending}: {found['before']:.0f} MB before, {found['seconds']:.0f} "
                      f"CPU-s, file {size:.0f} MB; the slide has {whole:.0f} MB")  # fmt: skip
                ratio(f"figure-memory-{kind}-{ending}", more, whole, "MB", more / MOST_MB,
                      MOST_MB, more <= MOST_MB)  # fmt: skip
            slide.unlink()


if __name__ == "__main__":
    main()
