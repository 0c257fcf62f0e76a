"""Tissue like this: how similar every place looks to one place, or to a region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.core.params import LiveParams, param
from napari_stml.core.results import Labels, Result, Tiles, Values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_stml.core.inputs import Region, SectionInputs

DIRECTIONS = 30
LIKENESS = "likeness"


@dataclass(frozen=True)
class Places:
    """Places with features: observations or tiles, at their main directions.

    ``rows`` are their rows among all ``count`` places, ``xy`` their centres (reference pixels),
    ``reach`` how far from a centre a click still means the place.
    """

    points: NDArray[np.float64]
    rows: NDArray[np.intp]
    xy: NDArray[np.float64]
    count: int
    reach: float

    @property
    def unit(self) -> NDArray[np.float64]:
        length = np.maximum(np.linalg.norm(self.points, axis=1, keepdims=True), 1e-12)
        return np.asarray(self.points / length, dtype=np.float64)

    def at(self, xy: tuple[float, ...]) -> int:
        """The place of a click, -1 where none is."""
        away = np.hypot(*(self.xy - np.asarray(xy)).T)
        nearest = int(away.argmin())
        return nearest if away[nearest] <= self.reach else -1

    def inside(self, regions: Sequence[Region]) -> NDArray[np.intp]:
        """Places whose centre lies in one of the regions."""
        import shapely

        area = shapely.union_all(shapely.from_wkb([r.outline for r in regions]))
        shapely.prepare(area)
        return np.flatnonzero(shapely.intersects_xy(area, self.xy[:, 0], self.xy[:, 1]))

    def likeness(self, of: NDArray[np.intp]) -> NDArray[np.float32]:
        """Cosine of every place with the mean direction of some, NaN where no features are."""
        unit = self.unit
        middle = unit[of].mean(axis=0)
        middle /= max(float(np.linalg.norm(middle)), 1e-12)
        everywhere = np.full(self.count, np.nan, dtype=np.float32)
        everywhere[self.rows] = unit @ middle
        return everywhere


def places(section: SectionInputs, part: Any, values: NDArray[np.float32]) -> Places:
    """Those places of the scope that have features."""
    known = np.isfinite(values).all(axis=1)
    if isinstance(part, Tiles):
        xy, reach = part.xy + part.side / 2, part.side * 0.71
    else:
        known &= section.inside
        xy, reach = section.xy, _spacing(section.xy)
    rows = np.flatnonzero(known)
    if len(rows) < 3:
        raise StmlError(
            f"Only {len(rows)} places of the scope have features", where=section.section,
            do="choose a wider scope",
        )  # fmt: skip
    return Places(directions(values[rows]), rows, np.asarray(xy)[rows], len(values), reach)


def directions(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Principal components of standardised features; equal inputs give equal bits."""
    x = values.astype(np.float64)
    x -= x.mean(axis=0)
    spread = x.std(axis=0)
    x = x[:, spread > 1e-9] / spread[spread > 1e-9]
    if not x.shape[1]:
        raise StmlError("All places have the same features", do="check the features")
    _, axes = np.linalg.eigh(x.T @ x)
    axes = axes[:, ::-1][:, : min(DIRECTIONS, *x.shape)]
    axes = axes * np.where(np.abs(axes).max(axis=0) == axes.max(axis=0), 1.0, -1.0)
    return np.asarray(x @ axes, dtype=np.float64)


def _spacing(xy: NDArray[np.float64]) -> float:
    from scipy.spatial import cKDTree

    if len(xy) < 2:
        return float("inf")
    return float(np.median(cKDTree(xy).query(xy, k=2)[0][:, 1]))


class LikenessParams(LiveParams):
    place: tuple[float, ...] = param(
        (), title="Tissue like", source="place", max_length=2,
        help="Click on the tissue: every place is coloured by how alike it looks.",
    )  # fmt: skip
    closest: float = param(
        100.0, title="Only the closest", unit="%", gt=0, le=100, step=1,
        help="Of all places; the others are left empty.",
    )  # fmt: skip


class LikenessLive:
    """The groups of a Run; after a click, the likeness of every place with that one."""

    def __init__(self, section: SectionInputs, part: Any, values: Any, groups: Any) -> None:
        self._section, self._part, self._groups = section, part, groups
        self._places = places(section, part, values)

    def update(self, params: LikenessParams, selection: tuple[str, ...] | None) -> Result:
        if len(params.place) != 2:
            return Result.of(self._section.section, self._groups, shows=self._groups.name)
        at = self._at(params)
        values = self._places.likeness(np.array([at]))
        known = values[np.isfinite(values)]
        least = np.percentile(known, 100 - params.closest) if params.closest < 100 else -np.inf
        values = np.where(values >= least, values, np.float32(np.nan))
        return Result.of(self._section.section, likeness_part(self._part, values), shows=LIKENESS)

    def readout(self, params: LikenessParams) -> Mapping[str, str]:
        if len(params.place) != 2:
            return {}
        at = self._at(params)
        row = int(self._places.rows[at])
        tiles = isinstance(self._part, Tiles)
        near = np.sort(self._places.likeness(np.array([at]))[self._places.rows])[::-1][1:11]
        return {
            "like": f"tile {row}" if tiles else str(self._section.names[row]),
            "ten closest": f"cosine {near[-1]:.2f} to {near[0]:.2f}",
        }

    def _at(self, params: LikenessParams) -> int:
        at = self._places.at(params.place)
        if at < 0:
            raise StmlError("There are no features at this place", do="click on a spot or a tile "
                            "that the features were made of")  # fmt: skip
        return at


def likeness_part(part: Any, values: NDArray[np.float32]) -> Values | Tiles:
    """Likeness of observations, or tiles coloured by it."""
    if isinstance(part, Tiles):
        keep = np.isfinite(values)
        return Tiles(LIKENESS, part.xy[keep], part.side, {LIKENESS: values[keep]}, LIKENESS)
    return Values(LIKENESS, values)


def groups_part(part: Any, codes: NDArray[np.int32], names: tuple[str, ...]) -> Labels | Tiles:
    """Groups of observations, or tiles coloured by their group (from 1; 0 has no features)."""
    if isinstance(part, Tiles):
        return Tiles("look groups", part.xy, part.side, {"cluster": codes + 1}, "cluster")
    return Labels("look groups", codes, names)
