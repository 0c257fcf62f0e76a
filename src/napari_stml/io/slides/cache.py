"""The one tile cache: bounded in bytes, shared by viewer and inference, safe from threads."""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.io.slides.tile_memory import TileMemory, owner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from napari_stml.io.slides.tile_memory import Tile

FIRST_BYTES = 64 << 20
"""What a cache may hold before anything has shown that more would help."""

GROWTH = 1 / 16
"""Part by which the room grows when a tile is missed that had left too early."""


class TileCache:
    """Least-recently-used tiles, in no more memory than has proved useful.

    It begins with room for ``first_bytes`` and grows, up to ``max_bytes``, by tiles that are asked
    for again soon after they left: so one pass over a slide goes through little memory again and
    again, while panning to and fro soon finds all it needs. Touching fresh memory can cost more
    than decoding a JPEG tile into it.

    Concurrent requests of one tile decode it once. Returned tiles are read-only, as all callers
    share them. Memory of tiles that have left and that nobody holds is used again.
    """

    def __init__(self, max_bytes: int, first_bytes: int = FIRST_BYTES) -> None:
        self.max_bytes = max_bytes
        self._first_bytes = first_bytes
        self._room = min(first_bytes, max_bytes)
        self._tiles: OrderedDict[Hashable, tuple[Tile, Tile, int]] = OrderedDict()
        self._bytes = 0
        self._left = _Left()
        self._flights: dict[Hashable, _Flight] = {}
        self._lock = threading.Lock()
        self._memory = TileMemory()

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
            tile = make(*args, self._memory.empty)
        except BaseException as error:
            with self._lock:
                del self._flights[key]
                flight.fail(error)
            raise
        tile.flags.writeable = False
        owner = owner_of(tile)
        with self._lock:
            del self._flights[key]
            flight.land(tile)
            self._tiles[key] = (tile, owner, owner.nbytes)
            self._bytes += owner.nbytes
            if self._left.again(key):
                more = max(2 * owner.nbytes, int(GROWTH * self._room))
                self._room = min(self._room + more, self.max_bytes)
            if self._bytes > self._room:
                self._shrink()
        return tile

    def peek(self, key: Hashable) -> Tile | None:
        """Return the tile if it is here, without counting this as a use."""
        entry = self._tiles.get(key)
        return None if entry is None else entry[0]

    def resize(self, max_bytes: int) -> None:
        with self._lock:
            self.max_bytes = max_bytes
            self._room = min(self._room, max_bytes)
            self._shrink()

    def clear(self) -> None:
        with self._lock:
            self._tiles.clear()
            self._bytes = 0
            self._room = min(self._first_bytes, self.max_bytes)
            self._left = _Left()
            self._memory = TileMemory()

    def _shrink(self) -> None:
        while self._bytes > self._room and self._tiles:
            key, (tile, owner, nbytes) = self._tiles.popitem(last=False)
            self._bytes -= nbytes
            self._left.note(key, nbytes)
            del tile
            # 2: the name above and the argument. More: somebody still looks at these pixels.
            if sys.getrefcount(owner) == 2:
                self._memory.take_back(owner)
        self._left.forget(self.max_bytes - self._bytes)


class _Left:
    """Tiles that have left a while ago: those that a cache of the full size would still hold.

    They are known by the hash of their key, which is small; a mistake costs a little room.
    """

    def __init__(self) -> None:
        self._nbytes: OrderedDict[int, int] = OrderedDict()
        self._sum = 0

    def note(self, key: Hashable, nbytes: int) -> None:
        self._sum += nbytes - self._nbytes.pop(hash(key), 0)
        self._nbytes[hash(key)] = nbytes

    def again(self, key: Hashable) -> bool:
        """Whether this tile had left; it is back now."""
        nbytes = self._nbytes.pop(hash(key), 0)
        self._sum -= nbytes
        return nbytes > 0

    def forget(self, most_bytes: int) -> None:
        while self._sum > most_bytes:
            self._sum -= self._nbytes.popitem(last=False)[1]


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
