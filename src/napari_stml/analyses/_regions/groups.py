"""Two groups of observations from drawn regions, or from the classes of a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Column, Outlines
from napari_stml.core.params import param
from napari_stml.regions.inside import memberships

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.core.inputs import Region
    from napari_stml.core.needs import Need

REST = "the rest"
FEWEST = 3


class TwoGroups(FromTable):
    """Parameters that name group A and group B."""

    first: str = param(
        "", title="A", source="region_class",
        help="Class or name of drawn regions (or a class of the column); empty takes all regions.",
    )  # fmt: skip
    second: str = param(
        "", title="against B", source="region_class",
        help="What A is compared with; empty takes all other spots of the scope.",
    )  # fmt: skip
    column: str = param(
        "", title="Groups of a column", source="category", rare=True,
        help="Compare two classes of this column instead of drawn regions.",
    )  # fmt: skip

    def group_need(self) -> Mapping[str, Need]:
        if self.column:
            return {"groups": Column(self.column, self.table or None)}
        return {"regions": Outlines()}


@dataclass(frozen=True)
class Groups:
    """Rows of A and of B among the rows of the scope, and how they are called."""

    first: NDArray[np.bool_]
    second: NDArray[np.bool_]
    names: tuple[str, str]
    notes: tuple[str, ...]

    @property
    def rows(self) -> NDArray[np.intp]:
        return np.flatnonzero(self.first | self.second)

    @property
    def codes(self) -> NDArray[np.int32]:
        """0 for A and 1 for B, at `rows`."""
        return np.where(self.first[self.rows], 0, 1).astype(np.int32)


def two_groups(spots: Inside, params: TwoGroups, least: int = FEWEST) -> Groups:
    """Who is in A and who in B; spots in both are in neither."""
    if params.column:
        codes, names = spots.categories("groups", params.column)
        if not params.first:
            raise StmlError("Name the class A of the column", where=params.column,
                            do=f"one of {', '.join(names[:8])}")  # fmt: skip
        first = _of_class(codes, names, params.first, params.column)
        second = (_of_class(codes, names, params.second, params.column) if params.second
                  else (codes >= 0) & ~first)  # fmt: skip
    else:
        regions: Sequence[Region] = spots.section["regions"]
        first = _in_regions(spots, regions, params.first)
        second = _in_regions(spots, regions, params.second) if params.second else ~first
    both = first & second
    notes = (f"{int(both.sum())} spots lie in A and in B and are left out",) if both.any() else ()
    first, second = first & ~both, second & ~both
    titles = (params.first or "drawn regions", params.second or REST)
    for name, own in zip(titles, (first, second), strict=True):
        if own.sum() < least:
            raise StmlError(
                f"'{name}' has {int(own.sum())} spots and {least} are needed",
                where=spots.section.section, do="draw more, or choose a wider scope",
            )  # fmt: skip
    said = f"A: {titles[0]}, {int(first.sum())} spots; B: {titles[1]}, {int(second.sum())} spots"
    return Groups(first, second, titles, (said, *notes))


def _of_class(
    codes: NDArray[np.int32], names: tuple[str, ...], wanted: str, column: str
) -> NDArray[np.bool_]:
    if wanted not in names:
        raise StmlError(f"There is no class '{wanted}' in the scope", where=column,
                        do=f"choose one of {', '.join(names[:8])}")  # fmt: skip
    return np.asarray(codes == names.index(wanted))


def _in_regions(spots: Inside, regions: Sequence[Region], wanted: str) -> NDArray[np.bool_]:
    some = [r for r in regions if not wanted or wanted in (r.kind, r.name)]
    if not some:
        known = dict.fromkeys(n for r in regions for n in (r.kind, r.name) if n)
        raise StmlError(f"No region '{wanted}' is drawn", where=spots.section.section,
                        do=f"choose one of {', '.join(list(known)[:8])}")  # fmt: skip
    inside = np.zeros(len(spots), dtype=bool)
    for rows in memberships(spots.section.xy[spots.rows],
                            [shapely.from_wkb(r.outline) for r in some]):  # fmt: skip
        inside[rows] = True
    return inside
