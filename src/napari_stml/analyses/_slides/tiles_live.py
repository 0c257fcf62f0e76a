"""Which tiles are good enough, seen before anything is computed on them: thresholds that move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.params import LiveParams, param
from napari_stml.core.results import Result, Table, Tiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

QUALITY = "quality"
"""Column of all tiles: what the usual thresholds say; nothing is left out for it."""

KEPT = "kept"
"""Column of tiles whose thresholds a user kept: those that are not "kept" are not computed on."""


class TilesLiveParams(LiveParams):
    least_tissue: float = param(
        50.0, title="Least tissue", unit="%", ge=0, le=100, step=1,
        help="Tiles with less are left out.",
    )  # fmt: skip
    sharpness: float = param(
        0.3, title="Least sharpness", unit="x median", ge=0, le=1, step=0.02,
        help="Of the slide's median: there is no threshold that holds for all scanners.",
    )  # fmt: skip
    most_pen: float = param(
        10.0, title="Most pen", unit="%", ge=0, le=100, step=1, help="Ink on the glass."
    )
    most_fold: float = param(
        25.0, title="Most folds", unit="%", ge=0, le=100, step=1,
        help="Folds are pixels with much colour and little light; dense nuclei can look like that.",
    )  # fmt: skip
    most_outside: float = param(
        50.0, title="Most outside", unit="%", ge=0, le=100, step=1,
        help="Part of a tile that lies beyond the edge of the slide.",
    )  # fmt: skip


class TilesLive:
    """The Run's tiles under other thresholds; kept, it is a Run whose other tiles are left out."""

    def __init__(self, section: str, tiles: Tiles, settings: Table) -> None:
        self._section, self._tiles, self._settings = section, tiles, settings

    def update(self, params: TilesLiveParams, selection: tuple[str, ...] | None) -> Result:
        values = {k: v for k, v in self._tiles.values.items() if k != QUALITY}
        values[KEPT] = judged(self._tiles.values, params)
        tiles = Tiles(self._tiles.name, self._tiles.xy, self._tiles.side, values, KEPT)
        return Result.of(self._section, tiles, self._settings, shows=tiles.name)

    def readout(self, params: TilesLiveParams) -> Mapping[str, str]:
        return counted(judged(self._tiles.values, params))


def judged(values: Mapping[str, NDArray[Any]], params: TilesLiveParams) -> NDArray[Any]:
    """The first reason to leave each tile out, or "kept"."""
    n = len(values["tissue share"])
    sharp = np.asarray(values.get("sharpness", np.ones(n)), dtype=np.float64)
    on_tissue = sharp[np.asarray(values["tissue share"]) >= 0.5]
    usual = float(np.median(on_tissue)) if len(on_tissue) else 0.0
    verdict = np.full(n, "kept", dtype=object)
    for reason, bad in (
        ("outside the slide", values["outside the slide"] > params.most_outside / 100),
        ("fold", values["fold share"] > params.most_fold / 100),
        ("blurred", sharp < params.sharpness * usual),
        ("pen", values["pen share"] > params.most_pen / 100),
        ("little tissue", values["tissue share"] < params.least_tissue / 100),
    ):
        verdict[np.asarray(bad, dtype=bool)] = reason
    return verdict


def counted(verdict: NDArray[Any]) -> Mapping[str, str]:
    """How many tiles are kept, and how many each reason costs."""
    names, counts = np.unique(verdict.astype(str), return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    said = {"kept": f"{found.pop('kept', 0):,} of {len(verdict):,} tiles"}
    return said | {name: f"{count:,}" for name, count in sorted(found.items())}
