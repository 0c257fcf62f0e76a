"""Coarse levels of a slide that has none, made in the background and kept for the next time."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.io.slides.levels import TILE_PX, halve

if TYPE_CHECKING:
    from napari_stml.io.slides.base import Pixels
    from napari_stml.io.slides.tiled import TiledSlide

log = logging.getLogger(__name__)

Report = Callable[[float], None]

KEPT_BYTES = 20 << 30
"""Pyramids beyond this are removed, the longest unused first."""

_A_DAY_S = 86400.0


def pyramid_folder() -> Path:
    """Where pyramids lie: below ``STML_CACHE_HOME`` or the user's cache folder."""
    import platformdirs

    home = os.environ.get("STML_CACHE_HOME") or platformdirs.user_cache_dir("napari-stml", False)
    return Path(home) / "pyramids"


class PyramidStore:
    """Levels of one slide in a zarr of our own, complete or not there at all.

    Parameters
    ----------
    content
        Key of the pixels; the pyramid's name.
    levels
        Numbers of the slide's levels that are kept.
    """

    _building: ClassVar[weakref.WeakSet[PyramidStore]] = weakref.WeakSet()

    def __init__(self, content: str, slide: TiledSlide, levels: tuple[int, ...]) -> None:
        self.path = pyramid_folder() / f"{content}.zarr"
        self._numbers = levels
        self._levels = {n: slide.levels[n] for n in levels}
        self._per_plane = slide._per_plane
        self._arrays: dict[int, Any] | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.failure: Exception | None = None

    @property
    def ready(self) -> bool:
        return self._arrays is not None or self._open()

    def tile(self, level: int, row: int, col: int, plane: int) -> Pixels | None:
        """Return a kept tile, or None where it must still be made from the slide."""
        if level not in self._levels or not self.ready:
            return None
        if not (self.path / str(level) / "c" / f"{row}" / f"{col}" / f"{plane}").exists():
            return None  # zarr would take a lost chunk for a black one
        lv, k = self._levels[level], self._per_plane
        y, x = row * lv.tile_height, col * lv.tile_width
        assert self._arrays is not None
        try:
            pixels = self._arrays[level][
                y : y + lv.tile_height, x : x + lv.tile_width, plane * k : (plane + 1) * k
            ]
        except (OSError, RuntimeError, ValueError) as error:
            log.warning("pyramid %s is damaged at level %d: %s", self.path, level, error)
            return None
        return np.asarray(pixels)

    def start(self, slide: TiledSlide, report: Report | None = None) -> None:
        """Make the levels in a thread of their own; ``report`` is called there."""
        if self.ready:
            if report is not None:
                report(1.0)
            return
        self._thread = threading.Thread(
            target=self._run, args=(slide, report or _nothing), name="stml-pyramid", daemon=True
        )
        self._building.add(self)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the background thread; True when the levels are there."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self.ready

    def close(self) -> None:
        """Stop making levels and let go of the files."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None
        self._arrays = None

    def _open(self) -> bool:
        if not self.path.is_dir():
            return False
        import zarr

        try:
            group = zarr.open_group(str(self.path), mode="r", use_consolidated=False)
            arrays = {n: group[str(n)] for n in self._numbers}
        except (OSError, KeyError, ValueError) as error:
            log.warning("pyramid %s cannot be used: %s", self.path, error)
            return False
        self._arrays = arrays
        os.utime(self.path)
        return True

    def _run(self, slide: TiledSlide, report: Report) -> None:
        partial = self.path.with_name(f"{self.path.stem}.{uuid.uuid4().hex[:8]}.partial")
        try:
            if self._write(slide, partial, report):
                _flush(partial)
                publish(partial, self.path)
                self._open()
                slide.pyramid_made()
                report(1.0)
                prune(self.path.parent)
        except (OSError, RuntimeError, ValueError, MemoryError, StmlError) as error:
            self.failure = error
            if threading.main_thread().is_alive():  # else the program ends, which is no fault
                log.warning("no pyramid for %s: %s", slide.uri, error)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            self._building.discard(self)

    def _write(self, slide: TiledSlide, path: Path, report: Report) -> bool:
        import zarr
        from zarr.codecs import BloscCodec

        path.parent.mkdir(parents=True, exist_ok=True)
        with zarr.config.set({"array.write_empty_chunks": True}):
            group = zarr.open_group(str(path), mode="w", zarr_format=3)
            arrays = {
                n: group.create_array(
                    str(n),
                    shape=(lv.height, lv.width, len(slide.channels)),
                    chunks=(
                        lv.tile_height,
                        lv.tile_width,
                        min(self._per_plane, len(slide.channels)),
                    ),
                    dtype=slide.dtype,
                    compressors=BloscCodec(cname="lz4", clevel=3),
                )
                for n, lv in self._levels.items()
            }
        base = slide._stored[-1]
        grid = slide.levels[base]
        bands = -(-grid.height // grid.tile_height)
        for plane in range(slide.planes):
            channels = slice(plane * self._per_plane, (plane + 1) * self._per_plane)
            cascade = _Cascade(slide, base, arrays, channels)
            for done, band in enumerate(slide.bands(base, plane)):
                if self._stop.is_set():
                    return False
                cascade.push(band)
                report(0.99 * (plane + (done + 1) / bands) / slide.planes)
            cascade.finish()
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Travel without thread and handles; the copy reads the levels but makes none."""
        dropped = {"_arrays": None, "_thread": None, "_stop": None}
        return {**self.__dict__, **dropped}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._stop = threading.Event()


class _Cascade:
    """Rows of one level, written chunk by chunk and handed on at half the size."""

    def __init__(
        self, slide: TiledSlide, level: int, arrays: dict[int, Any], channels: slice
    ) -> None:
        self._array = arrays.get(level)
        self._channels = channels
        self._mask = slide.mask
        self._chunk = slide.levels[level].tile_height if self._array is not None else TILE_PX
        self._chunk += self._chunk % 2
        self._rows: list[Pixels] = []
        self._held = 0
        self._y = 0
        last = level + 1 == len(slide.levels)
        self._next = None if last else _Cascade(slide, level + 1, arrays, channels)

    def push(self, rows: Pixels) -> None:
        self._rows.append(rows)
        self._held += len(rows)
        if self._held >= self._chunk:
            held = np.concatenate(self._rows)
            whole = self._held - self._held % self._chunk
            self._rows, self._held = [held[whole:].copy()], self._held - whole
            for y in range(0, whole, self._chunk):
                self._pass(held[y : y + self._chunk])

    def finish(self) -> None:
        if self._held:
            self._pass(np.concatenate(self._rows))
            self._rows, self._held = [], 0
        if self._next is not None:
            self._next.finish()

    def _pass(self, rows: Pixels) -> None:
        if self._array is not None:
            self._array[self._y : self._y + len(rows), :, self._channels] = rows
            self._y += len(rows)
        if self._next is not None:
            self._next.push(halve(rows, mask=self._mask))


def publish(partial: Path, path: Path) -> None:
    """Give a complete folder its name, unless another process was first."""
    try:
        partial.rename(path)
    except OSError:
        if not path.is_dir():
            raise


def prune(folder: Path, kept_bytes: int = KEPT_BYTES) -> None:
    """Remove pyramids long unused, and parts that a killed process left."""
    now = time.time()
    for partial in folder.glob("*.partial"):
        if now - partial.stat().st_mtime > _A_DAY_S:
            shutil.rmtree(partial, ignore_errors=True)
    total = 0
    kept = sorted(folder.glob("*.zarr"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in kept:
        total += sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
        if total > kept_bytes and path != kept[0]:
            shutil.rmtree(path, ignore_errors=True)


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _nothing(_: float) -> None:
    return None


@atexit.register
def _stop_all() -> None:
    for store in list(PyramidStore._building):
        store._stop.set()
