"""Niches: who lives around each cell or spot, how mixed it is, and places that are alike.

Soft neighbourhoods as in hoodscanR (Liu et al. 2024, doi:10.1101/2024.03.26.586902), written from
the published formulas; deconvolved spots are gathered, H_i = sum_j P_ij A_j.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._niche import charts as draw
from napari_stml.analyses._niche.live import NicheLive, NichesLive
from napari_stml.analyses._niche.params import NichesParams
from napari_stml.analyses._niche.parts import Found, bandwidth_table, outline_parts, summary
from napari_stml.analyses._niche.tissue import kind_of, settled, tissues
from napari_stml.analyses._shared.charts import fitting, numbers, sizes
from napari_stml.analyses._shared.progress import at, span
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis, Chart
from napari_stml.core.errors import StmlError
from napari_stml.core.results import SHARED, Result
from napari_stml.methods.niches import diversity, hoods, labelling, together
from napari_stml.methods.niches.near import finish

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._niche.tissue import Tissue
    from napari_stml.core.analysis import Live, Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.core.progress import Progress
    from napari_stml.core.results import Part
    from napari_stml.methods.niches.near import Near

GUIDED_MOST = 30_000
"""Above this many cells the comparison of numbers of niches looks at a sample of as many."""


@register
class Niches:
    """Neighbourhoods and niches: who lives next to whom, and where it is alike."""

    name = "niches"
    title = "Niches"
    tab = "niches"
    order = 10
    sections = "many"
    context = "around"
    Params = NichesParams
    LiveParams = NichesLive

    @staticmethod
    def beside(params: Mapping[str, Any], on_array: bool) -> Mapping[str, Any]:
        """Which neighbours the live panel has a slider for."""
        return {**params, "around": settled(params.get("around", "automatic"), on_array)}

    def needs(self, params: NichesParams) -> Mapping[str, Need]:
        return params.hood_needs()

    @limited
    def run(self, inputs: Inputs, params: NichesParams) -> Steps:
        yield at(0, "reading")
        sections = tissues(inputs.sections, params)
        found, tau, notes = yield from _composed(sections, params, inputs.threads)
        points = np.concatenate(
            [f.points(params.compare == "square roots", tau, params.smooth) for f in found]
        )
        if len(points) < 3:
            raise StmlError(
                "Fewer than 3 cells have a neighbourhood", where=sections[0].name,
                do="widen the scope or the neighbourhood",
            )  # fmt: skip
        steps = labelling.niches(
            points, params.way, params.niches, seed=inputs.seed, resolution=params.resolution
        )
        codes = yield from span(steps, 50, 70, "niches")
        names = tuple(str(i + 1) for i in range(int(codes.max()) + 1))
        start = 0
        for f in found:
            f.niche = codes[start : start + f.known.sum()]
            start += int(f.known.sum())
        if params.shuffles:
            yield from _chance(found, tau, params, inputs.seed)
        types = sections[0].types
        charts = yield from _charts(found, points, codes, names, params, inputs.seed)
        parts: dict[str, tuple[Part, ...]] = {f.tissue.name: f.parts(names) for f in found}
        if params.outlines:
            yield at(97, "outlines")
            for f in found:
                parts[f.tissue.name] += outline_parts(f, names)
        table = summary(found, names, types)
        shown, too_large = fitting(charts)
        notes += tuple(n for t in sections for n in t.notes)
        if params.smooth:
            notes += (f"compositions smoothed {params.smooth} times before grouping",)
        notes += (f"{len(names)} niches by {params.way}, seed {inputs.seed}, numbered by size",
                  *too_large)  # fmt: skip
        shared: tuple[Part, ...] = (table, bandwidth_table(tau, sections[0].unit), *shown)
        return Result({**parts, SHARED: shared}, shows=draw.NICHES, notes=notes)

    def live(self, result: Result, inputs: Inputs, params: NichesParams) -> Live:
        return NicheLive(result, inputs, params)


def _composed(
    sections: list[Tissue], params: NichesParams, threads: int
) -> Generator[Progress, None, tuple[list[Found], float | None, tuple[str, ...]]]:
    """Neighbours and compositions of all sections, at one bandwidth."""
    nears = []
    for i, tissue in enumerate(sections):
        low, high = 2 + 38 * i / len(sections), 2 + 38 * (i + 1) / len(sections)
        near = yield from span(
            tissue.neighbours(params, threads), low, high, f"neighbours ({tissue.name})"
        )
        nears.append(near)
    tau: float | None = None
    said = "all neighbours weigh alike"
    if params.weights == "falling":
        tau = params.bandwidth**2 or float(
            hoods.default_tau(nears[0]) if len(nears) == 1
            else np.median([hoods.default_tau(near) for near in nears])
        )  # fmt: skip
        if not tau > 0:
            raise StmlError(
                "The bandwidth cannot be found: too many cells have the same place or no "
                "neighbour", where=sections[0].name, do="give a bandwidth in um",
            )  # fmt: skip
        said = f"bandwidth {np.sqrt(tau):.4g} {sections[0].unit}"
    yield at(42, "compositions")
    found, notes = [], []
    for tissue, near in zip(sections, nears, strict=True):
        found.append(Found.of(tissue, near, tau, params.lonely))
        number = hoods.effective_number(near, tau)
        each = f"{near.width - near.own}" if near.width else (
            f"{float(np.median(near.counts)) - near.own:.0f} (median)"
        )  # fmt: skip
        ahead = f"{tissue.name}: " if len(sections) > 1 else ""
        notes.append(f"{ahead}{each} neighbours by {_by(params, tissue)}, {said}, "
                     f"{number:.1f} of them count in effect")  # fmt: skip
        lonely = int((~found[-1].known).sum())
        if lonely:
            notes.append(f"{ahead}{lonely} {tissue.noun} have no neighbourhood: no value")
        if near.tied:
            notes.append(f"{ahead}the last neighbour of {near.tied} {tissue.noun} was one of "
                         "several equally far: a radius or rings avoid the choice")  # fmt: skip
    return found, tau, tuple(notes)


def _by(params: NichesParams, tissue: Tissue) -> str:
    kind = kind_of(params, tissue.section)
    if kind == "radius":
        return f"radius {params.radius:g} um"
    return f"{params.rings} rings" if kind == "rings" else "distance"


def _chance(
    found: list[Found], tau: float | None, params: NichesParams, seed: int
) -> Generator[Progress, None, None]:
    for i, f in enumerate(found):
        rng = np.random.default_rng(seed)
        total, second = np.zeros(len(f.tissue.codes)), np.zeros(len(f.tissue.codes))
        for j in range(params.shuffles):
            shares, _ = f.tissue.shuffled(rng).composed(f.near, tau)
            values = diversity.perplexity(shares).astype(np.float64)
            total += values
            second += values**2
            part = (i + (j + 1) / params.shuffles) / len(found)
            yield at(70 + 15 * part, "shuffled labels")
        mean = total / params.shuffles
        spread = np.sqrt(np.maximum(second / params.shuffles - mean**2, 0))
        f.z = diversity.z_of(f.perplexity, mean, spread)
        f.shares_z = f.tissue.against_chance(f.shares, f.near, tau)


def _charts(
    found: list[Found], points: NDArray[Any], codes: NDArray[Any], names: tuple[str, ...],
    params: NichesParams, seed: int,
) -> Generator[Progress, None, list[Chart]]:  # fmt: skip
    yield at(86, "charts")
    types = found[0].tissue.types
    value = params.column if params.of == "cell types" else draw.MAIN
    shares = np.concatenate([f.shares[f.rows] for f in found])
    frequency = overall([f.tissue for f in found])
    charts: list[Chart | None] = [
        draw.composition(shares, codes, names, types, frequency, value),
        sizes("niche sizes", "Size of the niches", draw.NICHES, names, codes),
        draw.colocalisation(
            together.correlation(shares), types, value, name="co-localisation",
            title="Types found in the same neighbourhoods",
            notes=("correlation of the shares over all neighbourhoods; they sum to 1,",
                   "so unrelated frequent types look opposed: see the log-ratios"),
        ),
        draw.colocalisation(
            together.log_ratio(shares), types, value, name="co-localisation, log-ratios",
            title="Types found together (log-ratios)",
            notes=("proportionality of log-ratios: 1 together, 0 unrelated",),
        ),
        draw.shares_by_niche(shares, codes, names, types),
        draw.perplexity_boxes(
            [(name, np.concatenate([f.perplexity[f.rows] for f in found])[codes == i])
             for i, name in enumerate(names)], draw.NICHES,
        ),
    ]  # fmt: skip
    if params.guide and params.way != "leiden":
        charts += yield from _guides(found, points, codes, params, seed)
    return [c for c in charts if c is not None]


def overall(sections: list[Tissue]) -> NDArray[np.float64]:
    """Share of every type over the scopes of all sections."""
    weight = np.array([len(t.spots) for t in sections], dtype=np.float64)
    table = np.stack([t.frequency() for t in sections])
    return np.asarray((table * weight[:, None]).sum(axis=0) / weight.sum())


def _guides(
    found: list[Found], points: NDArray[Any], codes: NDArray[Any], params: NichesParams, seed: int
) -> Generator[Progress, None, list[Chart]]:
    """How stable other numbers of niches, and other neighbourhoods, would be."""
    some = np.arange(len(points))
    if len(some) > GUIDED_MOST:
        some = np.sort(np.random.default_rng(seed).choice(some, GUIDED_MOST, replace=False))
    numbers_tried = tuple(k for k in range(2, 16) if k < len(some) // 5)
    if not numbers_tried:
        return []
    rows = yield from span(
        labelling.guide(points[some], numbers_tried, seed), 87, 96, "other numbers of niches"
    )
    data = {key: numbers(np.array([r[key] for r in rows])) for key in rows[0]}
    charts = [Chart(
        "number of niches", "line", "How many niches?", Axis("niches"), Axis("0 to 1"), data,
        notes=("agreement: adjusted Rand index of k-means from different starts;",
               "choose a number before it falls, with a high silhouette"),
    )]  # fmt: skip
    narrower = _other_widths(found, codes, params, seed)
    return [*charts, *narrower]


def _other_widths(
    found: list[Found], codes: NDArray[Any], params: NichesParams, seed: int
) -> list[Chart]:
    """Agreement of the niches with those of fewer neighbours, less radius or fewer rings."""
    if len(codes) > GUIDED_MOST:
        return []
    kind = kind_of(params, found[0].tissue.section)
    tried, unit = _widths(kind, found, params)
    ari = []
    for width in tried:
        points = []
        for f in found:
            near = _narrowed(kind, f, width, params)
            tau = None if params.weights == "equal" else (
                params.bandwidth**2 or hoods.default_tau(near)
            )  # fmt: skip
            shares, _ = f.tissue.composed(near, tau)
            shares = hoods.smoothed(near, shares, tau, params.smooth)
            shares = np.where(np.isfinite(shares), shares, 0)[f.rows]
            points.append(labelling.prepared(shares, params.compare == "square roots"))
        labels = labelling.k_means(np.concatenate(points), int(codes.max()) + 1, seed)
        ari.append(labelling.agreed(labels, codes))
    what = {"nearest": "neighbours"}.get(kind, kind)
    data = {what: tried, "agreement with these niches": numbers(np.array(ari))}
    return [Chart("neighbours tried", "line", "Do fewer neighbours give the same niches?",
                  Axis(what, unit), Axis("adjusted Rand index"), data)]  # fmt: skip


def _widths(kind: str, found: list[Found], params: NichesParams) -> tuple[list[float], str]:
    """Smaller neighbourhoods to compare with, the Run's own last."""
    if kind == "rings":
        return list(range(1, params.rings + 1)), ""
    parts = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
    if kind == "radius":
        nearest = max(float(np.sqrt(np.median(f.near.first))) for f in found)
        return [r for r in (round(params.radius * s, 1) for s in parts) if r > nearest], "um"
    width = found[0].near.width - found[0].near.own
    return [k for k in dict.fromkeys(round(width * s) for s in parts) if k >= 2], ""


def _narrowed(kind: str, found: Found, width: float, params: NichesParams) -> Near:
    if kind == "nearest":
        return found.near.closest(int(width))
    if kind == "radius":
        return found.near.inside(width)
    fewer = params.model_copy(update={"rings": int(width)})
    return finish(found.tissue.neighbours(fewer, 1))
