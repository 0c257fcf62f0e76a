"""Which of a store's coordinate systems, elements and tables are one section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.spatialdata.files import KINDS, StoreFiles
from napari_stml.io.readers.spatialdata.tables import TableRole, groups_of, table_role
from napari_stml.io.readers.spatialdata.transforms import transformations
from napari_stml.io.store.names import run_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_stml.core.geometry import Affine

UM_SYSTEMS = ("um", "microns", "micrometers", "micrometres", "micron")
"""Coordinate systems that tell the scale; never a section of their own."""


@dataclass(frozen=True)
class StoredElement:
    """An element and its maps to coordinate systems."""

    kind: str
    name: str
    systems: Mapping[str, Affine]


@dataclass(frozen=True)
class Plan:
    """What is read as one section.

    Attributes
    ----------
    system
        The coordinate system in which everything is placed.
    region
        The one table region that was asked for, None for all regions of the system.
    roles
        Tables that annotate the observations, the first one first.
    regions
        Elements that are the observations.
    """

    system: str
    region: str | None
    roles: tuple[TableRole, ...]
    regions: tuple[str, ...]
    sections: tuple[str, ...]
    observed: tuple[str, ...]


def stored_elements(files: StoreFiles) -> tuple[list[StoredElement], list[TableRole], list[str]]:
    """List elements and tables; damaged elements that no table needs become notes."""
    roles = [table_role(files, name) for name in files.elements("tables")]
    needed = {region for role in roles if not role.of_run for region in role.regions}
    found: list[StoredElement] = []
    notes: list[str] = []
    for kind in KINDS[:-1]:
        for name in files.elements(kind):
            if run_of(name):
                continue
            try:
                found.append(StoredElement(kind, name, _systems(files, kind, name)))
            except CannotOpenError as error:
                if kind == "images" or name in needed:
                    raise
                notes.append(f"{kind} '{name}' left out: {error.what}")
    return found, roles, notes


def plan(
    files: StoreFiles,
    elements: Sequence[StoredElement],
    roles: Sequence[TableRole],
    section: str | None,
    observations: str | None,
) -> Plan:
    """Take the choices, or their defaults, and check that they exist."""
    by_name = {e.name: e for e in elements if e.kind in {"shapes", "labels"}}
    groups = {g[0].name: g for g in groups_of([r for r in roles if not r.of_run])}
    inside = _in_section(groups, by_name, section)
    group = _chosen_group(files, groups if observations else inside, observations)
    regions = _regions(files, group, by_name, roles)
    systems = _systems_by_worth(elements, regions)
    if not systems:
        raise CannotOpenError(
            "The store holds no image, shapes, labels or points", where=files.root
        )
    several = regions if len(regions) > 1 else ()
    sections = tuple(dict.fromkeys((*systems, *several)))
    if section is not None and section not in sections:
        raise CannotOpenError(
            f"There is no section '{section}'",
            where=files.root,
            do="choose section from: " + ", ".join(sections),
        )
    region = section if section is not None and section not in systems else None
    system = section if section in systems else systems[0]
    if region is not None:
        system = next(s for s in systems if s in by_name[region].systems)
    shown = (region,) if region else tuple(r for r in regions if system in by_name[r].systems)
    observed = tuple(_in_section(groups, by_name, system))
    return Plan(system, region, group if shown else (), shown, sections, observed)


def _systems(files: StoreFiles, kind: str, name: str) -> dict[str, Affine]:
    attrs = files.element_attrs(kind, name)
    where = str(files.at(kind, name))
    if kind in {"images", "labels"}:
        multiscales = attrs.get("ome", attrs).get("multiscales")
        if not multiscales:
            raise CannotOpenError("This image has no multiscales metadata", where=where)
        encoded = multiscales[0].get("coordinateTransformations")
    else:
        encoded = attrs.get("coordinateTransformations")
    if not encoded:
        raise CannotOpenError("This element has no coordinate transformation", where=where)
    return transformations(encoded, where)


def _in_section(
    groups: Mapping[str, tuple[TableRole, ...]],
    elements: Mapping[str, StoredElement],
    section: str | None,
) -> dict[str, tuple[TableRole, ...]]:
    """Keep the tables that annotate something in a section; all where none is named."""

    def inside(region: str) -> bool:
        return region in elements and (section == region or section in elements[region].systems)

    return {
        name: group
        for name, group in groups.items()
        if section is None or any(inside(r) for role in group for r in role.regions)
    }


def _chosen_group(
    files: StoreFiles, groups: Mapping[str, tuple[TableRole, ...]], asked: str | None
) -> tuple[TableRole, ...]:
    if asked is not None:
        for group in groups.values():
            if asked in {role.name for role in group}:
                return group
        raise CannotOpenError(
            f"There are no observations of a table '{asked}'",
            where=files.root,
            do="choose observations from: " + (", ".join(groups) or "none"),
        )
    usual = next((n for n in ("table", "square_008um") if n in groups), None)
    return groups[usual] if usual else next(iter(groups.values()), ())


def _regions(
    files: StoreFiles,
    group: Sequence[TableRole],
    elements: Mapping[str, StoredElement],
    roles: Sequence[TableRole],
) -> tuple[str, ...]:
    """Elements that are the observations.

    Without a table these are the shapes that Runs annotate, else the first circles.
    """
    if group:
        wanted = tuple(dict.fromkeys(r for role in group for r in role.regions))
        present = tuple(r for r in wanted if r in elements)
        if not present:
            shown = ", ".join(elements) or "none"
            raise CannotOpenError(
                f"The table '{group[0].name}' annotates '{', '.join(wanted)}', which is not in "
                f"the store (shapes and labels here: {shown})",
                where=files.root,
                do="copy the missing element into the store, or write the table with its region",
            )
        return present
    of_runs = [r for role in roles if role.of_run for r in role.regions if r in elements]
    return tuple(of_runs[:1])


def _systems_by_worth(elements: Sequence[StoredElement], regions: Sequence[str]) -> list[str]:
    """Order coordinate systems: most observations, most images, most elements, then by name."""
    names = {system for e in elements for system in e.systems}
    places = names - set(UM_SYSTEMS) or names

    def worth(system: str) -> tuple[int, int, int, bool, str]:
        inside = [e for e in elements if system in e.systems]
        observed = sum(e.name in regions for e in inside)
        images = sum(e.kind == "images" for e in inside)
        return -observed, -images, -len(inside), system != "global", system

    return sorted(places, key=worth)
