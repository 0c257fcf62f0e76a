"""Memory for tiles: cut from large slabs and used again when nobody looks at it any more."""

from __future__ import annotations

import contextlib
import mmap
import threading
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tile = NDArray[Any]

SLAB_BYTES = 32 << 20
"""Memory is taken in slabs: large enough that the system can serve it in huge pages."""

OFFSET = 16
"""Where buffers begin in a line of 64 bytes: libjpeg-turbo was 10 to 26 % slower where rows begin
at a multiple of 32, presumably because it then stores past the processor's cache."""

LARGEST_POOLED = 2 << 20
SPARE_BUFFERS = 64


class Empty(Protocol):
    """Gives uninitialised memory for a tile, like `numpy.empty`."""

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype[Any], /) -> Tile: ...


class TileMemory:
    """Buffers cut from slabs.

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
                self._used = OFFSET
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


def owner_of(tile: Tile) -> Tile:
    """Return the array whose memory a tile shows."""
    while isinstance(tile.base, np.ndarray):
        tile = tile.base
    return tile
