"""A mapped file through which a worker's live answers reach the window.

The worker writes an answer's arrays into a free slot and sends their places; the window copies
them out and gives the slot back. An answer that is longer than a slot moves the ring to a new
file.
"""

from __future__ import annotations

import math
import mmap
import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SLOTS = 4
_ALIGN = 64

Place = dict[str, Any]


def _padded(nbytes: int) -> int:
    return -(-nbytes // _ALIGN) * _ALIGN


class RingWriter:
    """The worker's end; one thread writes, `release` may come from another."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._files = 0
        self._slot_bytes = 0
        self._map: mmap.mmap | None = None
        self._free: set[tuple[int, int]] = set()
        self._released = threading.Condition()

    def write(self, arrays: list[NDArray[Any]]) -> Place:
        """Write the arrays into a free slot (waiting for one) and say where they are."""
        sizes = [_padded(a.nbytes) for a in arrays]
        if self._map is None or sum(sizes) > self._slot_bytes:
            self._renew(sum(sizes))
        assert self._map is not None
        with self._released:
            while not self._free:
                self._released.wait()
            file, slot = self._free.pop()
        at = slot * self._slot_bytes
        places = []
        for array, size in zip(arrays, sizes, strict=True):
            target = np.frombuffer(self._map, array.dtype, array.size, at).reshape(array.shape)
            np.copyto(target, array)
            places.append({"at": at, "dtype": array.dtype.str, "shape": list(array.shape)})
            at += size
        return {"file": self._file_name, "number": file, "slot": slot, "arrays": places}

    def release(self, number: int, slot: int) -> None:
        with self._released:
            if number == self._files:
                self._free.add((number, slot))
                self._released.notify()

    def abandon(self) -> None:
        """Nobody reads any more: no write waits for a slot again."""
        with self._released:
            self._free = {(self._files, slot) for slot in range(SLOTS)}
            self._released.notify()

    @property
    def _file_name(self) -> str:
        return f"{self._name}-{self._files}.ring"

    def _renew(self, needed: int) -> None:
        self._map = None  # views of it may live; the last one unmaps it
        self._slot_bytes = max(_padded(math.ceil(needed * 1.25)), 4096)
        self._files += 1
        size = SLOTS * self._slot_bytes
        path = self._folder / self._file_name
        with open(path, "wb+") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error, not SIGBUS
            else:
                file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        with self._released:
            self._free = {(self._files, slot) for slot in range(SLOTS)}


class RingReader:
    """The window's end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = ""
        self._map: mmap.mmap | None = None

    def copy(self, place: Place) -> list[NDArray[Any]]:
        """Copies of the arrays; the slot can be given back afterwards."""
        if place["file"] != self._name:
            self.close()
            path = self._folder / place["file"]
            with open(path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if os.name == "posix":
                path.unlink()  # both ends have it mapped; nothing is left behind
            self._name = place["file"]
        assert self._map is not None
        return [self._array(self._map, a) for a in place["arrays"]]

    @staticmethod
    def _array(source: mmap.mmap, place: Place) -> NDArray[Any]:
        shape = tuple(place["shape"])
        view: NDArray[Any] = np.frombuffer(source, place["dtype"], math.prod(shape), place["at"])
        return view.reshape(shape).copy()

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None
        self._name = ""
