"""What is put right when a store is opened, with the lock held, before anything is read.

Each step leaves a state that the next opening would put right as well, so recovery may be killed
too. Nothing is deleted but what an interrupted save of ours left: a Run's elements are taken away
only where their staging folder shows that they were being published.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from napari_stml.io.store import files, swap
from napari_stml.io.store.layout import Layout, run_elements
from napari_stml.io.store.root import Document, Root, listed, own_attributes, unlist_nodes
from napari_stml.io.store.schema import ELEMENTS, RUNS, SCHEMA, migrate, version_of

if TYPE_CHECKING:
    from pathlib import Path


def recover(layout: Layout) -> None:
    """Finish or take back what was interrupted, then bring the schema up to date."""
    swap.finish(layout)
    root = Root(layout)
    document = root.read()
    runs = own_attributes(document).get(RUNS, {})
    on_disk = run_elements(layout.store)
    restored: dict[str, str] = {}
    for run_id, paths in on_disk.items():
        if run_id in runs:
            continue
        if layout.undone(run_id).exists():
            _take_away(layout, document, paths, layout.undone(run_id))
        elif layout.staged(run_id).exists():
            _take_away(layout, document, paths, layout.staged(run_id))
        elif layout.record(run_id).exists():
            # another program wrote back attributes that it had read before this Run
            restored[run_id] = layout.record(run_id).read_text()
    for folder in layout.hidden.glob("undone-*"):
        if folder.name.removeprefix("undone-") in runs:
            _bring_back(layout, folder.name.removeprefix("undone-"))
    own = own_attributes(document)
    if restored or version_of(own) < SCHEMA:
        shutil.copy2(layout.root, layout.hidden / "root-before-recovery.json")

        def edit(document: Document) -> None:
            own = own_attributes(document)
            migrate(own)
            add_records(own, {i: (text, on_disk[i]) for i, text in restored.items()})

        root.commit(edit)
    keep_records(layout, root.own())
    for folder in layout.hidden.glob("new-*"):
        shutil.rmtree(folder)
    for file in layout.hidden.glob("*.tmp"):
        file.unlink()


def add_records(own: Document, records: dict[str, tuple[str, list[str]]]) -> None:
    """Enter records with the paths of their elements."""
    own.setdefault("schema", SCHEMA)
    for run_id, (record, paths) in records.items():
        own.setdefault(RUNS, {})[run_id] = record
        own.setdefault(ELEMENTS, {})[run_id] = list(paths)


def drop_record(own: Document, run_id: str) -> None:
    own.get(RUNS, {}).pop(run_id, None)
    own.get(ELEMENTS, {}).pop(run_id, None)


def keep_records(layout: Layout, own: Document) -> None:
    """Second copies of the records, against programs that write old attributes back."""
    for run_id, record in own.get(RUNS, {}).items():
        path = layout.record(run_id)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            files.write_atomic(path, record.encode(), layout.hidden)


def _take_away(layout: Layout, document: Document, paths: list[str], where: Path) -> None:
    if any(listed(document, path) for path in paths):
        Root(layout).commit(lambda fresh: unlist_nodes(fresh, paths))
    for path in paths:
        target = where / path
        target.parent.mkdir(parents=True, exist_ok=True)
        files.move(layout.store / path, target)


def _bring_back(layout: Layout, run_id: str) -> None:
    """The record is there, so the elements belong into the store."""
    for path in run_elements(layout.undone(run_id)).get(run_id, []):
        if not (layout.store / path).exists():
            files.move(layout.undone(run_id) / path, layout.store / path)
    files.remove_tree(layout.undone(run_id))
