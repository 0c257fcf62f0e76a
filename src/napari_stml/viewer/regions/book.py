"""The regions of one open section: drawing, keeping, counting."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.io.regions import RegionKeeper
from napari_stml.io.regions.keeper import Snapshot
from napari_stml.regions.inside import Positions

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from napari_stml.io.regions import Offer
    from napari_stml.io.section import Section
    from napari_stml.regions.drawing import Drawing, Step
    from napari_stml.regions.region import Drawn

log = logging.getLogger(__name__)


class Book:
    """Made by `read`, off the main thread; used on the main thread from then on.

    Every edit is in the journal when `drawing` tells its other listeners; the store's shapes
    follow with `save`.
    """

    def __init__(
        self, section: Section, keeper: RegionKeeper, drawing: Drawing, offer: Offer | None
    ) -> None:
        self.section, self.keeper, self.drawing, self.offer = section, keeper, drawing, offer
        self.place: Positions | None = None
        self.failed: Callable[[str], None] = log.error
        self.unsaved = False
        self.refused: StmlError | None = None
        self._saving: Future[None] | None = None
        self._counts: dict[str, tuple[Any, int]] = {}
        drawing.listeners.append(self._note)

    @classmethod
    def read(cls, section: Section) -> Book:
        """Read the section's regions and what was not saved; for a thread."""
        keeper = RegionKeeper(section)
        drawing = keeper.load()
        book = cls(section, keeper, drawing, keeper.offer())
        book.count_in(section)
        return book

    def count_in(self, section: Section) -> None:
        """Count observations where they lie now (aligned anew)."""
        self._counts.clear()
        self.section = section
        observed = section.observations
        self.place = Positions(observed.xy) if observed is not None else None

    def count(self, region: Drawn) -> int:
        """Observations inside a region; remembered until its outline changes."""
        if self.place is None:
            return 0
        known = self._counts.get(region.id)
        if known is None or known[0] is not region.outline:
            known = self._counts[region.id] = (region.outline, self.place.count(region.outline))
        return known[1]

    def _note(self, step: Step) -> None:
        self.unsaved = True
        try:
            self.keeper.note(step)
            self.section.kept.store.later(self.keeper.flush)
        except StmlError as error:
            self.failed(f"{error} It is drawn, but not kept.")

    def save(self, *, even_if_changed: bool = False) -> None:
        """Save what is drawn now, on the store's writer thread; one at a time."""
        if not self.unsaved or (self._saving is not None and not self._saving.done()):
            return
        self.unsaved = False
        drawing = self.drawing
        snapshot = Snapshot(drawing.regions, drawing.classes, self.keeper.latest)
        try:
            self._saving = self.keeper.save_later(snapshot, even_if_changed=even_if_changed)
        except StmlError as error:
            self.failed(str(error))
            return
        self._saving.add_done_callback(self._saved)

    def _saved(self, done: Future[None]) -> None:
        """On the writer thread."""
        error = done.exception()
        if error is None:
            self.refused = None
            return
        self.unsaved = True
        if isinstance(error, StmlError):
            self.refused = error
        log.error("regions were not saved", exc_info=error)
        self.failed(str(error))

    def save_now(self) -> None:
        """Save what is not saved yet and wait for it; what cannot be saved stays in the journal."""
        if self._saving is not None:
            self._wait(self._saving)
        if self.unsaved and self.refused is None:
            self.save()
            if self._saving is not None:
                self._wait(self._saving)

    def close(self) -> None:
        self.save_now()
        self.keeper.close()

    def _wait(self, saving: Future[None]) -> None:
        error = saving.exception(timeout=30)
        if error is not None:
            log.warning("regions stay in the journal: %s", error)
