"""The sections of a recipe, found and named; those that share a store are one unit of work."""

from __future__ import annotations

import glob
import re
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from napari_stml.core.errors import StmlError
from napari_stml.core.scope import Scope
from napari_stml.runs.recipe import ScopeEntry
from napari_stml.runs.scopes import in_filter, in_regions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_stml.io.section import Section
    from napari_stml.runs.recipe import Recipe, SectionEntry

ENDINGS = (".ome.zarr", ".ome.tif", ".ome.tiff", ".zarr", ".h5ad", ".h5mu")


class SectionPlan(BaseModel):
    """One section: where it lies, how it is opened, what it is called in this recipe."""

    model_config = ConfigDict(frozen=True)

    label: str
    path: str | tuple[str, ...]
    choices: dict[str, Any] = {}
    um_per_px: float | tuple[float, float] | None = None
    scope: ScopeEntry = ScopeEntry.model_construct()

    @property
    def place(self) -> str:
        """What decides the store that keeps its Runs."""
        return self.path if isinstance(self.path, str) else self.path[0]

    @contextmanager
    def opened(self) -> Iterator[Section]:
        from napari_stml.io.section import Section

        path = self.path if isinstance(self.path, str) else list(self.path)
        with Section.open(path, um_per_px=self.um_per_px, **self.choices) as section:
            yield section


def sections_of(recipe: Recipe) -> tuple[SectionPlan, ...]:
    """All sections in the recipe's order, each with a name of its own."""
    found = [plan for entry in recipe.sections for plan in _found(entry, Path(recipe.folder))]
    twice = [i for i, n in Counter(_identity(p) for p in found).items() if n > 1]
    if twice:
        raise StmlError("A section stands in the recipe twice", where=twice[0], do="remove one")
    return tuple(
        plan.model_copy(update={"label": label})
        for plan, label in zip(found, _labels(found), strict=True)
    )


def units_of(plans: Sequence[SectionPlan]) -> tuple[tuple[SectionPlan, ...], ...]:
    """Sections by store: whoever holds the lock of a store does all that is in it."""
    units: dict[str, list[SectionPlan]] = {}
    for plan in plans:
        units.setdefault(plan.place, []).append(plan)
    return tuple(tuple(unit) for unit in units.values())


def scope_of(section: Section, entry: ScopeEntry) -> Scope:
    """The scope that an entry means on a section; names of steps are Run ids by now."""
    if entry.regions:
        return in_regions(section, entry.regions)
    if entry.filter:
        return in_filter(section, entry.filter)
    return Scope()


def _found(entry: SectionEntry, folder: Path) -> list[SectionPlan]:
    if not isinstance(entry.path, str):
        paths: list[str | tuple[str, ...]] = [tuple(_placed(p, folder) for p in entry.path)]
    elif "://" in entry.path or not glob.has_magic(entry.path):
        paths = [_placed(entry.path, folder)]
    else:
        paths = [*sorted(glob.glob(_placed(entry.path, folder), recursive=True))]
        if not paths:
            raise StmlError(
                "No section is found", where=entry.path,
                do="patterns count from the folder of the recipe",
            )  # fmt: skip
    if entry.name and len(paths) > 1:
        raise StmlError(f"'{entry.name}' names {len(paths)} sections", where=entry.path,
                        do="leave the name out")  # fmt: skip
    return [
        SectionPlan(
            label=entry.name, path=path, choices=entry.choices, um_per_px=entry.um_per_px,
            scope=entry.scope,
        )
        for path in paths
    ]  # fmt: skip


def _placed(path: str, folder: Path) -> str:
    return path if "://" in path else str((folder / Path(path).expanduser()).absolute())


def _identity(plan: SectionPlan) -> str:
    return f"{plan.path} {plan.choices or ''}".strip()


def _labels(plans: Sequence[SectionPlan]) -> list[str]:
    """Given names; else that of the file, with its folder and at last a number where needed."""
    labels = [plan.label or _stem(plan) for plan in plans]
    for attempt in (1, 2):
        counted = Counter(label.casefold() for label in labels)
        for i, plan in enumerate(plans):
            if counted[labels[i].casefold()] > 1 and not plan.label:
                before = Path(plan.place).parent.name if attempt == 1 else str(i + 1)
                labels[i] = _clean(f"{before}-{_stem(plan)}")
    given = Counter(label.casefold() for label in labels)
    if max(given.values(), default=1) > 1:
        raise StmlError("Two sections have the same name", where=max(given, key=given.__getitem__))
    return labels


def _stem(plan: SectionPlan) -> str:
    name = plan.place.rstrip("/").replace("\\", "/").rpartition("/")[2]
    ending = next((e for e in ENDINGS if name.lower().endswith(e)), Path(name).suffix)
    stem = name.removesuffix(name[len(name) - len(ending) :]) if ending else name
    chosen = plan.choices.get("section")
    return _clean(f"{stem}-{chosen}" if chosen else stem)


def _clean(text: str) -> str:
    return re.sub(r"[^\w.\-]+", "_", text).strip("._-") or "section"
