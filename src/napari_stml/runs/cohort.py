"""A cohort: sections that belong together, kept in a file with paths relative to it.

The file has the shape of a recipe's ``sections``, so that a cohort becomes a recipe by adding
steps.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers import is_url
from napari_stml.io.store import find_store
from napari_stml.io.take_out.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = 1


@dataclass(frozen=True)
class Member:
    """One section of a cohort: where it lies (absolute, or an address) and how it is opened."""

    path: str
    name: str = ""
    um_per_px: float | None = None
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def shown_name(self) -> str:
        return self.name or self.path.rstrip("/").rpartition("/")[2]

    @property
    def missing(self) -> bool:
        return not is_url(self.path) and not Path(self.path).exists()


@dataclass(frozen=True)
class Status:
    """What a line of the cohort table says."""

    words: str
    runs: int = 0


def status(member: Member) -> Status:
    """Whether it is there, and how many Runs are kept with it."""
    if member.missing:
        return Status("missing: relink it")
    if is_url(member.path):
        return Status("remote")
    store = find_store(member.path)
    if store is None:
        return Status("not analysed yet")
    try:
        attributes = json.loads((store / "zarr.json").read_bytes()).get("attributes", {})
        count = len(attributes.get("stml", {}).get("runs", {}))
    except (OSError, ValueError):
        return Status("its kept results are not readable")
    return Status(f"{count} Run{'s' * (count > 1)}" if count else "not analysed yet", count)


def read_cohort(path: Path | str) -> tuple[Member, ...]:
    """Read a cohort file (or a recipe, whose steps are left aside)."""
    import yaml

    path = Path(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = document["sections"]
        return tuple(_member(entry, path.absolute().parent) for entry in entries)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CannotOpenError(
            f"This is no cohort file: {error}", where=path,
            do="choose a .yaml file with a list 'sections'",
        ) from error  # fmt: skip


def write_cohort(path: Path | str, members: Sequence[Member]) -> None:
    """Write the file whole; sections below its folder keep relative paths."""
    import yaml

    path = Path(path).absolute()
    document = {"schema": SCHEMA, "sections": [_entry(m, path.parent) for m in members]}
    with whole_file(path, overwrite=True) as staged:
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        staged.write_text(text, encoding="utf-8")


def relinked(members: Sequence[Member], index: int, new: Path | str) -> tuple[Member, ...]:
    """Give one section its new place; others that moved in the same way follow."""
    old, place = Path(members[index].path), Path(new).absolute()
    found = []
    for i, member in enumerate(members):
        if i == index:
            found.append(replace(member, path=str(place)))
            continue
        moved = _moved_alike(Path(member.path), old, place) if member.missing else None
        found.append(replace(member, path=str(moved)) if moved is not None else member)
    return tuple(found)


def _moved_alike(path: Path, old: Path, new: Path) -> Path | None:
    """Where ``path`` lies now if the folders above it moved as those of ``old`` did."""
    before, after = old.parts, new.parts
    same = 0
    while same < min(len(before), len(after)) and before[-1 - same] == after[-1 - same]:
        same += 1
    root, moved = Path(*before[: len(before) - same]), Path(*after[: len(after) - same])
    try:
        guess = moved / path.relative_to(root)
    except ValueError:
        return None
    return guess if guess.exists() else None


def _member(entry: Any, folder: Path) -> Member:
    raw = entry if isinstance(entry, str) else entry["path"]
    values = {} if isinstance(entry, str) else entry
    place = str(raw) if is_url(raw) else os.path.normpath(folder / str(raw))
    scale = values.get("um_per_px")
    return Member(
        place, str(values.get("name", "")), None if scale is None else float(scale),
        tuple((str(k), str(v)) for k, v in (values.get("choices") or {}).items()),
    )  # fmt: skip


def _entry(member: Member, folder: Path) -> dict[str, Any]:
    place = member.path
    if not is_url(place) and Path(place).is_relative_to(folder):
        place = Path(place).relative_to(folder).as_posix()
    entry: dict[str, Any] = {"path": place}
    if member.name:
        entry["name"] = member.name
    if member.um_per_px is not None:
        entry["um_per_px"] = member.um_per_px
    if member.choices:
        entry["choices"] = dict(member.choices)
    return entry
