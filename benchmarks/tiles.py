"""Tiles read from a slide, measured against the bare JPEG decoder.

The limit is `imagecodecs.jpeg8_decode` on the same tiles lying in memory, on one core. It is taken
in two ways: as everybody calls it (a new array each time), and into one array that is used again,
which is the least that decoding can cost; the targets are held against the second.
All times but those of two readers are CPU times. Each measurement stands between two of the limit,
and is held against their mean: the speed of a shared machine wanders. The median round counts.
A cold cache includes the system's price of memory touched for the first time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
import zarr

from napari_stml.io.slides import open_slide, tile_cache
from napari_stml.io.slides.cache import default_bytes
from support.results import add_record, ratio, recorded

TILE = 256
PATCHES = (224, 256)
NO_HELP_BYTES = 16 << 20

Work = Callable[[], None]


def stained(size: int, rng: np.random.Generator) -> np.ndarray:
    """Pink stroma, white gaps, blue-violet nuclei, a little sensor noise."""
    freq = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij"))

    def field(scale: float) -> np.ndarray:
        noise = np.fft.rfft2(rng.normal(size=(size, size)))
        smooth = np.fft.irfft2(noise * np.exp(-((freq * scale) ** 2)), s=(size, size))
        return smooth / smooth.std()

    fibres, gaps, dots, dense = field(12), field(90), field(22), field(150)
    pink = np.array([226, 160, 190.0])[None, None] + fibres[..., None] * np.array([9, 16, 11.0])
    white = np.array([243, 241, 244.0])
    blue = np.array([88, 60, 138.0])[None, None] + fibres[..., None] * np.array([8, 7, 9.0])
    gap = 1 / (1 + np.exp(-9 * (gaps - 1.1)))[..., None]
    nucleus = 1 / (1 + np.exp(-9 * (dots - 1.2 + 0.5 * dense)))[..., None]
    tissue = pink * (1 - nucleus) + blue * nucleus
    pixels = tissue * (1 - gap) + white * gap + rng.normal(scale=2.5, size=(size, size, 1))
    return pixels.clip(0, 255).astype(np.uint8)


def write_slide(path: Path, size: int) -> list[bytes]:
    """Write a pyramid of JPEG tiles (quality 80, 4:2:0) and return the finest level's tiles.

    A patch of 2048 px is repeated: what decoding costs depends on the tile, not on its place.
    """
    pixels = stained(2048, np.random.default_rng(7))
    options = {"tile": (TILE, TILE), "photometric": "ycbcr", "subsampling": (2, 2)}
    finest: list[bytes] = []
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        side = size
        while side >= 1024:
            block = pixels[: min(side, len(pixels)), : min(side, len(pixels))]
            across = len(block) // TILE
            encoded = [
                imagecodecs.jpeg8_encode(
                    np.ascontiguousarray(
                        block[r * TILE : (r + 1) * TILE, c * TILE : (c + 1) * TILE]
                    ),
                    level=80,
                    subsampling="420",
                )
                for r in range(across)
                for c in range(across)
            ]
            n = side // TILE
            tiles = [
                encoded[(r % across) * across + c % across] for r in range(n) for c in range(n)
            ]
            finest = finest or tiles
            tif.write(
                iter(tiles),
                shape=(side, side, 3),
                dtype=np.uint8,
                compression="jpeg",
                subifds=None,
                subfiletype=0 if side == size else 1,
                metadata=None,
                **options,
            )
            side //= 2
            if side < 2048:
                pixels = pixels[::2, ::2]
    return finest


def cpu(work: Work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def fresh_cache(max_bytes: int) -> None:
    tile_cache().clear()
    tile_cache().resize(max_bytes)


def decode_all(tiles: Sequence[bytes]) -> None:
    for data in tiles:
        imagecodecs.jpeg8_decode(data)


def decode_into_one(tiles: Sequence[bytes]) -> None:
    """Decode at the best place: at a multiple of 32 libjpeg-turbo writes past the cache, slower."""
    room = np.empty(TILE * TILE * 3 + 64, np.uint8)
    start = (16 - room.ctypes.data) % 64
    out = room[start : start + TILE * TILE * 3].reshape(TILE, TILE, 3)
    for data in tiles:
        imagecodecs.jpeg8_decode(data, out=out)


def read_aligned(slide, spots: Sequence[tuple[int, int]]) -> None:
    for row, col in spots:
        slide.read(col * TILE, row * TILE, 0, TILE, TILE)


def read_patches(slide, patches: Sequence[tuple[int, int, int]]) -> None:
    for x, y, side in patches:
        slide.read(x, y, 0, side, side)


def zarr_patches(array, patches: Sequence[tuple[int, int, int]]) -> None:
    for x, y, side in patches:
        array[y : y + side, x : x + side]


def four_tile_patches(n: int, size: int, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Offsets at which a patch of 224 to 256 px lies on four tiles, in random order."""
    found = []
    for _ in range(n):
        side = int(rng.integers(PATCHES[0], PATCHES[1] + 1))
        corner = rng.integers(1, size // TILE, size=2) * TILE
        x, y = corner - rng.integers(8, side - 7, size=2)
        found.append((int(x), int(y), side))
    return found


def one_core(path: Path, tiles: list[bytes], rounds: int, patches_n: int) -> None:
    slide = open_slide(path, background=False)
    across = slide.width // TILE
    spots = [(r, c) for r in range(across) for c in range(across)]
    patches = four_tile_patches(patches_n, slide.width, np.random.default_rng(1))
    peer = zarr.open(tifffile.TiffFile(path).aszarr(level=0), mode="r")
    few = [(c * TILE, r * TILE, TILE) for r, c in spots[: patches_n // 4]]

    def cached(work: Callable[..., None], arg: object, max_bytes: int) -> float:
        fresh_cache(max_bytes)
        return cpu(lambda: work(slide, arg))

    jobs: dict[str, Callable[[], float]] = {
        "aligned": lambda: cached(read_aligned, spots, default_bytes()) / len(spots),
        "aligned, 256 MB": lambda: cached(read_aligned, spots, 256 << 20) / len(spots),
        "shuffled": lambda: cached(read_patches, patches, default_bytes()) / len(patches),
        "shuffled, no help": lambda: cached(read_patches, patches, NO_HELP_BYTES) / len(patches),
        "plain decode": lambda: cpu(lambda: decode_all(tiles)) / len(tiles),
        "zarr aligned": lambda: cpu(lambda: zarr_patches(peer, few)) / len(few),
        "zarr shuffled": lambda: (
            cpu(lambda: zarr_patches(peer, patches[: patches_n // 4])) / (patches_n // 4)
        ),
    }

    def limit() -> float:
        return cpu(lambda: decode_into_one(tiles)) / len(tiles)

    times: dict[str, list[float]] = {name: [] for name in jobs}
    limits: dict[str, list[float]] = {name: [] for name in jobs}
    limit()
    for _ in range(rounds):
        before = limit()
        for name, job in jobs.items():
            times[name].append(job())
            after = limit()
            limits[name].append((before + after) / 2)
            before = after
    for name in jobs:
        shares = [m / t for m, t in zip(limits[name], times[name], strict=True)]
        print(
            f"{name:<18} {statistics.median(times[name]) * 1e6:8.1f} us CPU each, "
            f"the limit beside it {statistics.median(limits[name]) * 1e6:6.1f} us; "
            f"share of the limit by round: {' '.join(f'{x:.3f}' for x in shares)}"
        )

    def against(what: str, job: str, other: str, target: float) -> None:
        mine, theirs = times[job], limits[job] if other == "limit" else times[other]
        value = statistics.median(b / a for a, b in zip(mine, theirs, strict=True))
        ours, peer_speed = 1 / statistics.median(mine), 1 / statistics.median(theirs)
        ratio(what, ours, peer_speed, "1/cpu-s", value, target, value >= target)

    against("aligned-tiles", "aligned", "limit", 0.60)
    against("aligned-tiles-bounded-cache", "aligned, 256 MB", "limit", 0.60)
    against("aligned-tiles-vs-plain-decode", "aligned", "plain decode", 0.60)
    against("shuffled-patches", "shuffled", "limit", 0.20)
    against("shuffled-patches-cache-no-help", "shuffled, no help", "limit", 0.20)
    against("aligned-vs-tifffile-zarr", "aligned", "zarr aligned", 1.0)
    against("shuffled-vs-tifffile-zarr", "shuffled, no help", "zarr shuffled", 1.0)


def _reader(path: str, part: int, of: int, repeats: int, gate, answers) -> None:
    slide = open_slide(path, background=False)
    across = slide.width // TILE
    spots = [(r, c) for r in range(across) for c in range(across)][part::of]
    fresh_cache(64 << 20)
    read_aligned(slide, spots[:64])
    gate.wait()
    start = time.perf_counter()
    for _ in range(repeats):
        read_aligned(slide, spots)
    answers.put(time.perf_counter() - start)


def _decoder(tiles: Sequence[bytes], repeats: int, gate, answers) -> None:
    decode_into_one(tiles[:64])
    gate.wait()
    start = time.perf_counter()
    for _ in range(repeats):
        decode_into_one(tiles)
    answers.put(time.perf_counter() - start)


def in_processes(target: Callable[..., None], arguments: Sequence[tuple]) -> float:
    """Start a process for each set of arguments; seconds until the last has done its work."""
    context = multiprocessing.get_context("spawn")
    gate, answers = context.Barrier(len(arguments)), context.Queue()
    workers = [context.Process(target=target, args=(*a, gate, answers)) for a in arguments]
    for worker in workers:
        worker.start()
    seconds = max(answers.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join()
    return seconds


def in_threads(path: Path, threads: int, repeats: int) -> float:
    slide = open_slide(path, background=False)
    across = slide.width // TILE
    spots = [(r, c) for r in range(across) for c in range(across)]
    fresh_cache(64 << 20)
    read_aligned(slide, spots[:400])

    def work(part: int) -> None:
        for _ in range(repeats):
            read_aligned(slide, spots[part::threads])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - start


def two_readers(path: Path, tiles: list[bytes], rounds: int, repeats: int) -> None:
    where = str(path)
    halves = [(tiles[::2], repeats), (tiles[1::2], repeats)]
    jobs: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
        "bare": (
            lambda: in_processes(_decoder, [(tiles, repeats)]),
            lambda: in_processes(_decoder, halves),
        ),
        "processes": (
            lambda: in_processes(_reader, [(where, 0, 1, repeats)]),
            lambda: in_processes(_reader, [(where, 0, 2, repeats), (where, 1, 2, repeats)]),
        ),
        "threads": (
            lambda: in_threads(path, 1, repeats),
            lambda: in_threads(path, 2, repeats),
        ),
    }
    alone: dict[str, list[float]] = {name: [] for name in jobs}
    both: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, (one, two) in jobs.items():
            alone[name].append(one())
            both[name].append(two())
    best = {name: min(alone[name]) / min(both[name]) for name in jobs}
    for n in ("processes", "threads"):
        value = best[n] / best["bare"]
        ratio(f"two-reader-{n}", best[n], best["bare"], "speed-up", value, 0.9, value >= 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller slide, fewer rounds")
    parser.add_argument("--size", type=int, help="side of the slide in pixels")
    add_record(parser)
    args = parser.parse_args()
    size = args.size or (8192 if args.quick else 16384)
    rounds, patches = (3, 800) if args.quick else (5, 3000)
    with recorded(__file__, args.record), tempfile.TemporaryDirectory() as folder:
        print(f"{size} px, {rounds} rounds, {imagecodecs.version()[:21]}")
        path = Path(folder) / "slide.tif"
        tiles = write_slide(path, size)
        print(f"{len(tiles)} tiles of {sum(map(len, tiles)) / len(tiles) / 1e3:.1f} kB")
        one_core(path, tiles, rounds, patches)
        two_readers(path, tiles, rounds, repeats=2 if args.quick else 1)


if __name__ == "__main__":
    main()
