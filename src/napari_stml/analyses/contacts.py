"""Contacts, co-occurrence and the network of cell types and niches.

z of contact counts under shuffled labels, exact; co-occurrence over distance; steps over
touching cells from every group to every other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._niche import charts as draw
from napari_stml.analyses._niche.contacts_live import ContactsLive, ContactsLiveParams
from napari_stml.analyses._niche.tissue import FEWEST, Tissue
from napari_stml.analyses._niche.touch import (
    FIELDS,
    LONGEST,
    NEAREST,
    RADIUS,
    TOUCH,
    Touch,
    edges_of,
)
from napari_stml.analyses._shared.charts import fitting, numbers
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at, span
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis, Chart
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Column
from napari_stml.core.params import Params, param
from napari_stml.core.results import Result, Table
from napari_stml.methods.niches import contacts, hops, together

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Live, Steps
    from napari_stml.core.inputs import Inputs, SectionInputs
    from napari_stml.core.needs import Need
    from napari_stml.core.progress import Progress

DISTANCES = 20
MOST_COUNTED = 60_000
"""Pairs within a distance are counted among at most so many cells, taken evenly."""
MOST_PAINTED = 40
"""Groups whose distance is kept for every cell."""
CHANCE = 5
"""Shuffles behind the expected number of steps."""


class ContactsParams(Params):
    column: str = param(
        "", title="Cell types", source="category",
        help="The column with one type per cell or spot; clusters will do.",
    )  # fmt: skip
    niches: str = param(
        "", title="Niches", source="category",
        help="A second grouping for the network: niches, domains, regions. May be left out.",
    )  # fmt: skip
    touch: Touch = TOUCH
    longest: float = LONGEST
    k: int = NEAREST
    radius: float = RADIUS
    reach: float = param(
        0.0, title="Co-occurrence up to", unit="um", ge=0, le=10_000, rare=True,
        help="Largest distance of the curve. 0: ten times the distance of neighbours.",
    )  # fmt: skip
    fields: str = FIELDS


@register
class CellContacts:
    """Who touches whom more than by chance, over which distance, and who is near which niche."""

    name = "contacts"
    title = "Contacts and network"
    tab = "niches"
    order = 20
    sections = "one"
    context = "inside"
    Params = ContactsParams
    LiveParams = ContactsLiveParams

    def needs(self, params: ContactsParams) -> Mapping[str, Need]:
        named = {"types": params.column, "niches": params.niches, "fields": params.fields}
        return {name: Column(column) for name, column in named.items() if column}

    def run(self, inputs: Inputs, params: ContactsParams) -> Steps:
        section = inputs.one
        yield at(0, "reading")
        tissue = contact_tissue(section, params)
        yield at(5, "contacts")
        edges, said = edges_of(tissue, params)
        if not len(edges):
            raise StmlError(
                "No two cells are in contact", where=section.section,
                do="choose a larger radius or another kind of contact",
            )  # fmt: skip
        found = contacts.enrichment(edges, tissue.codes, len(tissue.types), tissue.strata)
        charts = [draw.contact_matrix(found, tissue.types, params.column)]
        tables = [_pairs(found, tissue.types)]
        curve = yield from _co_occurrence(tissue, params, inputs.seed)
        charts += curve
        niche, niches = _niches(tissue, params)
        yield at(60, "steps from cell to cell")
        steps, network, hop_table = _network(tissue, edges, niche, niches, params, inputs.seed)
        charts.append(network)
        tables.append(hop_table)
        touches = np.bincount(edges.ravel(), minlength=len(tissue.codes))
        groups = (*tissue.types, *(f"niche {n}" for n in niches))
        away = [
            tissue.spots.values(f"steps to {name}", steps[:, i], "cells")
            for i, name in enumerate(groups[:MOST_PAINTED])
        ]
        shown, too_large = fitting(charts)
        notes = (*tissue.notes, f"{len(edges):,} contacts: {said}", *too_large)
        return Result.of(
            section.section,
            tissue.spots.values("contacts", touches),
            *away,
            *tables,
            *shown,
            shows="contacts",
            notes=notes,
        )

    def live(self, result: Result, inputs: Inputs, params: ContactsParams) -> Live:
        tissue = contact_tissue(inputs.one, params)
        return ContactsLive(tissue, edges_of(tissue, params)[0], params.column)


def contact_tissue(section: SectionInputs, params: ContactsParams) -> Tissue:
    """The cells of the scope alone, checked; rows are those of the scope."""
    if not params.column:
        raise StmlError(
            "No column of cell types was chosen", where="Cell types",
            do="choose one; clusters will do",
        )  # fmt: skip
    spots = inside(section, least=FEWEST)
    codes, types = spots.categories("types", params.column)
    if len(types) < 2:
        raise StmlError(
            f"There is only one type, {types[0]}", where=params.column,
            do="contacts need at least two",
        )  # fmt: skip
    xy, unit = section.xy, "px"
    in_um = params.touch == "radius" or params.longest > 0 or params.reach > 0
    if section.um_per_px is not None or in_um:
        xy, unit = section.xy_um(), "um"
    xy = xy[spots.rows]
    if not np.isfinite(xy).all():
        raise StmlError(
            f"{int((~np.isfinite(xy).all(axis=1)).sum())} cells have no position",
            where=section.section, do="take them out with a filter",
        )  # fmt: skip
    strata = None
    if params.fields:
        strata = spots.categories("fields", params.fields)[0]
    lost = int((codes < 0).sum())
    notes = (f"{lost} cells without a type take no part",) if lost else ()
    array = section.array[spots.rows] if section.array is not None else None
    return Tissue(spots, xy, unit, types, codes, None, strata, array, notes)


def _pairs(found: contacts.Contacts, types: tuple[str, ...]) -> Table:
    a, b = np.triu_indices(len(types))
    return Table("contact counts", {
        "type": tuple(types[i] for i in a), "with": tuple(types[j] for j in b),
        "contacts": found.counts[a, b],
        "expected": tuple(numbers(found.expected[a, b])), "z": tuple(numbers(found.z[a, b])),
    })  # fmt: skip


def _co_occurrence(
    tissue: Tissue, params: ContactsParams, seed: int
) -> Generator[Progress, None, list[Chart]]:
    """The curve of each type with itself, and the matrix at the shortest distances."""
    xy, codes, strata = tissue.xy, tissue.codes, tissue.strata
    if len(codes) > MOST_COUNTED:
        some = np.sort(np.random.default_rng(seed).choice(len(codes), MOST_COUNTED, replace=False))
        xy, codes, strata = xy[some], codes[some], None if strata is None else strata[some]
    step = _spacing(xy)
    reach = params.reach or 10 * step
    distances = np.linspace(reach / DISTANCES, reach, DISTANCES)
    distances = distances[distances >= min(step * 0.999, reach)]
    ratio = yield from span(
        together.co_occurrence(xy, codes, len(tissue.types), distances, strata), 10, 58,
        "co-occurrence",
    )  # fmt: skip
    charts = []
    for i, name in enumerate(tissue.types):
        data: dict[str, Any] = {"distance": numbers(distances)}
        data |= {other: numbers(ratio[i, j]) for j, other in enumerate(tissue.types)}
        charts.append(Chart(
            f"co-occurrence of {name}", "line", f"Around {name}", Axis("within", tissue.unit),
            Axis("times its share"), data, notes=("1: as frequent as anywhere within that "
                                                  "distance of any cell",),
        ))  # fmt: skip
    return charts


def _spacing(xy: NDArray[np.float64]) -> float:
    """Median distance to the nearest other place."""
    from scipy.spatial import cKDTree

    places = np.unique(xy, axis=0)
    if len(places) < 2:
        raise StmlError("All cells stand on one place", do="check the positions")
    return float(np.median(cKDTree(places).query(places, k=2)[0][:, 1]))


def _niches(tissue: Tissue, params: ContactsParams) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    if not params.niches:
        return np.full(len(tissue.codes), -1, dtype=np.int32), ()
    return tissue.spots.categories("niches", params.niches)


def _network(
    tissue: Tissue, edges: contacts.Edges, niche: NDArray[np.int32], niches: tuple[str, ...],
    params: ContactsParams, seed: int,
) -> tuple[NDArray[np.float64], Chart, Table]:  # fmt: skip
    groups = ((tissue.codes, len(tissue.types)), (niche, len(niches)))
    member = hops.one_hot(*groups)
    n = len(tissue.codes)
    steps = np.column_stack([hops.hops(edges, n, column) for column in member.T])
    means = hops.mean_hops(steps, member)
    expected = _expected(edges, member, seed)
    names = (*tissue.types, *(f"niche {name}" for name in niches))
    sizes = member.sum(axis=0)
    chart = draw.network(
        hops.weights(means), tissue.types, niches, sizes, params.column, params.niches
    )
    a, b = np.nonzero(~np.eye(len(names), dtype=bool))
    table = Table("steps between groups", {
        "from": tuple(names[i] for i in a), "to": tuple(names[j] for j in b),
        "mean steps": tuple(numbers(means[a, b])),
        "by chance": tuple(numbers(np.broadcast_to(expected, means.shape)[a, b])),
        "nearer by": tuple(numbers(np.broadcast_to(expected, means.shape)[a, b] - means[a, b])),
    })  # fmt: skip
    return steps, chart, table


def _expected(edges: contacts.Edges, member: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
    """Mean steps to a group of the same size at random places: abundant ones are always near."""
    rng = np.random.default_rng(seed)
    n = len(member)
    found = np.zeros(member.shape[1])
    for _ in range(CHANCE):
        order = rng.permutation(n)
        for g, column in enumerate(member.T):
            steps = hops.hops(edges, n, column[order])
            found[g] += float(np.nanmean(steps)) if np.isfinite(steps).any() else np.nan
    return found / CHANCE
