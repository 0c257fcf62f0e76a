"""Keeps what is drawn on one section: the journal at once, the store's shapes soon after."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotSaveError
from napari_stml.io.regions.frame import ATTRIBUTE, frame_of, others_of, read_frame, regions_in
from napari_stml.io.regions.journal import Journal, line_of, read
from napari_stml.io.shelf import REGIONS
from napari_stml.io.store import files
from napari_stml.io.store.layout import Layout
from napari_stml.io.store.root import Root, own_attributes
from napari_stml.regions.classes import ClassList
from napari_stml.regions.drawing import Drawing, replayed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from napari_stml.io.section import Section
    from napari_stml.io.store.store import Store
    from napari_stml.regions.drawing import Step
    from napari_stml.regions.region import Drawn


@dataclass(frozen=True)
class Offer:
    """What was drawn and not saved when the program ended: entries of the journal."""

    entries: tuple[Mapping[str, Any], ...]

    @property
    def titles(self) -> tuple[str, ...]:
        return tuple(str(e.get("title", "")) for e in self.entries)

    @property
    def title(self) -> str:
        count = len(self.entries)
        until = str(self.entries[-1].get("at", "")).replace("T", " ")[:16]
        edits = "1 edit was" if count == 1 else f"{count} edits were"
        return f"{edits} not saved when the program ended ({until})."

    def bring_back(self, drawing: Drawing) -> None:
        """Make these edits again, as one step that can be undone."""
        wanted = replayed(drawing.regions, drawing.classes, self.entries)
        ids = {r.id for r in wanted.regions}
        changed = [r for r in wanted.regions if drawing.get(r.id) != r]
        drawing.bring_back(changed, [r.id for r in drawing.regions if r.id not in ids],
                           wanted.classes)  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """What is saved: all regions at one moment, up to one entry of the journal."""

    regions: tuple[Drawn, ...]
    classes: ClassList
    upto: int


class RegionKeeper:
    """One section's regions in its store. Nothing is written, and no store made, before an edit.

    `note` is quick and for the main thread; `save` belongs on the store's writer thread.
    """

    def __init__(self, section: Section) -> None:
        self._section = section
        siblings = section.contents.choices.get("section", ())
        self._own = section.name if len(siblings) > 1 else ""
        self._journal: Journal | None = None
        self._flushing = threading.Lock()
        self.classes = ClassList.usual()
        self.saved: tuple[Drawn, ...] = ()

    def load(self) -> Drawing:
        """What the store holds; `offer` says what the journal knows beyond it."""
        path = self._path()
        if path is not None:
            said = _attribute(path).get(self._own or "all", {})
            frame = read_frame(path / "shapes" / REGIONS)
            self.saved = regions_in(frame, said.get("others", ()), self._own or None)
            self.classes = ClassList.of(said.get("classes")) if "classes" in said else self.classes
        drawing = Drawing(self.saved, self.classes)
        self.classes = drawing.classes
        return drawing

    def offer(self) -> Offer | None:
        """What an earlier session drew and could not save; None when all is in the store."""
        path = self._path()
        if path is None:
            return None
        entries = read(self._offered(path))
        if self._journal is None:
            entries += Journal(self._journal_at(path)).unsaved
        if not entries:
            return None
        found = replayed(self.saved, self.classes, entries)
        return None if _equal(found, Drawing(self.saved, self.classes)) else Offer(tuple(entries))

    def answered(self) -> None:
        """The offer was taken or declined; what it held stays in a log beside the journal."""
        self._open()
        offered = self._offered(self._store.path)
        if offered.exists():
            offered.replace(offered.with_suffix(".declined-or-taken.log"))

    def note(self, step: Step) -> int:
        """Write an edit down; a kill of the program after this cannot lose it."""
        return self._open().note(step.record())

    def flush(self) -> None:
        """Against a loss of power; for a thread."""
        if self._journal is not None:
            with self._flushing:
                self._journal.flush()

    @property
    def latest(self) -> int:
        """Number of the latest entry in the journal."""
        return self._journal.number if self._journal is not None else 0

    def save_later(self, snapshot: Snapshot, *, even_if_changed: bool = False) -> Future[None]:
        """Save on the store's writer thread."""
        return self._store.later(self.save, snapshot, even_if_changed=even_if_changed)

    def save(self, snapshot: Snapshot, *, even_if_changed: bool = False) -> None:
        """Replace the store's shapes; the last generations stay, see `generations`.

        Raises `ChangedElsewhereError` when another program changed them since.
        """
        store = self._store
        frame = frame_of(snapshot.regions, self._own)
        if self._own:
            frame = self._with_siblings(frame, store.path)
        if len(frame):
            store.replace("shapes", REGIONS, frame, even_if_changed=even_if_changed)
        elif f"shapes/{REGIONS}" in store.elements:
            store.remove("shapes", REGIONS, even_if_changed=even_if_changed)
        said = dict(store.attr(ATTRIBUTE) or {})
        own = {"classes": snapshot.classes.record(), "others": others_of(snapshot.regions)}
        if said.get(self._own or "all") != own:
            store.set_attr(ATTRIBUTE, {**said, self._own or "all": own})
        self.saved, self.classes = snapshot.regions, snapshot.classes
        self._open().note_saved(snapshot.upto)

    def generations(self) -> tuple[int, ...]:
        """Numbers of the earlier states that can be brought back, oldest first."""
        return self._store.generations("shapes", REGIONS)

    def earlier(self, generation: int) -> tuple[Drawn, ...]:
        """The areas of an earlier state; the present state is not touched."""
        folder = self._store.path / ".stml" / "backups" / "shapes" / REGIONS / f"{generation:06}"
        return regions_in(read_frame(folder), (), self._own or None)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    @property
    def _store(self) -> Store:
        return self._section.kept.store

    def _path(self) -> Path | None:
        shelf = self._section.shelf
        return shelf.store if shelf is not None else None

    def _journal_at(self, store: Path) -> Path:
        own = f"-{hashlib.sha256(self._own.encode()).hexdigest()[:12]}" if self._own else ""
        return store / ".stml" / f"regions{own}.journal"

    def _offered(self, store: Path) -> Path:
        return self._journal_at(store).with_suffix(".offered")

    def _open(self) -> Journal:
        if self._journal is None:
            store = self._store
            if store.read_only:
                raise CannotSaveError(
                    f"Nothing can be drawn here: {store.read_only}", where=store.path.name,
                    do="use Save as",
                )  # fmt: skip
            self._journal = Journal(self._journal_at(store.path))
            self._put_aside(self._journal, self._offered(store.path))
        return self._journal

    def _put_aside(self, journal: Journal, offered: Path) -> None:
        """What an earlier session left is offered until it is answered, whatever is drawn now."""
        if journal.unsaved:
            data = b"".join(map(line_of, (*read(offered), *journal.unsaved)))
            with files.saving("What was drawn before is", offered):
                files.write_atomic(offered, data, offered.parent)
            journal.note_saved(journal.number)

    def _with_siblings(self, frame: Any, store: Path) -> Any:
        """Rows of the store's other sections stay."""
        import geopandas as gpd
        import pandas as pd

        before = read_frame(store / "shapes" / REGIONS)
        if before is None or "section" not in before:
            return frame
        theirs = before[~before["section"].isin(["", self._own])]
        if not len(theirs):
            return frame
        return gpd.GeoDataFrame(pd.concat([theirs, frame])) if len(frame) else theirs


def _equal(a: Drawing, b: Drawing) -> bool:
    return a.classes == b.classes and json.dumps([r.record() for r in a.regions]) == json.dumps(
        [r.record() for r in b.regions]
    )


def _attribute(store: Path) -> Mapping[str, Any]:
    found = own_attributes(Root(Layout(store)).read()).get(ATTRIBUTE, {})
    return found if isinstance(found, dict) else {}
