"""Features of a slide, measured against the bare model on tensors that are in memory already.

The pipeline reads tiles of a JPEG slide in threads ahead of the model, normalises them, runs the
model, and stores each batch; the bare model does nothing else. Both take the same number of tiles,
in turns; the least disturbed round counts. On the CPU the rates are tiles per CPU-second, which a
busy computer does not change; reading is part of the pipeline's CPU time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.slides import open_slide, tile_cache
from napari_stml.slide.brightfield import Look
from napari_stml.slide.embedding import Work, embed
from napari_stml.slide.encoders.network import NetworkEncoder, build
from napari_stml.slide.encoders.presets import PRESETS, Preset
from napari_stml.slide.grid import Canvas, grid_over
from napari_stml.slide.looking import Looking
from napari_stml.slide.reading import TileReader
from support.results import add_record, ratio, recorded
from tiles import write_slide

SMALL = Preset("vit_small", "vit_small_patch16_224", 384)
ROOFLINE_TFLOPS = 790.0
UNI_GFLOP = 123.1
UM = 0.5


def work_on(path: Path, count: int, batch: int, threads: int, cache: Path) -> Work:
    slide = open_slide(path, um_per_px=UM, background=False)
    canvas = Canvas(slide.width, slide.height, UmPerPx.square(UM, ScaleSource.USER))
    grid = grid_over(canvas, 224, UM)
    return Work(slide, grid.only(np.arange(count)), Look(), batch=batch, threads=threads,
                cache=cache)  # fmt: skip


def pipeline(work: Work, encode: NetworkEncoder) -> int:
    tile_cache().clear()
    steps = embed(work, encode)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value.computed


def bare(encode: NetworkEncoder, images, count: int) -> None:
    import torch

    with torch.inference_mode():
        for _ in range(0, count, len(images)):
            out = encode.features(images)
    if encode.device.startswith("cuda"):
        torch.cuda.synchronize()
    float(out[0, 0])


def clocked(work, clock) -> float:
    start = clock()
    work()
    return clock() - start


def compare(encode: NetworkEncoder, path: Path, count: int, threads: int, rounds: int, clock):
    """Best seconds of the bare model and of the pipeline over the rounds."""
    rng = np.random.default_rng(0)
    images = encode.tensor(rng.integers(0, 256, (encode.batch, 224, 224, 3), dtype=np.uint8))
    best = [np.inf, np.inf]
    bare(encode, images, encode.batch)
    for number in range(rounds):
        best[0] = min(best[0], clocked(lambda: bare(encode, images, count), clock))
        with tempfile.TemporaryDirectory() as cache:
            work = work_on(path, count, encode.batch, threads, Path(cache))
            best[1] = min(best[1], clocked(lambda w=work: pipeline(w, encode), clock))
        print(f"round {number + 1}: bare {count / best[0]:.2f}, pipeline {count / best[1]:.2f} "
              "tiles/s")  # fmt: skip
    return best


def say(what: str, ours: float, peer: float, unit: str, target: float) -> None:
    ratio(what, ours, peer, unit, ours / peer, target, ours / peer >= target)


def on_cpu(path: Path, count: int, rounds: int, threads: int) -> None:
    """vit_small: the pipeline against the bare model, by CPU-seconds; one tile's attention."""
    encode = NetworkEncoder(build(SMALL), SMALL, "none", "class", "cpu", 16)
    seconds = compare(encode, path, count, threads, rounds, time.process_time)
    say("embedding-vit-small-cpu", count / seconds[1], count / seconds[0], "tiles/CPU-s", 0.9)
    for method in ("rollout", "relevance"):
        one_tile(encode, method)


def one_tile(encode: NetworkEncoder, method) -> None:
    """CPU-seconds from a click to the map of one tile."""
    tile = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    best = min(
        clocked(lambda: Looking(encode, tile).maps(method), time.process_time) for _ in range(7)
    )
    ratio(f"{method}-of-one-tile-cpu", best, 0.3, "CPU-s", best / 0.3, 1, best < 0.3)


def on_gpu(path: Path, device: str, count: int, rounds: int, threads: int, batch: int) -> None:
    """The shape of UNI in bf16: of the roofline from memory, and from the JPEG slide."""
    import torch

    uni = PRESETS["uni"]
    encode = NetworkEncoder(build(uni), uni, "none", "class", device, batch)
    print(f"{torch.cuda.get_device_name(encode.device)}, batch {batch}, {encode.dtype}")
    before = torch.cuda.memory_allocated()
    seconds = compare(encode, path, count, threads, rounds, time.perf_counter)
    limit = ROOFLINE_TFLOPS * 1e3 / UNI_GFLOP
    say("uni-shape-bf16-of-roofline", count / seconds[0], limit, "tiles/s", 0.55)
    decoded = clocked(lambda: decode_only(path, count, batch, threads), time.perf_counter)
    reach = min(count / seconds[0], count / decoded)
    print(f"decoder alone: {count / decoded:.0f} tiles/s with {threads} threads")
    say("uni-shape-bf16-from-jpeg", count / seconds[1], reach, "tiles/s", 0.8)
    peak = torch.cuda.max_memory_allocated() / 2**30
    encode.release()
    left = (torch.cuda.memory_allocated() - before) / 2**20
    print(f"peak {peak:.2f} GiB of GPU memory; {left:+.0f} MiB against the loaded model at the end")


def decode_only(path: Path, count: int, batch: int, threads: int) -> None:
    tile_cache().clear()
    with tempfile.TemporaryDirectory() as cache:
        work = work_on(path, count, batch, threads, Path(cache))
        for _ in TileReader(work.slide, work.grid).batches(batch, threads=threads):
            pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer tiles")
    parser.add_argument("--threads", type=int, default=max(1, min(16, (os.cpu_count() or 2) - 1)))
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for the shape of UNI")
    parser.add_argument("--batch", type=int, default=256, help="on the GPU (default: 256)")
    add_record(parser)
    args = parser.parse_args()
    import torch

    gpu = args.device.startswith("cuda")
    if gpu and not torch.cuda.is_available():
        print("no GPU here: the UNI shape in bf16 was not measured")
        return
    page = "embedding-gpu" if gpu else ""
    with recorded(__file__, args.record, page), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.tif"
        if gpu:
            count, rounds = (1024, 2) if args.quick else (8192, 3)
            write_slide(path, 10_240 if args.quick else 20_480)
            on_gpu(path, args.device, count, rounds, args.threads, args.batch)
        else:
            count, rounds = (64, 2) if args.quick else (256, 3)
            write_slide(path, 8192)
            on_cpu(path, count, rounds, args.threads)


if __name__ == "__main__":
    main()
