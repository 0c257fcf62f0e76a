"""The open store of one place, shared by the sections that look at it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from napari_stml.io.store import find_store, store_for

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.io.store import Kept


class Keeping:
    """Opens the store with the first question; the last section that leaves closes it.

    From any thread: a section is closed aside while the same place may be opened again.
    """

    def __init__(self, place: Path | str) -> None:
        self.place = place
        self._opening = threading.Lock()
        self._counting = threading.Lock()  # also while it closes: what is still written asks `kept`
        self._kept: Kept | None = None
        self._users = 1

    @property
    def kept(self) -> Kept:
        with self._opening:
            if self._kept is None:
                self._kept = store_for(self.place)
            return self._kept

    @property
    def path(self) -> Path | None:
        """Where the store lies, without opening it; None where nothing was kept yet."""
        kept = self._kept
        return kept.store.path if kept is not None else find_store(self.place)

    def join(self) -> Keeping:
        """One more section that uses it; waits while it closes."""
        with self._counting:
            self._users += 1
        return self

    def leave(self) -> None:
        with self._counting:
            self._users -= 1
            if self._users <= 0 and self._kept is not None:
                self._kept.store.close()
                with self._opening:
                    self._kept = None
