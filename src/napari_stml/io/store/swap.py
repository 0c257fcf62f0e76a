"""Replace an element: by one file where that is enough, else by journal and exchange of folders.

::

    stage -> new-swap, flushed               the element has one data file and equal metadata:
    journal                                      replace that file, done
    take the consolidated block away         (a reader that trusts it would see old shapes)
    exchange target and new-swap             two renames where the system cannot exchange
    put the block back with the new nodes
    remove journal, then new-swap

`finish` is the recovery rule: whatever lies at the target is complete, so it stays; a missing
target is rolled forward. Between the two renames, and only there, a plain reader misses the
element until the store is opened by us again.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from napari_stml.io.store import files
from napari_stml.io.store.root import (
    GROUP,
    Document,
    Root,
    list_nodes,
    nodes_of,
    put_block,
    take_block,
    unlist_nodes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.io.contents import ElementKind
    from napari_stml.io.store.layout import Layout

_ONE_FILE = "shapes.parquet"


def replace(layout: Layout, kind: ElementKind, name: str, staged: Path, *, keep: int) -> None:
    """Put the flushed element ``staged`` (in `Layout.swap`) at its place, old or new at any kill.

    ``keep`` earlier generations stay in the backups.
    """
    target = layout.element(kind, name)
    if not target.exists():
        make_parent(layout, kind)
        _write_journal(layout, "replace", kind, name)
        files.move(staged, target)
        finish(layout)
        return
    back_up(layout, kind, name, keep)
    single = staged / _ONE_FILE
    if single.exists() and (target / _ONE_FILE).exists() and nodes_of(staged) == nodes_of(target):
        os.replace(single, target / _ONE_FILE)
        files.flush(target)
        files.remove_tree(layout.swap)
        return
    root = Root(layout)
    _write_journal(layout, "replace", kind, name, root.read().get("consolidated_metadata"))
    root.commit(_drop_block)
    if files.exchange(staged, target):
        files.flush(target.parent)
        files.flush(staged.parent)
    else:
        files.move(target, layout.swap / "old")
        files.move(staged, target)
    finish(layout)


def finish(layout: Layout) -> None:
    """Bring an interrupted replacement or change of metadata to its end; without one, nothing."""
    if not layout.journal.exists():
        return
    entry = json.loads(layout.journal.read_bytes())
    kind, name = entry["kind"], entry["name"]
    path = f"{kind}/{name}"
    target = layout.element(kind, name)
    staged, old = layout.swap / kind / name, layout.swap / "old"
    removing = entry["what"] == "remove"
    for whole in (staged, old):
        if not removing and not target.exists() and whole.exists():
            files.move(whole, target)

    def relist(document: Document) -> None:
        put_block(document, entry["block"])
        if target.exists() and not removing:
            list_nodes(document, layout.store, [path])
        else:
            unlist_nodes(document, [path])

    Root(layout).commit(relist)
    if removing and target.exists():
        old.parent.mkdir(exist_ok=True)
        files.move(target, old)
    os.unlink(layout.journal)
    files.flush(layout.hidden)
    files.remove_tree(layout.swap)


def remove(layout: Layout, kind: ElementKind, name: str, *, keep: int) -> None:
    """Take an element away; its last generations stay in the backups."""
    back_up(layout, kind, name, keep)
    _write_journal(layout, "remove", kind, name)
    finish(layout)


def rewrite_metadata(layout: Layout, kind: ElementKind, name: str, node: Document) -> None:
    """Replace an element's own ``zarr.json``, and its entry in the block."""
    _write_journal(layout, "replace", kind, name)
    path = layout.element(kind, name) / "zarr.json"
    files.write_atomic(path, json.dumps(node, indent=2).encode(), layout.hidden)
    finish(layout)


def make_parent(layout: Layout, kind: str) -> None:
    """The group of a kind of elements, complete from the first moment."""
    parent = layout.store / kind
    if (parent / "zarr.json").exists():
        return
    data = json.dumps(GROUP, indent=2).encode()
    if parent.exists():
        files.write_atomic(parent / "zarr.json", data, layout.hidden)
        return
    draft = layout.hidden / "new-group"
    files.remove_tree(draft)
    draft.mkdir()
    files.write_atomic(draft / "zarr.json", data, layout.hidden)
    files.move(draft, parent)


def back_up(layout: Layout, kind: ElementKind, name: str, keep: int) -> None:
    """Keep the present generation, and only the last ``keep`` of them."""
    folder = layout.backups(f"{kind}/{name}")
    numbers = generations(layout, kind, name)
    draft = layout.hidden / "new-backup"
    files.remove_tree(draft)
    files.clone_tree(layout.element(kind, name), draft)
    folder.mkdir(parents=True, exist_ok=True)
    files.move(draft, folder / f"{(numbers[-1] if numbers else 0) + 1:06}")
    for number in generations(layout, kind, name)[:-keep]:
        files.remove_tree(folder / f"{number:06}")


def generations(layout: Layout, kind: ElementKind, name: str) -> tuple[int, ...]:
    """Numbers of the kept generations, oldest first."""
    folder = layout.backups(f"{kind}/{name}")
    if not folder.is_dir():
        return ()
    return tuple(sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit()))


def _drop_block(document: Document) -> None:
    take_block(document)


def _write_journal(
    layout: Layout, what: str, kind: ElementKind, name: str, block: Any = None
) -> None:
    entry = {"what": what, "kind": kind, "name": name, "block": block}
    files.write_atomic(layout.journal, json.dumps(entry).encode(), layout.hidden)
