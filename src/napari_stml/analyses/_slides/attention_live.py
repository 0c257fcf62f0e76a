"""One tile at a time, where the user clicks: method, layer, head and threshold follow at once."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._slides.slide import tiles_part
from napari_stml.core.params import LiveParams, param
from napari_stml.core.results import Heatmap, Result
from napari_stml.slide.grid import centred_on
from napari_stml.slide.heatmap import SlideMap
from napari_stml.slide.looking import Looking, Method, agreement
from napari_stml.slide.reading import TileReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._slides.slide import Picture
    from napari_stml.slide.encoders.network import NetworkEncoder
    from napari_stml.slide.grid import TileGrid

REMEMBERED = 4
"""Tiles whose weights of all layers and heads are kept."""


class AttentionLiveParams(LiveParams):
    place: tuple[float, ...] = param(
        (), title="Place", source="place", max_length=2,
        help="Click on the tissue: the tile there is shown by itself; none shows the slide.",
    )  # fmt: skip
    method: Method = param("rollout", title="Method", help="Of the tile that was clicked.")
    layers: int = param(
        0, title="Layers", ge=0, le=48, help="Rollout up to here, or the layer; 0 is all, or last."
    )
    head: int = param(-1, title="Head", ge=-1, le=31, help="One head alone; -1 the mean.")
    threshold: float = param(
        0.0, title="Hide below", unit="x mean", ge=0, le=4, step=0.05,
        help="Patches that count less are left out.",
    )  # fmt: skip
    control: bool = param(
        False, title="Randomised control", help="The same tile under drawn weights."
    )


class AttentionLive:
    """The stored map above a threshold, or the map of one tile under any method and head."""

    def __init__(
        self, section: str, seen: Picture, grid: TileGrid, heatmap: Heatmap,
        encoder: NetworkEncoder, control: NetworkEncoder | None,
    ) -> None:  # fmt: skip
        from napari_stml.models.attention import attention_modules

        self._section, self._seen, self._grid, self._heatmap = section, seen, grid, heatmap
        self._encoders = (encoder, control or encoder)
        self._looks: OrderedDict[tuple[int, int, bool], Looking] = OrderedDict()
        modules: list[Any] = attention_modules(encoder.model)
        self._depth, self._heads = len(modules), int(modules[0].num_heads)
        self._said: dict[str, Mapping[str, str]] = {}

    def update(self, params: AttentionLiveParams, selection: tuple[str, ...] | None) -> Result:
        if len(params.place) != 2:
            pixels = self._above(self._heatmap.pixels, params.threshold)
            shown = Heatmap(self._heatmap.name, pixels, self._heatmap.affine, "x mean",
                            limits=self._heatmap.limits)  # fmt: skip
            share = np.isfinite(pixels).sum() / max(int(np.isfinite(self._heatmap.pixels).sum()), 1)
            self._said = {params.canonical(): {"shown": f"{share:.0%} of the patches"}}
            return Result.of(self._section, shown, shows=shown.name)
        tile = self._tile(params.place)
        look = self._look(tile, params.control)
        maps = look.maps(params.method, layers=min(params.layers, self._depth),
                         head=min(params.head, self._heads - 1))[0]  # fmt: skip
        sinks = look.sinks()[0]
        self._said = {params.canonical(): self._words(params, look, maps, sinks)}
        raster = SlideMap.over(tile, maps.shape[-1])
        raster.patch, raster.exact = tile.side / maps.shape[-1], tuple(tile.xy[0].tolist())
        raster.add(tile.xy, np.where(sinks, np.float32(np.nan), maps)[None])
        shown = Heatmap(
            "tile", self._above(raster.pixels, params.threshold), self._seen.affine @ raster.affine,
            "x mean", limits=self._heatmap.limits,
        )  # fmt: skip
        return Result.of(
            self._section, shown, tiles_part(tile, self._seen, {}, "looked at"), shows="tile"
        )

    def readout(self, params: AttentionLiveParams) -> Mapping[str, str]:
        return self._said.get(params.canonical(), {})

    def _tile(self, place: tuple[float, ...]) -> TileGrid:
        """The Run's tile at a place (reference pixels), else a new one around it."""
        xy = self._seen.on_slide(np.array([place]))
        away = np.abs(self._grid.centres - xy).max(axis=1)
        nearest = int(away.argmin())
        if away[nearest] <= self._grid.side / 2:
            return self._grid.only(np.array([nearest]))
        return centred_on(xy, self._seen.canvas, self._grid.pixels, self._grid.um_per_px,
                          upsample=True)  # fmt: skip

    def _look(self, tile: TileGrid, control: bool) -> Looking:
        x, y = tile.xy[0].tolist()
        key = (x, y, control)
        if key not in self._looks:
            pixels = TileReader(self._seen.slide, tile, look=self._seen.look).tile(0)
            self._looks[key] = Looking(self._encoders[control], pixels[None])
            while len(self._looks) > REMEMBERED:
                self._looks.popitem(last=False)
        self._looks.move_to_end(key)
        return self._looks[key]

    @staticmethod
    def _above(pixels: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
        return np.asarray(np.where(pixels >= threshold, pixels, np.nan), dtype=np.float32)

    def _words(
        self, params: AttentionLiveParams, look: Looking, maps: NDArray[np.float32],
        sinks: NDArray[np.bool_],
    ) -> Mapping[str, str]:  # fmt: skip
        """Numbers that say how much a map says."""
        head = min(params.head, self._heads - 1)
        whole = params.method in {"relevance", "occlusion"} or head < 0
        where = (f"{min(params.layers, self._depth) or self._depth} of {self._depth}",
                 "all" if whole else f"{head} of {self._heads}")  # fmt: skip
        falling = np.sort(maps.ravel())[::-1]
        half = int(np.searchsorted(np.cumsum(falling), falling.sum() / 2)) + 1
        said = {
            "layer, head": f"{where[0]}, {where[1]}",
            "strongest patch": f"{float(maps.max()):.2f} x mean",
            "half of it lies on": f"{half} of {maps.size} patches",
        }
        if sinks.any():
            said["sinks, left empty"] = str(int(sinks.sum()))
        if params.method == "occlusion":
            rollout = look.maps("rollout")[0]
            said["rank agreement with rollout"] = f"{agreement(rollout, maps):.2f}"
        if params.control:
            said["CONTROL"] = "weights drawn at random"
        return said
