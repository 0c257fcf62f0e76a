"""One writable SpatialData zarr: publish and undo Runs, replace regions and masks, keep styling.

Killed at any instant, the store opens in plain spatialdata, anndata and zarr with the old or the
new values. See docs/saving.md for what lies where.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from napari_stml.core.errors import CannotOpenError, CannotSaveError
from napari_stml.io.store import files, swap
from napari_stml.io.store.layout import Layout, elements_in
from napari_stml.io.store.lock import Lock
from napari_stml.io.store.names import PREFIX, check_key, run_of
from napari_stml.io.store.raster import Raster, write_raster
from napari_stml.io.store.recovery import recover
from napari_stml.io.store.root import (
    EMPTY_BLOCK,
    GROUP,
    Document,
    Root,
    own_attributes,
    read_node,
)
from napari_stml.io.store.runs import RunShelf
from napari_stml.io.store.schema import RESERVED, SCHEMA, version_of
from napari_stml.io.store.staging import write_element
from napari_stml.io.store.tables import storable
from napari_stml.io.store.transforms import with_transformation
from napari_stml.io.store.watch import Change, ChangedElsewhereError, Watch, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_stml.core.geometry import Affine
    from napari_stml.io.contents import ElementKind

_P = ParamSpec("_P")
_T = TypeVar("_T")
_log = logging.getLogger(__name__)
KEPT_GENERATIONS = 10


class Store(RunShelf):
    """An open store; all methods may be called from any thread and wait for each other.

    Attributes
    ----------
    path
        The store's folder.
    read_only
        Why nothing can be written; "" for a store that can.
    """

    def __init__(self, path: Path, lock: Lock | None, read_only: str = "") -> None:
        self.path = path
        self.read_only = read_only
        self._layout = Layout(path)
        self._root = Root(self._layout)
        self._lock = lock
        self._turn = threading.RLock()
        self._asking = threading.Lock()  # not the turn: who asks must not wait for who writes
        self._thread: ThreadPoolExecutor | None = None
        self._watch = Watch(self._layout)
        self._known = {
            p: fingerprint(path / p)
            for p in elements_in(path)
            if p.partition("/")[2].startswith(PREFIX) and not run_of(p.partition("/")[2])
        }

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False) -> Store:
        """Take the lock, finish what was interrupted and read.

        Raises `StoreBusyError` when another program writes the store; ``read_only`` opens it all
        the same, without lock and without recovery. A store of a newer version of ours opens
        read-only by itself.
        """
        path = Path(path).absolute()
        layout = Layout(path)
        if not is_spatialdata(path):
            raise CannotOpenError(
                "This is not a SpatialData zarr of the present format",
                where=path,
                do="open it as a section: it is kept locally or can be saved as a new store",
            )
        own = own_attributes(Root(layout).read())
        if version_of(own) > SCHEMA:
            read_only_reason = (
                f"it was written by a newer version of napari-stml (schema {version_of(own)}, "
                f"this one knows {SCHEMA})"
            )
            return cls(path, None, read_only_reason)
        if read_only:
            return cls(path, None, "it was opened read-only")
        with files.saving("Changes to this store are", path):
            layout.hidden.mkdir(exist_ok=True)
            lock = Lock.acquire(layout.lock)
            try:
                recover(layout)
                return cls(path, lock)
            except BaseException:
                lock.release()
                raise

    @classmethod
    def create(cls, path: Path | str, attributes: dict[str, Any] | None = None) -> Store:
        """Make an empty SpatialData zarr; nothing may lie at ``path`` yet."""
        path = Path(path).absolute()
        if path.exists():
            raise CannotSaveError("Something of that name exists", where=path, do="choose another")
        with files.saving("The new store is", path):
            draft = path.with_name(f".{path.name}.new-{os.getpid()}")
            files.remove_tree(draft)
            (draft / ".stml").mkdir(parents=True)
            node = json.dumps(_empty_root(attributes or {}), indent=2).encode()
            files.write_atomic(draft / "zarr.json", node, draft / ".stml")
            files.move(draft, path)
        return cls.open(path)

    def close(self) -> None:
        """Finish the writer thread's work and give the lock back."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
            self.read_only = "it was closed"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def later(self, act: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Do something on the store's one writer thread, after all that was asked before."""
        with self._asking:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="stml-writer")
            return self._thread.submit(act, *args, **kwargs)

    @property
    def elements(self) -> tuple[str, ...]:
        """Paths ``<kind>/<name>`` of all elements, the user's and ours."""
        return tuple(elements_in(self.path))

    def changes(self) -> tuple[Change, ...]:
        """What other programs changed since the last call (cheap; ask on focus)."""
        with self._turn:
            return self._watch.changes()

    def attr(self, key: str, default: Any = None) -> Any:
        """One of our attributes (styling, open choices, ...)."""
        return self._root.own().get(key, default)

    def set_attr(self, key: str, value: Any) -> None:
        """Keep something small that JSON can hold; None removes it."""
        if key in RESERVED:
            raise ValueError(f"{key!r} is kept by the store itself")

        def edit(document: Document) -> None:
            own = own_attributes(document)
            own.setdefault("schema", SCHEMA)
            own.pop(key, None)
            if value is not None:
                own[key] = json.loads(json.dumps(value))

        with self._writing(f"The change of {key} is"):
            self._root.commit(edit)

    def set_transformation(
        self, kind: ElementKind, name: str, affine: Affine, system: str = "global"
    ) -> None:
        """Change where an element lies in a coordinate system; its values stay as they are."""
        path = self._layout.element(kind, name)
        node = with_transformation(read_node(path / "zarr.json"), affine, system)
        with self._writing(f"The alignment of {name} is"):
            swap.finish(self._layout)
            swap.rewrite_metadata(self._layout, kind, name, node)
            self._remember(kind, name)

    def replace(
        self,
        kind: ElementKind,
        name: str,
        element: Any,
        *,
        affine: Affine | None = None,
        system: str = "global",
        even_if_changed: bool = False,
    ) -> None:
        """Write an element of ours (``stml.<name>``) for the first time or anew.

        The last generations are kept, see `restore`. When another program changed the element
        since we read or wrote it, `ChangedElsewhereError` is raised unless ``even_if_changed``.
        """
        self._check_ours(name)
        with self._writing(f"The latest state of {name} is"):
            swap.finish(self._layout)
            self._check_unchanged(kind, name, even_if_changed)
            files.remove_tree(self._layout.swap)
            staged = self._layout.swap / kind / name
            staged.parent.mkdir(parents=True)
            _write(staged, kind, element, affine, system)
            self._install(kind, name, staged)

    def remove(self, kind: ElementKind, name: str, *, even_if_changed: bool = False) -> None:
        """Take an element of ours away (all regions deleted); its last generations are kept."""
        self._check_ours(name)
        with self._writing(f"The removal of {name} is"):
            swap.finish(self._layout)
            self._check_unchanged(kind, name, even_if_changed)
            swap.remove(self._layout, kind, name, keep=KEPT_GENERATIONS)
            self._known.pop(f"{kind}/{name}", None)

    def generations(self, kind: ElementKind, name: str) -> tuple[int, ...]:
        """Numbers of the earlier states that `restore` can bring back, oldest first."""
        return swap.generations(self._layout, kind, name)

    def restore(self, kind: ElementKind, name: str, generation: int) -> None:
        """Bring an earlier state back; the present one becomes a generation itself."""
        source = self._layout.backups(f"{kind}/{name}") / f"{generation:06}"
        if not source.exists():
            raise CannotOpenError(f"There is no generation {generation}", where=name)
        with self._writing(f"The restored {name} is"):
            swap.finish(self._layout)
            files.remove_tree(self._layout.swap)
            staged = self._layout.swap / kind / name
            shutil.copytree(source, staged)
            self._install(kind, name, staged)

    def _install(self, kind: ElementKind, name: str, staged: Path) -> None:
        files.flush_tree(self._layout.swap)
        try:
            swap.replace(self._layout, kind, name, staged, keep=KEPT_GENERATIONS)
        except OSError:
            # a journal that cannot be finished now (disk full) is finished before the next write
            try:
                swap.finish(self._layout)
            except OSError as again:
                _log.warning("replacing %s stays interrupted for now: %s", name, again)
            raise
        finally:
            self._remember(kind, name)

    def _remember(self, kind: ElementKind, name: str) -> None:
        if name.startswith(PREFIX):
            self._known[f"{kind}/{name}"] = fingerprint(self._layout.element(kind, name))

    def _check_ours(self, name: str) -> None:
        check_key(name, self.path.name)
        if not name.startswith(PREFIX) or run_of(name):
            raise CannotSaveError(
                "Only our own regions and masks are replaced",
                where=name,
                do=f"choose a name that begins with {PREFIX!r} and is no Run's",
            )

    def _check_unchanged(self, kind: ElementKind, name: str, waived: bool) -> None:
        now = fingerprint(self._layout.element(kind, name))
        if not waived and now != self._known.get(f"{kind}/{name}", ""):
            raise ChangedElsewhereError(
                f"Another program changed {name}; your latest state of it is not saved",
                where=self.path,
                do="reload it, or save again and keep the other program's state as a generation",
            )

    @contextmanager
    def _writing(self, unsaved: str) -> Iterator[None]:
        """One writer at a time, refusals in the user's words, our own writes not noticed."""
        with self._turn:
            if self.read_only:
                raise CannotSaveError(
                    f"{unsaved} not saved: the store cannot be written because {self.read_only}",
                    where=self.path,
                    do="use Save as",
                )
            with files.saving(unsaved, self.path), self._watch.own_write():
                yield


def is_spatialdata(path: Path) -> bool:
    """Whether a local folder is a SpatialData zarr of container format 0.2 (zarr version 3)."""
    try:
        node = json.loads((path / "zarr.json").read_bytes())
        return bool(node["attributes"]["spatialdata_attrs"]["version"] == "0.2")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write(
    staged: Path, kind: ElementKind, element: Any, affine: Affine | None, system: str
) -> None:
    if kind in {"images", "labels"} and not isinstance(element, Raster):
        element = Raster.of_mask(element) if kind == "labels" else Raster.of_image(element)
    if isinstance(element, Raster):
        write_raster(staged, element, affine=affine, coordinate_system=system)
        return
    if kind == "tables":
        element = storable(element, staged.name)
    write_element(staged, kind, element)


def _empty_root(attributes: dict[str, Any]) -> Document:
    from importlib.metadata import version

    container = {"version": "0.2", "spatialdata_software_version": version("spatialdata")}
    return {
        **GROUP,
        "attributes": {**attributes, "spatialdata_attrs": container},
        "consolidated_metadata": EMPTY_BLOCK,
    }
