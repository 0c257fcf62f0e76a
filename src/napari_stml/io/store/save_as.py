"""Save as: a new standalone store with the section's elements and the Runs kept so far."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotSaveError
from napari_stml.core.geometry import Affine
from napari_stml.io.slides.base import Slide
from napari_stml.io.store import files
from napari_stml.io.store.layout import Layout
from napari_stml.io.store.lock import Lock, StoreBusyError
from napari_stml.io.store.names import PREFIX, check_key, check_keys
from napari_stml.io.store.raster import Raster, write_raster
from napari_stml.io.store.root import Root, list_nodes, own_attributes
from napari_stml.io.store.schema import SCHEMA
from napari_stml.io.store.staging import write_element
from napari_stml.io.store.store import Store
from napari_stml.io.store.swap import make_parent
from napari_stml.io.store.tables import storable
from napari_stml.io.store.transforms import with_transformation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from napari_stml.io.contents import ElementKind


@dataclass(frozen=True)
class Part:
    """An element of the new store; ``load`` is called when its turn comes.

    It returns the path of an element's folder (copied as it is), a `Slide` or `Raster` (written
    block by block), an AnnData (annotating ``region``; see `tables.storable`), a GeoDataFrame,
    or anything that SpatialData's models returned. ``affine`` maps it to reference pixels (the
    system "global"), ``um`` these to micrometres (the system "um").
    """

    kind: ElementKind
    name: str
    load: Callable[[], Any]
    affine: Affine | None = None
    um: Affine | None = None
    region: str | None = None
    instances: Any = None


def save_as(
    target: Path | str,
    parts: Sequence[Part],
    *,
    kept: Store | None = None,
    references: Mapping[str, str] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Iterator[str]:
    """Write a new store; yields each element's name before it is written.

    Everything is written and flushed under a hidden name beside the target and appears under
    its own name in one rename; closing the iterator before its end removes what was written.

    Parameters
    ----------
    target
        Where the store will be; nothing may lie there yet.
    parts
        The section's elements.
    kept
        The store whose Runs, regions, masks and styling go along.
    references
        Images that stay where they are, by name: path or address.
    attributes
        Further attributes of the root, those of other programs.
    """
    target = Path(target).absolute()
    check_keys([part.name for part in parts], target.name)
    if target.exists():
        raise CannotSaveError("Something of that name exists", where=target, do="choose another")
    with files.saving(f"The copy {target.name} is", target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(target)
        draft = _free_draft(target)
    try:
        with files.saving(f"The copy {target.name} is", target.parent):
            with Store.create(draft, dict(attributes or {})):
                yield from _fill(Layout(draft), parts, kept, dict(references or {}))
                files.flush_tree(draft)
            files.move(draft, target)
    finally:
        files.remove_tree(draft)


def _fill(
    new: Layout, parts: Sequence[Part], kept: Store | None, references: dict[str, str]
) -> Iterator[str]:
    paths = []
    for part in parts:
        check_key(part.name, part.kind)
        yield part.name
        make_parent(new, part.kind)
        _write_part(new.element(part.kind, part.name), part)
        paths.append(f"{part.kind}/{part.name}")
    own: dict[str, Any] = {}
    if kept is not None:
        own = Root(Layout(kept.path)).own()
        for path in kept.elements:
            kind, _, name = path.partition("/")
            if name.startswith(PREFIX) and path not in paths:
                yield name
                make_parent(new, kind)
                shutil.copytree(kept.path / path, new.store / path)
                paths.append(path)
    if references:
        own = {**own, "references": references}

    def enter(document: dict[str, Any]) -> None:
        if own:
            own_attributes(document).update({"schema": SCHEMA, **own})
        list_nodes(document, new.store, paths)

    Root(new).commit(enter)


def _write_part(target: Path, part: Part) -> None:
    element = part.load()
    if isinstance(element, Slide):
        element = Raster.of_slide(element)
    if isinstance(element, Path):
        shutil.copytree(element, target, ignore=shutil.ignore_patterns("*.partial", ".stml"))
    elif isinstance(element, Raster):
        write_raster(target, element, affine=part.affine)
    elif part.kind == "tables":
        table = storable(element, part.name, region=part.region, instances=part.instances)
        write_element(target, part.kind, table)
    else:
        write_element(target, part.kind, element)
    if part.kind != "tables":
        _place(target / "zarr.json", part)


def _place(node: Path, part: Part) -> None:
    """Enter the maps to reference pixels and to um beside what the element says itself."""
    document = json.loads(node.read_bytes())
    to_reference = part.affine or Affine()
    with_transformation(document, to_reference, "global")
    if part.um is not None:
        with_transformation(document, part.um @ to_reference, "um")
    node.write_text(json.dumps(document, indent=2))


def _free_draft(target: Path) -> Path:
    number = 1
    while (draft := target.with_name(f".{target.name}.saving-{number}")).exists():
        number += 1
    return draft


def _clear_leftovers(target: Path) -> None:
    """Remove drafts whose program died; one that still writes holds its lock."""
    for draft in target.parent.glob(f".{target.name}.saving-*"):
        lock = draft / ".stml" / "lock"
        if lock.exists():
            try:
                Lock.acquire(lock).release()
            except StoreBusyError:
                continue
        files.remove_tree(draft)
