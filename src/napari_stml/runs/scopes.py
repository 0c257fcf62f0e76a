"""Scopes from words: regions by class, observations by columns, or those of an earlier Run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.core.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.io.section import Section

WHERE = "where "
AND = " and "


def in_regions(section: Section, classes: Sequence[str]) -> Scope:
    """What lies in drawn regions of these classes; "*" takes all regions."""
    regions = section.shelf.regions() if section.shelf is not None else ()
    known = sorted({r.kind for r in regions})
    missing = [c for c in classes if c != "*" and c not in known]
    if missing or not regions:
        raise StmlError(
            f"No region of the class '{missing[0]}' is drawn" if missing else "No region is drawn",
            where=section.name, do=f"choose one of {', '.join(known)}" if known else "draw one",
        )  # fmt: skip
    outlines = tuple(r.outline for r in regions if "*" in classes or r.kind in classes)
    count = f"{len(outlines)} region{'s' if len(outlines) > 1 else ''}"
    title = count if "*" in classes else f"{count}: {', '.join(classes)}"
    return in_polygons(section, outlines, title)


def in_filter(section: Section, tests: Sequence[str]) -> Scope:
    """The observations that pass all tests.

    A test is the name of a boolean column, ``column=class`` or ``column!=class``; columns may be
    values of Runs (``qc-1/passes=kept``).
    """
    if section.observations is None:
        raise StmlError("This section has no observations to filter", where=section.name)
    names = section.observations.names
    inside = np.ones(len(names), dtype=bool)
    for test in tests:
        inside &= _passed(section, test)
    members = tuple(str(n) for n in names[inside])
    if not members:
        raise StmlError(
            "No observation passes this filter", where=f"{section.name}, {AND.join(tests)}",
            do="choose another column or class",
        )  # fmt: skip
    return Scope("filter", members, title=WHERE + AND.join(tests))


def runs_behind(section: Section, tests: Sequence[str]) -> tuple[str, ...]:
    """Ids of the stored Runs whose values these tests look at."""
    records = section.shelf.records if section.shelf is not None else {}
    named = (test.partition("/")[0] for test in tests if "/" in test)
    return tuple(dict.fromkeys(name for name in named if name in records))


def scope_again(section: Section, run_id: str) -> Scope:
    """The scope that a stored Run had on this section."""
    records = section.shelf.records if section.shelf is not None else {}
    if run_id not in records:
        raise StmlError(f"There is no Run '{run_id}'", where=section.name)
    record = records[run_id]
    kept = record.scope
    if not kept or kept["kind"] == "section":
        return Scope()
    if kept["polygons"]:
        outlines = tuple(bytes.fromhex(p) for p in kept["polygons"])
        return in_polygons(section, outlines, kept["title"], kept["kind"])
    if kept["title"].startswith(WHERE):
        scope = in_filter(section, kept["title"].removeprefix(WHERE).split(AND))
        if scope.record() == kept:
            return scope
    assert section.shelf is not None
    members = section.shelf.members(run_id)
    if members is None:
        raise StmlError(
            "What this Run saw is not in the store",
            where=run_id, do="choose the scope anew",
        )  # fmt: skip
    return Scope(kept["kind"], members, title=kept["title"])


def in_polygons(
    section: Section, outlines: tuple[bytes, ...], title: str, kind: Any = "regions"
) -> Scope:
    """What lies in these outlines (WKB, reference pixels); without observations, the outlines."""
    if section.observations is None:
        return Scope(kind, None, outlines, title)
    import shapely

    area = shapely.union_all(shapely.from_wkb(list(outlines)))
    shapely.prepare(area)
    xy = section.observations.xy
    inside = shapely.intersects_xy(area, xy[:, 0], xy[:, 1])
    members = tuple(str(n) for n in section.observations.names[inside])
    if not members:
        raise StmlError("No observation lies in these regions", where=f"{section.name}, {title}")
    return Scope(kind, members, outlines, title)


def _passed(section: Section, test: str) -> NDArray[np.bool_]:
    column, wanted, equal = _parsed(section, test)
    values = section.values(column)
    if hasattr(values.dtype, "categories"):
        names = [str(c) for c in values.cat.categories]
        if wanted is None and set(names) <= {"True", "False"}:
            wanted = "True"
        if wanted not in names:
            what = "is no yes or no" if wanted is None else f"has no class '{wanted}'"
            raise StmlError(
                f"The column '{column}' {what}", where=section.name,
                do=f"write {column}=CLASS with one of {', '.join(names[:12])}",
            )  # fmt: skip
        codes = np.asarray(values.cat.codes)
        same = codes == names.index(wanted)
        return np.asarray(same if equal else (~same & (codes >= 0)), dtype=bool)
    numbers = values.to_numpy(dtype=np.float64)
    if wanted is None:
        known = numbers[np.isfinite(numbers)]
        if not np.isin(known, (0.0, 1.0)).all():
            raise StmlError(
                f"The column '{column}' is no yes or no", where=section.name,
                do="choose a boolean column or write COLUMN=VALUE",
            )  # fmt: skip
        return np.asarray(numbers == 1, dtype=bool)
    try:
        same = numbers == float(wanted)
    except ValueError:
        raise StmlError(
            f"The column '{column}' holds numbers", where=test, do="write COLUMN=NUMBER"
        ) from None
    return np.asarray(same if equal else (~same & np.isfinite(numbers)), dtype=bool)


def _parsed(section: Section, test: str) -> tuple[str, str | None, bool]:
    """Column, class and whether it should be this class; a column's name may hold "="."""
    if test in section.columns():
        return test, None, True
    for sign, equal in (("!=", False), ("=", True)):
        column, found, wanted = test.partition(sign)
        if found:
            return column.strip(), wanted.strip(), equal
    return test.strip(), None, True
