"""The one tile cache: bounded in bytes, shared by viewer and inference, safe from threads."""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Tile = NDArray[Any]

SLAB_BYTES = 32 << 20
"""Memory is taken in slabs: large enough that the system can serve it in huge pages."""

LARGEST_POOLED = 2 << 20
SPARE_BUFFERS = 64


class Empty(Protocol):
    """Gives uninitialised memory for a tile, like `numpy.empty`."""

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype[Any], /) -> Tile: ...


class TileCache:
    """Least-recently-used tiles.

    Concurrent requests of one tile decode it once. Returned tiles are read-only, as all callers
    share them. Memory of tiles that have left the cache and that nobody holds is used again:
    touching fresh memory costs about half as much as decoding a JPEG tile into it.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._tiles: OrderedDict[Hashable, tuple[Tile, Tile, int]] = OrderedDict()
        self._bytes = 0
        self._flights: dict[Hashable, _Flight] = {}
        self._lock = threading.Lock()
        self._pool = _Pool()

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._tiles)

    def get(self, key: Hashable, make: Callable[..., Tile], *args: object) -> Tile:
        """Return the tile of ``key``; ``make(*args, empty)`` makes it if it is not here.

        ``make`` may use the given `Empty` for its result and may return a view of that memory.
        """
        with self._lock:
            entry = self._tiles.get(key)
            if entry is not None:
                self._tiles.move_to_end(key)
                return entry[0]
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if not leads:
            return flight.wait(self._lock)
        try:
            tile = make(*args, self._pool.empty)
        except BaseException as error:
            with self._lock:
                del self._flights[key]
                flight.fail(error)
            raise
        tile.flags.writeable = False
        owner = _owner(tile)
        with self._lock:
            del self._flights[key]
            flight.land(tile)
            self._tiles[key] = (tile, owner, owner.nbytes)
            self._bytes += owner.nbytes
            if self._bytes > self.max_bytes:
                self._shrink()
        return tile

    def peek(self, key: Hashable) -> Tile | None:
        """Return the tile if it is here, without counting this as a use."""
        entry = self._tiles.get(key)
        return None if entry is None else entry[0]

    def resize(self, max_bytes: int) -> None:
        with self._lock:
            self.max_bytes = max_bytes
            self._shrink()

    def clear(self) -> None:
        with self._lock:
            self._tiles.clear()
            self._bytes = 0
            self._pool = _Pool()

    def _shrink(self) -> None:
        while self._bytes > self.max_bytes and self._tiles:
            _, (tile, owner, nbytes) = self._tiles.popitem(last=False)
            self._bytes -= nbytes
            del tile
            # 2: the name above and the argument. More: somebody still looks at these pixels.
            if sys.getrefcount(owner) == 2:
                self._pool.take_back(owner)


class _Flight:
    """A tile that one thread is making while others wait for it."""

    __slots__ = ("_error", "_landed", "_tile")

    def __init__(self) -> None:
        self._tile: Tile | None = None
        self._error: BaseException | None = None
        self._landed: threading.Event | None = None

    def wait(self, lock: threading.Lock) -> Tile:
        with lock:
            if self._landed is None:
                self._landed = threading.Event()
                if self._tile is not None or self._error is not None:
                    self._landed.set()
        self._landed.wait()
        if self._error is not None:
            raise self._error
        assert self._tile is not None
        return self._tile

    def land(self, tile: Tile) -> None:
        self._tile = tile
        if self._landed is not None:
            self._landed.set()

    def fail(self, error: BaseException) -> None:
        self._error = error
        if self._landed is not None:
            self._landed.set()


class _Pool:
    """Buffers for tiles, cut from slabs and used again.

    A buffer is an array over a memoryview, which makes numpy count every view of it as a holder
    of *this* array; so its reference count tells whether a caller still holds a view.
    """

    def __init__(self) -> None:
        self._spare: dict[int, list[NDArray[np.uint8]]] = {}
        self._slab: memoryview | None = None
        self._used = 0
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], /) -> Tile:
        nbytes = dtype.itemsize
        for n in shape:
            nbytes *= n
        if not 0 < nbytes <= LARGEST_POOLED:
            return np.empty(shape, dtype)
        try:
            buffer = self._spare[nbytes].pop()
        except (KeyError, IndexError):
            buffer = self._cut(nbytes)
        return buffer.view(dtype).reshape(shape)

    def _cut(self, nbytes: int) -> NDArray[np.uint8]:
        step = -(-nbytes // 64) * 64
        with self._lock:
            if self._slab is None or self._used + step > SLAB_BYTES:
                self._slab = _fresh_slab()
                self._used = 0
            start = self._used
            self._used += step
            return np.frombuffer(self._slab[start : start + nbytes], np.uint8)

    def take_back(self, owner: Tile) -> None:
        if not _is_pooled(owner):
            return
        spare = self._spare.get(owner.nbytes)
        if spare is None:
            self._spare = {owner.nbytes: (spare := [])}  # another slide: forget other sizes
        if len(spare) < SPARE_BUFFERS:
            spare.append(owner)


def _fresh_slab() -> memoryview:
    """Take memory that the system may serve in pages of 2 MB: a third of the cost of 4 kB ones."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return memoryview(bytearray(SLAB_BYTES))
    slab = mmap.mmap(-1, SLAB_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without huge pages
        slab.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(slab)


def _is_pooled(owner: Tile) -> bool:
    base: object = owner.base
    return isinstance(base, memoryview)


def _owner(tile: Tile) -> Tile:
    """Return the array whose memory a tile shows."""
    while isinstance(tile.base, np.ndarray):
        tile = tile.base
    return tile


def default_bytes() -> int:
    """2 GB or an eighth of the memory this process may use, whichever is less."""
    return min(2 << 30, _memory() // 8)


def _memory() -> int:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return 8 << 30
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


_shared = TileCache(default_bytes())


def tile_cache() -> TileCache:
    """Return the cache that all slides of this process share."""
    return _shared


def _renew_after_fork() -> None:
    """Drop what a forked child inherits: its lock may be held by a thread that is not there."""
    global _shared
    _shared = TileCache(_shared.max_bytes)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
