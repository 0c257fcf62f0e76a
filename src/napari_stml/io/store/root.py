"""The root ``zarr.json``: attributes and the block of consolidated metadata, replaced as one file.

Whatever others wrote there stays as it is: every change reads the file anew, edits its own
entries and replaces the whole. The block keeps the entries of other elements untouched, because
rebuilding it from the disk would list what another program left half written. A store without a
block stays without one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.store import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from napari_stml.io.store.layout import Layout

Document = dict[str, Any]

_BLOCK = "consolidated_metadata"
EMPTY_BLOCK: Document = {"kind": "inline", "must_understand": False, "metadata": {}}
GROUP: Document = {"attributes": {}, "zarr_format": 3, "node_type": "group"}


@dataclass(frozen=True)
class Root:
    """Reads and replaces the root of one store."""

    layout: Layout

    def read(self) -> Document:
        return read_node(self.layout.root)

    def own(self) -> Document:
        """Our part of the attributes; empty in a store that we never wrote."""
        return own_attributes(self.read())

    def commit(self, edit: Callable[[Document], None]) -> None:
        """Replace the file after ``edit`` changed its parsed content.

        When another program replaced the file meanwhile, its version is read and edited again.
        """
        path = self.layout.root
        while True:
            before = _stamp(path)
            document = self.read()
            edit(document)
            data = json.dumps(document, indent=2).encode()
            unchanged = partial(_has_stamp, path, before)
            if files.write_atomic(path, data, self.layout.hidden, still=unchanged):
                return


def own_attributes(document: Document) -> Document:
    """``attributes["stml"]`` of a root document, made when it is missing."""
    own: Document = document.setdefault("attributes", {}).setdefault("stml", {})
    return own


def read_node(path: Path) -> Document:
    """The parsed content of a ``zarr.json``."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CannotOpenError(
            "The store's metadata cannot be read", where=path, do="restore this file from a copy"
        ) from error
    if not isinstance(document, dict):
        raise CannotOpenError("The store's metadata is not an object", where=path)
    return document


def take_block(document: Document) -> Document | None:
    """Remove the consolidated block; readers then list what lies on the disk."""
    block: Document | None = document.pop(_BLOCK, None)
    return block


def put_block(document: Document, block: Document | None) -> None:
    """Put a removed block back unless another program has written one."""
    if block is not None:
        document.setdefault(_BLOCK, block)


def list_nodes(document: Document, store: Path, paths: Iterable[str]) -> None:
    """Let the block, where there is one, list elements (``<kind>/<name>``) as they lie on disk."""
    paths = tuple(paths)
    unlist_nodes(document, paths)
    if not document.get(_BLOCK):
        return
    metadata = document[_BLOCK]["metadata"]
    for path in paths:
        kind = path.partition("/")[0]
        if kind not in metadata:
            metadata[kind] = _as_entry(read_node(store / kind / "zarr.json"))
        _collect(store, path, metadata)
    document[_BLOCK]["metadata"] = dict(
        sorted(metadata.items(), key=lambda item: (item[0].count("/"), item[0].lower()))
    )


def unlist_nodes(document: Document, paths: Iterable[str]) -> None:
    """Let the block forget elements."""
    if document.get(_BLOCK):
        metadata = document[_BLOCK]["metadata"]
        for path in paths:
            for key in [k for k in metadata if k == path or k.startswith(f"{path}/")]:
                del metadata[key]


def listed(document: Document, path: str) -> bool:
    return path in (document.get(_BLOCK) or EMPTY_BLOCK)["metadata"]


def nodes_of(element: Path) -> Document:
    """The metadata of an element's nodes by relative path, the element itself as ``""``."""
    metadata: Document = {}
    _collect(element, "", metadata)
    return metadata


def _collect(store: Path, path: str, into: Document) -> None:
    node = read_node(store / path / "zarr.json")
    into[path] = _as_entry(node)
    if node.get("node_type") == "group":
        for child in sorted((store / path).iterdir()):
            if (child / "zarr.json").exists():
                _collect(store, f"{path}/{child.name}" if path else child.name, into)


def _as_entry(node: Document) -> Document:
    """As zarr writes it: groups in a block carry an empty block of their own."""
    if node.get("node_type") != "group":
        return node
    return {**{k: v for k, v in node.items() if k != _BLOCK}, _BLOCK: dict(EMPTY_BLOCK)}


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns


def _has_stamp(path: Path, stamp: tuple[int, int]) -> bool:
    return _stamp(path) == stamp
