"""The tissue mask: CPU-seconds and agreement with the drawn truth; tiles taken out of a slide.

The slide is section 1 of the demo with a seed that served no development, enlarged to 0.475 um per
pixel and written as a JPEG pyramid, so that both programs read the same file. LazySlide runs in an
environment of its own (.peers/lazyslide, or --peer-python), with its defaults for the mask.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from napari_stml.core.geometry import Affine, ScaleSource, UmPerPx
from napari_stml.io.slides import open_slide, tile_cache
from napari_stml.slide.brightfield import overview
from napari_stml.slide.grid import Canvas, grid_over, with_share
from napari_stml.slide.reading import TileReader
from napari_stml.slide.tissue import TissueMask, find_tissue
from support.results import add_record, ratio, recorded

SEED = 29
TILE = 256
PEER = Path(__file__).parents[1] / ".peers" / "lazyslide" / "bin" / "python"
MASK_UM = 8.0

THEIRS = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np
import lazyslide as zs
from wsidata import open_wsi
path, um = sys.argv[1], float(sys.argv[2])
wsi = open_wsi(path, store=None)
start = time.process_time()
zs.pp.find_tissues(wsi)
mask_s = time.process_time() - start
from shapely import union_all, to_wkb
area = union_all(list(wsi.shapes["tissues"].geometry))
zs.pp.tile_tissues(wsi, {tile}, mpp=um)
count = 0
next(iter(wsi.iter.tile_images("tiles")))  # what is loaded at the first call is not counted
start = time.process_time()
for each in wsi.iter.tile_images("tiles"):
    count += each.image.shape[0] == {tile}
tile_s = time.process_time() - start
print("RESULT " + json.dumps(dict(mask_s=mask_s, tiles=count, tile_s=tile_s,
                                  area=to_wkb(area, hex=True))))
"""


def demo_slide(path: Path, section: int, factor: int) -> tuple[UmPerPx, np.ndarray]:
    """Write a section as a JPEG pyramid; gives its scale and the truth at `MASK_UM`."""
    from napari_stml.demo.section import sections

    tissue = sections(SEED)[1][section]
    pixels = tissue.picture().repeat(factor, axis=0).repeat(factor, axis=1)
    scale = UmPerPx.square(tissue.spec.um_per_px / factor, ScaleSource.USER)
    side = max(pixels.shape[:2]) * scale.x
    centres = (np.arange(round(side / MASK_UM)) + 0.5) * MASK_UM
    x, y = np.meshgrid(centres, centres)
    truth = tissue.scene.layout.tissue_at(np.column_stack([x.ravel(), y.ravel()])) > 0.5
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        level, first = pixels, True
        while max(level.shape[:2]) >= 512:
            um = scale.x * pixels.shape[1] / level.shape[1]
            tif.write(
                level, tile=(TILE, TILE), photometric="rgb", compression="jpeg",
                compressionargs={"level": 85}, subfiletype=0 if first else 1, metadata=None,
                resolution=(1e4 / um, 1e4 / um), resolutionunit="CENTIMETER",
            )  # fmt: skip
            h, w = (n // 2 * 2 for n in level.shape[:2])
            four = level[:h, :w].reshape(h // 2, 2, w // 2, 2, 3)
            level, first = four.mean(axis=(1, 3), dtype=np.float32).astype(np.uint8), False
    return scale, truth.reshape(x.shape)


def ours(path: Path, scale: UmPerPx) -> tuple[TissueMask, float]:
    slide = open_slide(path, um_per_px=scale, background=False)
    tile_cache().clear()
    start = time.process_time()
    view = overview(slide, scale, MASK_UM)
    mask = find_tissue(view.pixels, view.um_per_px)
    return mask, time.process_time() - start


def our_tiles(path: Path, scale: UmPerPx, mask: TissueMask) -> tuple[int, float]:
    slide = open_slide(path, um_per_px=scale, background=False)
    canvas = Canvas(slide.width, slide.height, scale)
    to_mask = Affine.scaling(mask.classes.shape[1] / slide.width)
    grid = with_share(grid_over(canvas, TILE, scale.x), mask.tissue, to_mask)
    grid = grid.only(grid.share >= 0.7)
    tile_cache().clear()
    start = time.process_time()
    count = sum(len(b.index) for b in TileReader(slide, grid).batches(64, threads=1))
    return count, time.process_time() - start


def theirs(python: Path, path: Path, scale: UmPerPx) -> dict | None:
    if not python.exists():
        return None
    code = THEIRS.replace("{tile}", str(TILE))
    done = subprocess.run([str(python), "-c", code, str(path), str(scale.x)],
                          capture_output=True, text=True, check=False)  # fmt: skip
    lines = [x for x in done.stdout.splitlines() if x.startswith("RESULT ")]
    if not lines:
        print(f"LazySlide failed: {done.stderr.strip().splitlines()[-1:]}")
        return None
    return json.loads(lines[-1].removeprefix("RESULT "))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    h, w = (min(m, n) for m, n in zip(a.shape, b.shape, strict=True))
    a, b = a[:h, :w], b[:h, :w]
    return float((a & b).sum() / (a | b).sum())


def drawn(area_hex: str, scale: UmPerPx, shape: tuple[int, int]) -> np.ndarray:
    import shapely

    area = shapely.from_wkb(bytes.fromhex(area_hex))
    shapely.prepare(area)
    y, x = (np.indices(shape) + 0.5) * MASK_UM / scale.x
    return shapely.contains_xy(area, x.ravel(), y.ravel()).reshape(shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small section at 2.25 um per pixel")
    parser.add_argument("--peer-python", type=Path, default=PEER)
    add_record(parser)
    args = parser.parse_args()
    with recorded(__file__, args.record):
        measure(args)


def measure(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demo.tif"
        scale, truth = demo_slide(path, 1, 1) if args.quick else demo_slide(path, 0, 2)
        rounds = [ours(path, scale) for _ in range(3)]
        mask, seconds = rounds[0][0], min(r[1] for r in rounds)
        agreement = iou(mask.tissue, truth)
        counted = [our_tiles(path, scale, mask) for _ in range(3)]
        count, tile_s = counted[0][0], min(c[1] for c in counted)
        peer = theirs(args.peer_python, path, scale)
    theirs_s = None if peer is None else peer["mask_s"]
    ratio("tissue-mask-seconds", seconds, theirs_s, "CPU-s", seconds, 1, seconds < 1)
    other = None if peer is None else iou(drawn(peer["area"], scale, truth.shape), truth)
    ratio("tissue-mask-iou", agreement, other, "iou", agreement, 0.97, agreement >= 0.97)
    rate = count / tile_s
    their = None if peer is None else peer["tiles"] / peer["tile_s"]
    faster = rate / their if their else float("nan")
    ratio("tiles-per-cpu-second", rate, their, "tiles/CPU-s", faster, 3, faster >= 3)


if __name__ == "__main__":
    main()
