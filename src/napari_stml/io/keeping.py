"""The open store of one place, shared by the sections that look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.io.store import find_store, store_for

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.io.store import Kept


class Keeping:
    """Opens the store with the first question; the last section that leaves closes it."""

    def __init__(self, place: Path | str) -> None:
        self.place = place
        self._kept: Kept | None = None
        self._users = 1

    @property
    def kept(self) -> Kept:
        if self._kept is None:
            self._kept = store_for(self.place)
        return self._kept

    @property
    def path(self) -> Path | None:
        """Where the store lies, without opening it; None where nothing was kept yet."""
        return self._kept.store.path if self._kept is not None else find_store(self.place)

    def join(self) -> Keeping:
        """One more section that uses it."""
        self._users += 1
        return self

    def leave(self) -> None:
        self._users -= 1
        if self._users <= 0 and self._kept is not None:
            self._kept.store.close()
            self._kept = None
