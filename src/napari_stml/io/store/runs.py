"""The Runs on a store's shelf: publish, list, undo, redo."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_stml.core.errors import CannotOpenError, CannotSaveError
from napari_stml.io.store import files, swap
from napari_stml.io.store.layout import Layout, elements_in, run_elements
from napari_stml.io.store.names import analysis_slug, check_run_id, run_of
from napari_stml.io.store.recovery import add_records, drop_record, keep_records
from napari_stml.io.store.root import Document, Root, list_nodes, own_attributes, unlist_nodes
from napari_stml.io.store.schema import ELEMENTS, RUNS
from napari_stml.io.store.staging import Staging

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredRun:
    """A record and the elements it speaks of.

    ``state`` is "lost" when another program took an element away. ``elements`` are paths
    ``<kind>/<name>``; a Run whose result lies in the record alone has none.
    """

    run_id: str
    record: str
    elements: tuple[str, ...]
    state: Literal["saved", "lost"]

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the Runs that this one used."""
        return _parents(self.record)


class RunShelf:
    """The part of `Store` that deals with Runs."""

    path: Path
    _layout: Layout
    _root: Root
    _turn: threading.RLock

    def _writing(self, unsaved: str) -> AbstractContextManager[None]:
        raise NotImplementedError

    def runs(self) -> tuple[StoredRun, ...]:
        """All Runs in the order of their publication."""
        own = self._root.own()
        return tuple(
            StoredRun(run_id, record, paths, self._state(paths))
            for run_id, record in own.get(RUNS, {}).items()
            for paths in (tuple(own.get(ELEMENTS, {}).get(run_id, ())),)
        )

    def new_run_id(self, analysis: str) -> str:
        """The next free id, counting undone, staged and lost Runs as well."""
        slug = analysis_slug(analysis)
        taken = set(self._ids_in_use())
        number = 1
        while f"{slug}-{number}" in taken:
            number += 1
        return f"{slug}-{number}"

    def stage(self, run_id: str) -> Staging:
        """Reserve the id and make the folder that a worker fills."""
        check_run_id(run_id)
        with self._writing(f"The results of {run_id} are"):
            if run_id in self._ids_in_use():
                raise CannotSaveError("This id is taken", where=run_id, do="take a new one")
            self._layout.staged(run_id).mkdir()
        return Staging(self._layout.staged(run_id), run_id)

    def publish(self, staging: Staging, record: str) -> StoredRun:
        """Make a finished staging part of the store: renames, then one new root file.

        When it fails the staging stays as it was and can be published again.
        """
        run_id = staging.run_id
        _parents(record)
        with self._writing(f"The results of {run_id} are"):
            swap.finish(self._layout)
            paths = staging.finished()
            # what an attempt that failed has moved already lies in the store and stays there
            waiting = [path for path in paths if (staging.folder / path).exists()]
            self._check_free(waiting)
            try:
                for path in waiting:
                    swap.make_parent(self._layout, path.partition("/")[0])
                    files.move(staging.folder / path, self.path / path)
                self._enter(run_id, record, list(paths))
            except OSError:
                if run_id not in self._root.own().get(RUNS, {}):
                    self._take_back(staging, waiting)
                raise
            keep_records(self._layout, self._root.own())
            staging.discard()
        return StoredRun(run_id, record, paths, "saved")

    def dependents(self, run_id: str) -> tuple[str, ...]:
        """Runs that used this one, directly or through others."""
        parents = {run.run_id: set(run.parents) for run in self.runs()}
        found: list[str] = []
        ancestors = {run_id}
        while new := [i for i, p in parents.items() if p & ancestors and i not in ancestors]:
            ancestors |= set(new)
            found += new
        return tuple(found)

    def undo(self, run_id: str) -> None:
        """Take a Run out of the store; it waits in the hidden folder for `redo`.

        Runs that used it stay (see `dependents`).
        """
        with self._writing(f"The undo of {run_id} is"):
            swap.finish(self._layout)
            run = next((r for r in self.runs() if r.run_id == run_id), None)
            if run is None:
                raise CannotOpenError("There is no such Run in this store", where=run_id)
            shelf = self._layout.undone(run_id)
            shelf.mkdir(exist_ok=True)
            note = json.dumps({"record": run.record, "elements": run.elements}).encode()
            files.write_atomic(shelf / "record.json", note, self._layout.hidden)
            self._layout.record(run_id).unlink(missing_ok=True)

            def leave(document: Document) -> None:
                drop_record(own_attributes(document), run_id)
                unlist_nodes(document, run.elements)

            self._root.commit(leave)
            for path in run.elements:
                if (self.path / path).exists():
                    (shelf / path).parent.mkdir(exist_ok=True)
                    files.move(self.path / path, shelf / path)

    def undone(self) -> tuple[str, ...]:
        """Runs that `redo` can bring back, in the order of their undoing."""
        return self._layout.undone_runs()

    def redo(self, run_id: str) -> None:
        """Bring an undone Run back."""
        with self._writing(f"The return of {run_id} is"):
            swap.finish(self._layout)
            shelf = self._layout.undone(run_id)
            if not (shelf / "record.json").exists():
                raise CannotOpenError("This Run is not among the undone ones", where=run_id)
            note = json.loads((shelf / "record.json").read_bytes())
            for path in run_elements(shelf).get(run_id, []):
                swap.make_parent(self._layout, path.partition("/")[0])
                files.move(shelf / path, self.path / path)
            self._enter(run_id, note["record"], note["elements"])
            keep_records(self._layout, self._root.own())
            files.remove_tree(shelf)

    def discard_undone(self, run_id: str) -> None:
        """Free the space of an undone Run for good."""
        with self._writing(f"The removal of {run_id} is"):
            os.rename(self._layout.undone(run_id), self._layout.hidden / "new-discarded")
            files.remove_tree(self._layout.hidden / "new-discarded")

    def _take_back(self, staging: Staging, paths: list[str]) -> None:
        """Undo the renames of a publication that failed; no flush, for the disk may be full."""
        for path in paths:
            if not (staging.folder / path).exists():
                try:
                    os.rename(self.path / path, staging.folder / path)
                except OSError as error:
                    _log.warning("%s stays in the store without a record: %s", path, error)

    def _enter(self, run_id: str, record: str, paths: list[str]) -> None:
        """The one moment at which a Run begins to exist for every reader."""

        def enter(document: Document) -> None:
            records = {**self._overwritten(document), run_id: (record, paths)}
            add_records(own_attributes(document), records)
            present = [p for p in paths if (self.path / p).exists()]
            list_nodes(document, self.path, present)

        self._root.commit(enter)

    def _overwritten(self, document: Document) -> dict[str, tuple[str, list[str]]]:
        """Records that another program wiped out by writing back attributes it had read before."""
        runs = own_attributes(document).get(RUNS, {})
        return {
            run_id: (self._layout.record(run_id).read_text(), paths)
            for run_id, paths in run_elements(self.path).items()
            if run_id not in runs and self._layout.record(run_id).exists()
        }

    def _state(self, paths: tuple[str, ...]) -> Literal["saved", "lost"]:
        whole = all((self.path / path / "zarr.json").exists() for path in paths)
        return "saved" if whole else "lost"

    def _check_free(self, paths: Sequence[str]) -> None:
        present = {p.partition("/")[2].casefold() for p in elements_in(self.path)}
        for path in paths:
            if path.partition("/")[2].casefold() in present:
                raise CannotSaveError("The store already has an element of that name", where=path)

    def _ids_in_use(self) -> Iterator[str]:
        yield from self._root.own().get(RUNS, {})
        for path in elements_in(self.path):
            yield run_of(path.partition("/")[2].casefold()) or ""
        for folder in self._layout.hidden.glob("*-*"):
            yield folder.name.partition("-")[2].casefold()
        for file in self._layout.hidden.glob("records/*.json"):
            yield file.stem


def _parents(record: str) -> tuple[str, ...]:
    try:
        content = json.loads(record)
        return tuple(content.get("parents") or ())
    except (ValueError, AttributeError) as error:
        raise CannotSaveError("A Run's record must be a JSON object") from error
