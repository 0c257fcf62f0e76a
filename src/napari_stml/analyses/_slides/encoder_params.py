"""What every analysis that runs an encoder over tiles asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_stml.analyses._slides.slide import picture, read_settings
from napari_stml.core.needs import File, Pixels, Stored
from napari_stml.core.params import Params, param
from napari_stml.core.results import Table

if TYPE_CHECKING:
    from napari_stml.analyses._slides.slide import Picture
    from napari_stml.core.inputs import SectionInputs
    from napari_stml.core.needs import Need


class EncoderParams(Params):
    """Subclasses give ``encoder`` and ``batch`` their own defaults."""

    tiles: str = param(
        "", title="Tiles", source="run", holds="tiles",
        help="A Run of 'Tiles'; empty takes a tile around every spot, or a grid on the tissue "
        "where there are no spots.",
    )  # fmt: skip
    encoder: str = param(
        ..., title="Encoder", min_length=1,
        help="A preset (uni, virchow2, phikon, hibou-b, ...) or any model name of timm.",
    )  # fmt: skip
    weights: str = param(
        "", title="Weights", source="file",
        help="A file of weights (safetensors or .pth); empty looks into the weights folder.",
    )  # fmt: skip
    download: bool = param(
        False, title="Download weights", rare=True,
        help="Fetches missing weights from huggingface.co once, into the weights folder. Their "
        "licence applies; gated ones need your own access token.",
    )  # fmt: skip
    control: bool = param(
        False, title="Randomised control", rare=True,
        help="Draws the encoder's weights at random: what can be had without learning.",
    )  # fmt: skip
    image: str = param(
        "", title="Image", source="image", rare=True,
        help="The section's reference image unless another is chosen; that of the tiles.",
    )  # fmt: skip
    channels: tuple[str, ...] = param(
        (), title="Channels", rare=True,
        help="Of a fluorescence image: shown over each other as colours; empty takes those of the "
        "tiles.",
    )  # fmt: skip
    batch: int = param(
        64, title="Tiles at once", ge=1, le=4096, rare=True,
        help="More is faster on a GPU and takes more memory; it is lowered where memory is short.",
    )  # fmt: skip


def encoder_needs(params: EncoderParams) -> dict[str, Need]:
    """The slide, the tiles of a stored Run, the file of weights."""
    wanted: dict[str, Need] = {"pixels": Pixels(params.image or None)}
    if params.tiles:
        wanted["tiles"] = Stored(params.tiles, "tiles")
        wanted["settings"] = Stored(params.tiles, "tile settings")
    if params.weights:
        wanted["weights"] = File(params.weights)
    return wanted


def encoder_picture(section: SectionInputs, params: EncoderParams) -> Picture:
    """The slide as the encoder sees it: with the channels asked for, or those of the tiles."""
    channels = params.channels
    if not channels and params.tiles and isinstance(section["settings"], Table):
        said = read_settings(section["settings"]).get("channels", "")
        channels = tuple(c for c in said.split(",") if c)
    return picture(section, channels)


def encoder_of(
    params: EncoderParams, *, output: str, device: str, seed: int, drawn: bool = False
) -> Any:
    """The encoder ready to run; ``drawn`` takes random weights, whatever is there."""
    from napari_stml.slide.encoders.hub import fetched
    from napari_stml.slide.encoders.network import RANDOM, network_encoder, preset_of
    from napari_stml.slide.encoders.weights import find_weights

    weights = RANDOM if drawn else params.weights
    if not weights and params.download and params.encoder:
        preset = preset_of(params.encoder)
        weights = str(find_weights(preset.name) or fetched(preset))
    return network_encoder(
        params.encoder, weights, output=output, device=device, batch=params.batch, seed=seed
    )
