"""Embedding a grid of tiles: read ahead, encode and keep batch by batch, go on after a kill.

What is encoded with is anything that turns (n, p, p, 3) uint8 into (n, k) float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_stml.slide.feature_store import FeatureStore, signature, tidy
from napari_stml.slide.reading import TileReader

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_stml.io.slides.base import Slide
    from napari_stml.slide.brightfield import Look
    from napari_stml.slide.grid import TileGrid
    from napari_stml.slide.stain import Stain


AHEAD = 3


class Encoder(Protocol):
    """Turns tiles into features; ``identity`` names everything that changes their bits."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def identity(self) -> str: ...

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Work:
    """What is embedded and how; ``stain`` is the fitted stain that tiles are painted to."""

    slide: Slide
    grid: TileGrid
    look: Look
    stain: Stain | None = None
    batch: int = 64
    threads: int = 1
    cache: Path | None = None


@dataclass
class Embedded:
    """Features by tile, and how many tiles were computed now rather than taken from before."""

    features: NDArray[np.float32]
    computed: int
    unchanged: int
    key: str


def embed(work: Work, encode: Encoder) -> Generator[float, None, Embedded]:
    """Encode all tiles; yields the fraction done after each batch."""
    key = signature(
        work.slide.key, work.grid, look=repr(work.look), stain=_said(work.stain),
        encoder=encode.identity, batch=work.batch,
    )  # fmt: skip
    total = len(work.grid)
    store = FeatureStore.open(key, total, len(encode.columns), work.batch, work.cache)
    batches = max(1, len(store.done))
    finished = store.finished
    computed = unchanged = 0
    yield len(finished) / batches
    reader = TileReader(work.slide, work.grid, look=work.look)
    ring = _Ring(getattr(encode, "buffer", None), work.batch)
    read = reader.batches(
        work.batch, threads=work.threads, ahead=AHEAD, skip=finished, buffer=ring.next
    )
    try:
        for n, batch in enumerate(read, start=len(finished) + 1):
            pixels = batch.pixels
            if work.stain is not None:
                pixels, lost = painted(pixels, work.stain)
                unchanged += lost
            rows = encode(pixels)
            if rows.shape != (len(pixels), len(encode.columns)):
                raise ValueError(f"the encoder gave {rows.shape} for {len(pixels)} tiles")
            store.put(batch.number, batch.index, rows)
            computed += len(pixels)
            yield n / batches
    finally:
        read.close()
    features = np.array(store.features)
    del store
    tidy(work.cache)
    return Embedded(features, computed, unchanged, key)


def painted(tiles: NDArray[np.uint8], stain: Stain) -> tuple[NDArray[np.uint8], int]:
    """Normalise the stain of tiles; those that cannot be stay as they are and are counted."""
    out = np.empty_like(tiles)
    lost = 0
    for i, tile in enumerate(tiles):
        changed = stain.normalised(tile)
        fine = changed.shape == tile.shape and bool(np.isfinite(changed).all())
        out[i] = changed if fine else tile
        lost += not fine
    return out, lost


def pooled_pixels(
    work: Work, seed: int, *, tiles: int = 64, pixels: int = 300_000
) -> NDArray[np.uint8]:
    """A sample of pixels from tiles with the most tissue, to fit a stain on: (n, 3)."""
    rng = np.random.default_rng(seed)
    good = np.flatnonzero(work.grid.share >= np.median(work.grid.share))
    chosen = np.sort(rng.choice(good, min(tiles, len(good)), replace=False))
    reader = TileReader(work.slide, work.grid, look=work.look)
    flat = np.concatenate([reader.tile(int(i)).reshape(-1, 3) for i in chosen])
    if len(flat) > pixels:
        flat = flat[np.sort(rng.choice(len(flat), pixels, replace=False))]
    return flat


class _Ring:
    """Buffers used again and again, when the encoder has memory of its own kind (pinned)."""

    def __init__(self, make: Any, batch: int) -> None:
        self._buffers = [make(batch) for _ in range(AHEAD + 2)] if make is not None else []
        self._given = 0
        self.next = self._next if self._buffers else None

    def _next(self, count: int) -> NDArray[np.uint8]:
        buffer: NDArray[np.uint8] = self._buffers[self._given % len(self._buffers)]
        self._given += 1
        return buffer[:count]


def _said(stain: Any) -> str:
    if stain is None:
        return ""
    return f"{type(stain).__name__}{[np.asarray(v).tolist() for v in vars(stain).values()]}"
