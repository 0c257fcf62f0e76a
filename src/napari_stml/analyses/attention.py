"""Where a vision transformer looks: rollout or relevance of its class token, over the slide.

Rollout: Abnar and Zuidema 2020 (arXiv 2005.00928); relevance: Chefer et al. 2021 (arXiv
2103.15679). The scale is shared by all tiles: 1 is a patch that counts as much as any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._features import tiles_for
from napari_stml.analyses._slide import picture, settings_table
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import File, Pixels, Stored
from napari_stml.core.params import Params, param
from napari_stml.core.progress import Progress
from napari_stml.core.results import Heatmap, Result
from napari_stml.slide.heatmap import SlideMap
from napari_stml.slide.reading import TileReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.slide.encoders.network import NetworkEncoder


class AttentionParams(Params):
    tiles: str = param(
        "", title="Tiles", source="run",
        help="A Run of 'Tiles'; empty takes a tile around every spot, or a grid on the tissue.",
    )  # fmt: skip
    encoder: str = param(
        "uni", title="Encoder", min_length=1,
        help="A preset that is a transformer (uni, virchow2, phikon, ...) or any of timm's.",
    )  # fmt: skip
    weights: str = param(
        "", title="Weights", source="file",
        help="A file of weights; empty looks into the weights folder.",
    )  # fmt: skip
    method: Literal["rollout", "last layer", "relevance"] = param(
        "rollout", title="Method",
        help="Rollout mixes all layers; relevance weighs them by the gradient of the length of "
        "the feature vector.",
    )  # fmt: skip
    layers: int = param(
        0, title="Layers", ge=0, le=200, rare=True,
        help="Rollout up to this layer; 0 takes all.",
    )  # fmt: skip
    head: int = param(
        -1, title="Head", ge=-1, le=200, rare=True, help="One attention head alone; -1 the mean.",
    )  # fmt: skip
    sinks: bool = param(
        True, title="Leave out sinks",
        help="Patches of very large norm attract attention without meaning; they stay empty.",
    )  # fmt: skip
    control: bool = param(
        False, title="Randomised control",
        help="Draws the weights anew. A map that looks the same shows the picture, not what the "
        "encoder has learned.",
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
    Params = AttentionParams

    def needs(self, params: AttentionParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"pixels": Pixels()}
        if params.tiles:
            wanted["tiles"] = Stored(params.tiles, "tiles")
            wanted["settings"] = Stored(params.tiles, "tile settings")
        if params.weights:
            wanted["weights"] = File(params.weights)
        return wanted

    def run(self, inputs: Inputs, params: AttentionParams) -> Steps:
        from napari_stml.models.attention import randomised
        from napari_stml.slide.encoders.network import RANDOM, network_encoder, preset_of
        from napari_stml.slide.encoders.weights import find_weights

        section = inputs.one
        yield Progress(0, 100, "loading the encoder")
        seen = picture(section)
        weights = params.weights or find_weights(preset_of(params.encoder).name) or ""
        encoder = network_encoder(
            params.encoder, weights or (RANDOM if params.control else ""), output="default",
            device=inputs.device, batch=params.batch, seed=inputs.seed,
        )  # fmt: skip
        preset = encoder.preset
        try:
            _readable(encoder, params)
            if params.control:
                encoder.model = randomised(encoder.model.cpu(), inputs.seed).to(encoder.device)
            um = max(preset.um_per_px, seen.scale.mean)
            grid, _ = tiles_for(section, seen, params.tiles, pixels=preset.pixels, um_per_px=um)
            if grid.pixels != preset.pixels:
                raise StmlError(
                    f"'{preset.name}' takes tiles of {preset.pixels} px; these have {grid.pixels}",
                    where=params.tiles, do=f"make tiles of {preset.pixels} px",
                )  # fmt: skip
            found: SlideMap | None = None
            sinks = done = 0
            reader = TileReader(seen.slide, grid, look=seen.look)
            for batch in reader.batches(params.batch, threads=max(1, inputs.threads)):
                maps, flagged = tile_maps(
                    encoder, batch.pixels, params.method, layers=params.layers, head=params.head
                )
                sinks += int(flagged.sum())
                if params.sinks:
                    maps = np.where(flagged, np.float32(np.nan), maps)
                found = found or SlideMap.over(grid, maps.shape[-1])
                found.add(grid.xy[batch.index], maps)
                done += len(maps)
                yield Progress(round(99 * done / len(grid)), 100, f"{done} of {len(grid)} tiles")
        finally:
            encoder.release()
        assert found is not None
        notes = [*seen.notes, f"{params.method} of {preset.name} on {len(grid)} tiles; 1 is "
                 "a patch that counts as any other; the map is not about any gene"]  # fmt: skip
        if sinks:
            what = "left empty" if params.sinks else "kept"
            notes.append(f"{sinks} patches of very large norm (sinks) were {what}")
        if params.control:
            notes.append("CONTROL with random weights: it shows nothing that was learned")
        said = settings_table(
            encoder=preset.name, weights=encoder.weights, method=params.method,
            layers=params.layers or "all", head="mean" if params.head < 0 else params.head,
            control=params.control, slide=seen.slide.key,
        )  # fmt: skip
        heatmap = Heatmap("attention", found.pixels, seen.affine @ found.affine, "x mean")
        return Result.of(section.section, heatmap, said, shows="attention", notes=tuple(notes))


def tile_maps(
    encoder: NetworkEncoder, tiles: NDArray[np.uint8], method: str = "rollout", *,
    layers: int = 0, head: int = -1,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:  # fmt: skip
    """Maps (n, rows, columns) relative to equal attention, and which patches are sinks."""
    import torch

    from napari_stml.models import attention as attend
    from napari_stml.models import rollout as roll

    images = encoder.tensor(tiles)
    grid = attend.patch_grid(encoder.model, images)
    prefix = attend.prefix_tokens(encoder.model)
    heads: Any = "mean" if head < 0 else head
    with torch.inference_mode(), attend.recorded(encoder.model, heads) as weights:
        tokens = encoder.model.forward_features(images)
    start = _pooling(encoder, tokens.shape[1], prefix).to(tokens.device)
    if method == "last layer":
        row = (start @ weights[-1][:, 0].float()).reshape(len(tiles), -1)
    elif method == "rollout":
        row = roll.rollout_row([w.float() for w in weights], start, layer=layers or None)
    else:
        row = attend.relevance_rows(
            as_module(encoder), images, lambda f: f.float().square().sum(dim=1) / 2, start
        ).float()
    maps = roll.relative(roll.on_grid(row, grid, prefix))
    norms = tokens[:, prefix:].float().norm(dim=-1)
    sinks = roll.on_grid(roll.outliers(norms), grid, 0)
    return maps.detach().cpu().numpy().astype(np.float32), sinks.cpu().numpy()


def _pooling(encoder: NetworkEncoder, tokens: int, prefix: int) -> Any:
    """What the encoder's own output looks at: class token, mean of the patches, or half each."""
    import torch

    start = torch.zeros(tokens)
    share = {"class": (1.0, 0.0), "mean": (0.0, 1.0)}.get(encoder.output, (0.5, 0.5))
    if prefix == 0:
        share = (0.0, 1.0)
    start[prefix:] = share[1] / (tokens - prefix)
    if prefix:
        start[0] = share[0]
    return start


def as_module(encoder: NetworkEncoder) -> Any:
    """The encoder's features as a module, for the gradient to run through."""
    import torch

    class Features(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = encoder.model

        def forward(self, images: Any) -> Any:
            return encoder.features(images)

    return Features()


def _readable(encoder: NetworkEncoder, params: AttentionParams) -> None:
    from napari_stml.models.attention import attention_modules

    try:
        modules: list[Any] = attention_modules(encoder.model)
    except ValueError as error:
        raise StmlError(
            f"The attention of '{encoder.preset.name}' cannot be shown: {error}", where="encoder",
            do="choose a plain vision transformer (uni, virchow2, phikon, vit_small_patch16_224)",
        ) from error  # fmt: skip
    if params.head >= modules[0].num_heads:
        raise StmlError(
            f"There is no head {params.head}: this encoder has {modules[0].num_heads}",
            where="head", do=f"choose 0 to {modules[0].num_heads - 1}",
        )  # fmt: skip
