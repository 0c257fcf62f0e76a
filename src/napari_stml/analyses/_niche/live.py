"""Neighbourhoods that follow their sliders, and what is selected against the rest."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._niche import charts as draw
from napari_stml.analyses._niche.parts import BANDWIDTH, COMPOSITION
from napari_stml.analyses._niche.selected import Selected
from napari_stml.analyses._niche.tissue import kind_of, tissues
from napari_stml.analyses._shared.threads import limits
from napari_stml.core.errors import StmlError
from napari_stml.core.params import LiveParams, param
from napari_stml.core.results import SHARED, Labels, Result, Table, Values
from napari_stml.methods.clusters import naming
from napari_stml.methods.niches import diversity, hoods, labelling
from napari_stml.methods.niches.near import finish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._niche.params import NichesParams
    from napari_stml.core.inputs import Inputs
    from napari_stml.methods.niches.hoods import FloatArray
    from napari_stml.methods.niches.near import Near

SAMPLE = 20_000
"""Centres of another number of niches are looked for in as many neighbourhoods."""
ROUNDS = 12
WIDEST = 100
"""Neighbours kept ready for the slider; more are looked up when it goes there."""


class NichesLive(LiveParams):
    show: Literal["niches", "perplexity", "evenness", "share of a type", "z of a type"] = param(
        "niches",
        title="Show",
        help="What is painted on the tissue. z: a share against labels shuffled over the fixed "
        "places, exact.",
    )
    type: str = param(
        "", title="Type", source="part_column", holds=COMPOSITION,
        when={"show": ("share of a type", "z of a type")},
        help="Its share in the neighbourhood of every cell or spot; none is the most frequent.",
    )  # fmt: skip
    niches: int = param(
        8, title="Number of niches", help="Grouping of neighbourhoods that are alike.",
        ge=2, le=30, step=1, when={"show": "niches"},
    )  # fmt: skip
    k: int = param(
        100, title="Nearest", unit="cells", help="How many nearest cells are looked at.",
        ge=2, le=300, step=1, when={"around": ("automatic", "nearest")},
    )  # fmt: skip
    radius: float = param(
        150.0, title="Radius", unit="um", help="All cells or spots within this distance.",
        ge=5, le=1000, log=True, when={"around": "radius"},
    )  # fmt: skip
    rings: int = param(
        2, title="Rings", help="Steps on the array.", ge=1, le=8, step=1,
        when={"around": ("automatic", "rings")},
    )  # fmt: skip
    cell: tuple[float, ...] = param(
        (), title="One cell", source="place",
        help="Click a cell or spot: its neighbours, their weights and its shares appear.",
    )  # fmt: skip
    against: tuple[str, ...] = param(
        (), title="Compare with", source="selection",
        help="What a selection is compared with: the rest, or another region or niche. Select "
        "that first, hold it, then select what is to be compared.",
    )  # fmt: skip
    bandwidth_factor: float = param(
        1.0, title="Bandwidth x", ge=0.1, le=10, log=True, when={"weights": "falling"},
        help="Times the Run's bandwidth: the distance at which a neighbour's weight has fallen to "
        "37 %. Below it stands what that is in um, and how many neighbours then count.",
    )  # fmt: skip


class NicheLive:
    """One Run's section; niches keep number and colour as far as they keep their cells."""

    def __init__(self, result: Result, inputs: Inputs, params: NichesParams) -> None:
        self._params, self._seed, self._threads = params, inputs.seed, inputs.threads
        self._limit = limits(inputs.threads)
        looked_at = inputs.sections[:1]
        (self._tissue,) = tissues(looked_at, params)
        self._kind = kind_of(params, self._tissue.section)
        self._near = self._neighbours(max(params.k, 2), params.radius, params.rings)
        self._reach = (max(params.k, 2), params.radius, params.rings)
        self._tau = self._own_tau(result)
        base = _part(result, draw.NICHES, self._tissue.name)
        if isinstance(base, Labels):
            self._base, self._names = np.asarray(base.codes), base.categories
        else:  # a kept position of another value: the scope, in one piece
            inside = self._tissue.section.inside & ~hoods.alone(self._near, self._tau)
            self._base, self._names = np.where(inside, 0, -1).astype(np.int32), ("1",)
        self._rows = np.flatnonzero(self._base >= 0)
        self._hoods: hoods.Hoods | None = None
        self._centres: dict[int, NDArray[np.float32]] = {}
        self._last: tuple[tuple[Any, ...], FloatArray] | None = None

    def _own_tau(self, result: Result) -> float | None:
        """The Run's bandwidth, which sections may share; found anew for a kept position."""
        if self._params.weights == "equal":
            return None
        table = _part(result, BANDWIDTH, SHARED)
        if isinstance(table, Table):
            return float(table.columns["bandwidth"][0]) ** 2
        near = self._near
        if self._kind == "nearest":
            near = near.closest(self._params.k)
        return self._params.bandwidth**2 or hoods.default_tau(near)

    @cached_property
    def _selected(self) -> Selected:
        return Selected(self._tissue, self._params)

    def update(self, params: NichesLive, selection: tuple[str, ...] | None) -> Result:
        shares = self._shares(params)
        charts: list[Any] = []
        if params.show == "niches":
            codes = self._codes(shares, params)
            everywhere = np.full(len(self._base), -1, dtype=np.int32)
            everywhere[self._rows] = codes
            names = tuple(str(i + 1) for i in range(int(codes.max()) + 1))
            part: Labels | Values = Labels(draw.NICHES, everywhere, names)
            if not selection:
                charts = [draw.composition(
                    shares[self._rows], codes, names, self._tissue.types,
                    self._tissue.frequency(), self._selected.value,
                )]  # fmt: skip
        else:
            values = np.full(len(self._base), np.nan, dtype=np.float32)
            name, shown = self._values(shares, params)
            values[self._rows] = shown[self._rows]
            diverging = params.show == "z of a type"
            part = Values(name, values, scale="diverging" if diverging else "sequential")
        if selection or len(params.cell) == 2:
            charts = []
        if len(params.cell) == 2:
            i = self._selected.at(params.cell)
            charts += self._selected.one(i, shares, self._near_at(params), self._tau_at(params))
        if selection:
            charts += self._selected.charts(selection, shares, self._rows, self._near_at(params),
                                           self._tau_at(params), params.against)  # fmt: skip
        return Result.of(self._tissue.name, part, *charts, shows=part.name)

    def readout(self, params: NichesLive) -> Mapping[str, str]:
        near, tau = self._near_at(params), self._tau_at(params)
        said = {}
        if tau is not None:
            said["bandwidth"] = f"{np.sqrt(tau):.3g} {self._tissue.unit}"
        said["neighbours that count"] = f"{hoods.effective_number(near, tau):.1f}"
        values = diversity.perplexity(self._shares(params)[self._rows])
        said["median perplexity"] = f"{float(np.nanmedian(values)):.2f}"
        return said

    def _values(self, shares: FloatArray, params: NichesLive) -> tuple[str, FloatArray]:
        """What is painted instead of niches, and its name."""
        if params.show == "perplexity":
            return params.show, diversity.perplexity(shares)
        if params.show == "evenness":
            return params.show, diversity.evenness(shares)
        types = self._tissue.types
        if params.type and params.type not in types:
            raise StmlError(
                f"There is no type {params.type}", where="Type", do=f"choose of {', '.join(types)}"
            )
        column = types.index(params.type) if params.type else int(np.nanargmax(
            np.nanmean(shares[self._rows], axis=0)
        ))  # fmt: skip
        if params.show == "z of a type":
            near, tau = self._near_at(params), self._tau_at(params)
            z = self._tissue.against_chance(shares, near, tau)
            return f"z of {types[column]}", z[:, column]
        return f"share of {types[column]}", shares[:, column]

    def _tau_at(self, params: NichesLive) -> float | None:
        return None if self._tau is None else self._tau * params.bandwidth_factor**2

    def _neighbours(self, k: int, radius: float, rings: int) -> Near:
        own = self._tissue.spots.section
        most = max(2, len(own.names) - 1)
        changed = self._params.model_copy(
            update={"k": min(max(k, min(WIDEST, most)), most), "radius": radius, "rings": rings}
        )
        return finish(self._tissue.neighbours(changed, self._threads))

    def _near_at(self, params: NichesLive) -> Near:
        """The neighbours at the sliders, cut from those that are kept."""
        self._widen(params)
        if self._kind == "nearest":
            window = self._params.weights == "equal" and self._near.own
            return self._near.closest(params.k - window)
        return self._near.inside(params.radius) if self._kind == "radius" else self._near

    def _widen(self, params: NichesLive) -> None:
        k, radius, rings = self._reach
        wanted = {
            "nearest": params.k > max(k, WIDEST), "radius": params.radius > radius,
            "rings": params.rings != rings,
        }[self._kind]  # fmt: skip
        if wanted:
            self._reach = (params.k, params.radius, params.rings)
            self._near = self._neighbours(*self._reach)
            self._hoods = self._last = None

    def _shares(self, params: NichesLive) -> FloatArray:
        tau = self._tau_at(params)
        place = (params.k, params.radius, params.rings, tau)
        if self._last is not None and self._last[0] == place:
            return self._last[1]
        self._widen(params)
        if self._tissue.shares is not None or tau is None:
            shares, _ = self._tissue.composed(self._near_at(params), tau)
        else:
            if self._hoods is None:
                self._hoods = hoods.Hoods(self._near, self._tissue.codes, len(self._tissue.types))
            shares = self._hoods.at(
                tau, k=params.k if self._kind == "nearest" else 0,
                radius=params.radius if self._kind == "radius" else 0.0,
            )  # fmt: skip
        self._last = (place, shares)
        return shares

    def _codes(self, shares: FloatArray, params: NichesLive) -> NDArray[np.int32]:
        """Niches at the sliders: from known centres in a few rounds, in step with the Run's."""
        root = self._params.compare == "square roots"
        if self._params.smooth:
            near, tau = self._near_at(params), self._tau_at(params)
            shares = hoods.smoothed(near, shares, tau, self._params.smooth)
        points = np.nan_to_num(shares[self._rows])
        points = np.sqrt(points) if root else points
        points = np.ascontiguousarray(points, dtype=np.float32)
        number = params.niches
        if number not in self._centres:
            self._centres[number] = self._first_centres(points, number)
        codes = labelling.settled(points, self._centres[number], ROUNDS)
        own = self._base[self._rows]
        return codes if number == len(self._names) else naming.in_step(codes, own)

    def _first_centres(self, points: NDArray[np.float32], number: int) -> NDArray[np.float32]:
        own = self._base[self._rows]
        if number == len(self._names):
            return labelling.centres(points, own, number)
        some = np.arange(len(points))
        if len(some) > SAMPLE:
            some = np.random.default_rng(self._seed).choice(some, SAMPLE, replace=False)
        with self._limit():
            codes = labelling.k_means(
                points[some].astype(np.float64), min(number, len(some)), self._seed
            )
        return labelling.centres(points[some], codes, int(codes.max()) + 1)


def _part(result: Result, name: str, section: str) -> Any:
    """A part of a Run, or None: a kept position has only what was painted."""
    try:
        return result.part(name, section)
    except KeyError:
        return None
