"""Where things lie in a store's hidden folder ``.stml`` (it has no zarr.json, so readers skip it).

======================  ==========================================================
``lock``                held by the program that writes
``journal.json``        a replacement under way
``new-<run id>``        a Run's elements while they are written
``new-swap``            the new element of a replacement, afterwards the old one
``undone-<run id>``     the elements and the record of an undone Run
``records/<id>.json``   a second copy of each published record
``backups/...``         earlier generations of regions and masks
======================  ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_stml.io.store.names import KINDS, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_stml.io.contents import ElementKind


@dataclass(frozen=True)
class Layout:
    """Paths of one store."""

    store: Path

    @property
    def hidden(self) -> Path:
        return self.store / ".stml"

    @property
    def lock(self) -> Path:
        return self.hidden / "lock"

    @property
    def journal(self) -> Path:
        return self.hidden / "journal.json"

    @property
    def swap(self) -> Path:
        return self.hidden / "new-swap"

    @property
    def root(self) -> Path:
        return self.store / "zarr.json"

    def staged(self, run_id: str) -> Path:
        return self.hidden / f"new-{run_id}"

    def undone(self, run_id: str) -> Path:
        return self.hidden / f"undone-{run_id}"

    def record(self, run_id: str) -> Path:
        return self.hidden / "records" / f"{run_id}.json"

    def backups(self, path: str) -> Path:
        return self.hidden / "backups" / path

    def element(self, kind: ElementKind, name: str) -> Path:
        return self.store / kind / name

    def undone_runs(self) -> tuple[str, ...]:
        """Ids of the undone Runs, oldest first."""
        folders = [p for p in self.hidden.glob("undone-*") if (p / "record.json").exists()]
        folders.sort(key=lambda p: (p / "record.json").stat().st_mtime_ns)
        return tuple(p.name.removeprefix("undone-") for p in folders)


def elements_in(folder: Path) -> Iterator[str]:
    """Paths ``<kind>/<name>`` of the elements in a store or in a staging folder."""
    for kind in KINDS:
        parent = folder / kind
        if parent.is_dir():
            for child in sorted(parent.iterdir()):
                if not child.name.startswith(".") and (child / "zarr.json").exists():
                    yield f"{kind}/{child.name}"


def run_elements(folder: Path) -> dict[str, list[str]]:
    """Paths of all Runs' elements in a folder, by run id."""
    found: dict[str, list[str]] = {}
    for path in elements_in(folder):
        run_id = run_of(path.partition("/")[2])
        if run_id:
            found.setdefault(run_id, []).append(path)
    return found
