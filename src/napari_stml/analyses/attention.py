"""Where a vision transformer looks: rollout or relevance of its class token, over the slide.

Rollout: Abnar and Zuidema 2020 (arXiv 2005.00928); relevance: Chefer et al. 2021 (arXiv
2103.15679). The scale is shared by all tiles: 1 is a patch that counts as much as any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._slides.attention_live import AttentionLive, AttentionLiveParams
from napari_stml.analyses._slides.encoder_params import (
    EncoderParams,
    encoder_needs,
    encoder_of,
    encoder_picture,
)
from napari_stml.analyses._slides.features import tiles_for
from napari_stml.analyses._slides.slide import settings_table, tiles_part
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.params import param
from napari_stml.core.progress import Progress
from napari_stml.core.results import Heatmap, Result
from napari_stml.slide.heatmap import SlideMap, shared_limits
from napari_stml.slide.looking import Looking, Method, agreement, check_readable
from napari_stml.slide.reading import TileReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._slides.slide import Picture
    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs, SectionInputs
    from napari_stml.core.needs import Need
    from napari_stml.slide.encoders.network import NetworkEncoder
    from napari_stml.slide.grid import TileGrid

ATTENTION = "attention"


class AttentionParams(EncoderParams):
    encoder: str = param(
        "uni", title="Encoder", min_length=1,
        help="A preset that is a transformer (uni, virchow2, phikon, ...) or any of timm's.",
    )  # fmt: skip
    method: Method = param(
        "rollout", title="Method",
        help="Rollout mixes all layers; relevance weighs them by the gradient of the length of "
        "the feature vector; occlusion covers patches and looks how the features change (slow).",
    )  # fmt: skip
    compare: bool = param(
        False, title="Compare on every tile",
        help="Also maps relevance, and the same method with random weights, for the gallery; "
        "takes five times as long.",
    )  # fmt: skip
    layers: int = param(
        0, title="Layers", ge=0, le=200, rare=True,
        help="Rollout up to this layer, or the one layer looked at; 0 takes all, or the last.",
    )  # fmt: skip
    head: int = param(
        -1, title="Head", ge=-1, le=200, rare=True, help="One attention head alone; -1 the mean.",
    )  # fmt: skip
    sinks: bool = param(
        True, title="Leave out sinks",
        help="Patches of very large norm attract attention without meaning; they stay empty.",
    )  # fmt: skip
    batch: int = param(
        16, title="Tiles at once", ge=1, le=1024, rare=True,
        help="More is faster on a GPU and takes more memory.",
    )  # fmt: skip


@register
class Attention:
    """A heatmap of what an encoder attends to; it says nothing of any gene."""

    name = "attention"
    title = "Attention"
    tab = "slide"
    order = 50
    sections = "one"
    context = "inside"
    uses_gpu = True
    Params = AttentionParams
    LiveParams = AttentionLiveParams

    def needs(self, params: AttentionParams) -> Mapping[str, Need]:
        return encoder_needs(params)

    def run(self, inputs: Inputs, params: AttentionParams) -> Steps:
        section = inputs.one
        yield Progress(0, 100, "loading the encoder")
        seen = encoder_picture(section, params)
        encoder, control = encoders_of(params, inputs)
        named: dict[str, tuple[Any, Method]] = {ATTENTION: (encoder, params.method)}
        if params.compare:
            other: Method = "rollout" if params.method == "relevance" else "relevance"
            named[other] = (encoder, other)
            named["control"] = (control, params.method)
        try:
            grid = tiles_to_look_at(section, seen, params, encoder)
            found: dict[str, SlideMap] = {}
            values = {n: np.zeros(len(grid), np.float32) for n in ("strongest patch", "sinks")}
            if params.compare:
                values["agreement with relevance"] = np.full(len(grid), np.nan, np.float32)
            done = 0
            reader = TileReader(seen.slide, grid, look=seen.look)
            for batch in reader.batches(params.batch, threads=max(1, inputs.threads)):
                maps, sinks = _maps(named, batch.pixels, params)
                first = maps[ATTENTION]
                values["strongest patch"][batch.index] = np.nanmax(first, axis=(1, 2))
                values["sinks"][batch.index] = sinks.sum(axis=(1, 2))
                if params.compare:
                    values["agreement with relevance"][batch.index] = [
                        agreement(a, b) for a, b in zip(first, maps[other], strict=True)
                    ]
                for name, each in maps.items():
                    if name not in found:
                        found[name] = SlideMap.over(grid, each.shape[-1])
                    found[name].add(grid.xy[batch.index], each)
                done += len(first)
                yield Progress(round(99 * done / len(grid)), 100, f"{done} of {len(grid)} tiles")
            preset, weights = encoder.preset, encoder.weights
        finally:
            encoder.release()
            if control is not None:
                control.release()
        said = settings_table(
            encoder=preset.name, weights=weights, method=params.method,
            layers=params.layers or "all", head="mean" if params.head < 0 else params.head,
            control=params.control, slide=seen.slide.key, pixels=grid.pixels,
            um_per_pixel=repr(grid.um_per_px),
        )  # fmt: skip
        shown = [
            Heatmap(name, each.pixels, seen.affine @ each.affine, "x mean",
                    limits=shared_limits(each.pixels))
            for name, each in found.items()
        ]  # fmt: skip
        notes = [*seen.notes, *_notes(params, preset.name, len(grid), values)]
        return Result.of(
            section.section, *shown, tiles_part(grid, seen, values, "attention tiles"), said,
            shows=ATTENTION, notes=tuple(notes),
        )  # fmt: skip

    def live(self, result: Result, inputs: Inputs, params: AttentionParams) -> AttentionLive:
        section = inputs.one
        seen = encoder_picture(section, params)
        encoder, control = encoders_of(params.model_copy(update={"compare": True}), inputs)
        grid = tiles_to_look_at(section, seen, params, encoder)
        heatmap = result.part(ATTENTION, section.section)
        assert isinstance(heatmap, Heatmap)
        return AttentionLive(section.section, seen, grid, heatmap, encoder, control)


def encoders_of(
    params: AttentionParams, inputs: Inputs
) -> tuple[NetworkEncoder, NetworkEncoder | None]:
    """The encoder, and the one with drawn weights where both are compared."""
    from napari_stml.models.attention import randomised
    from napari_stml.slide.encoders.network import preset_of
    from napari_stml.slide.encoders.weights import find_weights

    known = params.weights or params.download or find_weights(preset_of(params.encoder).name)
    encoder = encoder_of(
        params, output="default", device=inputs.device, seed=inputs.seed,
        drawn=params.control and not known,
    )  # fmt: skip
    layers = check_readable(encoder, params.head)
    if params.layers > layers:
        raise StmlError(f"This encoder has {layers} layers", where="layers", do="choose fewer")
    if not (params.control or params.compare):
        return encoder, None
    from dataclasses import replace

    drawn = randomised(encoder.model.cpu(), inputs.seed + params.control)
    encoder.model = encoder.model.to(encoder.device)
    control: NetworkEncoder = replace(encoder, model=drawn)
    if params.control:
        encoder.model = randomised(drawn, inputs.seed).to(encoder.device)
    return encoder, control if params.compare else None


def tiles_to_look_at(
    section: SectionInputs, seen: Picture, params: AttentionParams, encoder: NetworkEncoder
) -> TileGrid:
    """The tiles of the Run, of the size that the encoder takes."""
    preset = encoder.preset
    um = max(preset.um_per_px, seen.scale.mean)
    grid, _ = tiles_for(section, seen, params.tiles, pixels=preset.pixels, um_per_px=um)
    if grid.pixels != preset.pixels:
        raise StmlError(
            f"'{preset.name}' takes tiles of {preset.pixels} px; these have {grid.pixels}",
            where=params.tiles, do=f"make tiles of {preset.pixels} px",
        )  # fmt: skip
    return grid


def _maps(
    named: Mapping[str, tuple[Any, Method]], tiles: NDArray[np.uint8], params: AttentionParams
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_]]:
    """Maps by name, sinks empty where they are left out, and the sinks of the encoder."""
    heads: Any = "mean" if params.head < 0 else params.head
    looks: dict[int, Looking] = {}
    maps = {}
    # relevance first: its pass gives the weights as well
    for name, (encoder, method) in sorted(named.items(), key=lambda n: n[1][1] != "relevance"):
        look = looks.setdefault(id(encoder), Looking(encoder, tiles, heads))
        each = look.maps(method, layers=params.layers, head=params.head)
        maps[name] = np.where(look.sinks(), np.float32(np.nan), each) if params.sinks else each
    first = looks[id(named[ATTENTION][0])]
    return {name: maps[name] for name in named}, first.sinks()


def _notes(
    params: AttentionParams, encoder: str, tiles: int, values: Mapping[str, NDArray[Any]]
) -> list[str]:
    notes = [f"{params.method} of {encoder} on {tiles} tiles; 1 is a patch that counts as any "
             "other; the map is not about any gene"]  # fmt: skip
    sinks = int(values["sinks"].sum())
    if sinks:
        what = "left empty" if params.sinks else "kept"
        notes.append(f"{sinks} patches of very large norm (sinks) were {what}")
    if params.compare:
        middle = float(np.nanmedian(values["agreement with relevance"]))
        notes.append(f"median rank agreement of {params.method} and relevance: {middle:.2f}")
    if params.control:
        notes.append("CONTROL with random weights: it shows nothing that was learned")
    return notes
