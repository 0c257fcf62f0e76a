"""Networks by name, built from a plain description so that a stored model can be built again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import nn

NetworkName = Literal["tile vit", "stf", "he2rna", "vit_st", "attention mil", "transmil"]

FROM_TILES: tuple[str, ...] = ("tile vit", "he2rna", "vit_st")
FROM_BAGS: tuple[str, ...] = ("attention mil", "transmil")
PATCHES = "stf of patches"
"""An stf that sees a spot and its neighbours instead of the whole slide."""
LINEAR: tuple[str, ...] = ("ridge", "reduced rank", "pls", "mean")


def takes_tiles(name: str) -> bool:
    return name in FROM_TILES


def build(card: Mapping[str, Any], membership: torch.Tensor | None = None) -> nn.Module:
    """The network of a description: ``network`` names it, the rest are its sizes."""
    sizes = {k: v for k, v in card.items() if k != "network"}
    name = card["network"]
    try:
        if name == "tile vit":
            from napari_stml.models.tile_vit import TileViT

            return TileViT(**sizes)
        if name in ("he2rna", "vit_st"):
            from napari_stml.models.image_head import ImageHead

            return ImageHead(**sizes)
        if name == "attention mil":
            from napari_stml.models.mil.attention import AttentionMil

            return AttentionMil(**sizes)
        if name == "transmil":
            from napari_stml.models.mil.transmil import TransMil

            return TransMil(**sizes)
        if name == "stf":
            from napari_stml.models.stf import Stf, StfConfig

            return Stf(StfConfig.from_card(sizes), membership)
    except (TypeError, ValueError) as error:
        raise StmlError(
            f"This network cannot be built: {error}", where=str(name), do="change its sizes"
        ) from error
    raise StmlError("This network is unknown", where=str(name), do="update napari-stml")


QUIET = 0.02
"""Gene heads that start from gene sets keep their shape, this much of it."""


def hushed(net: nn.Module) -> None:
    """Let the last layer begin near zero, so that the network at first adds (nearly) nothing."""
    import torch

    head = net.get_submodule(_head(net))
    with torch.no_grad():
        for name, values in head.named_parameters():
            values.mul_(QUIET if name == "weight" and _head(net) != "head" else 0.0)


def silenced(net: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the weights that adds nothing; everything before the last layer as it is."""
    own = {k: v.detach().cpu().clone() for k, v in net.state_dict().items()}
    for name in ("weight", "bias"):
        own[f"{_head(net)}.{name}"].zero_()
    return own


def _head(net: nn.Module) -> str:
    from napari_stml.models.stf import Stf

    return "genes.mean" if isinstance(net, Stf) else "head"


def load_exactly(net: nn.Module, tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Load weights; anything missing, left over or of another shape is an error naming it."""
    own = net.state_dict()
    missing = [k for k in own if k not in tensors]
    extra = [k for k in tensors if k not in own]
    shapes = [k for k in own if k in tensors and own[k].shape != tensors[k].shape]
    if missing or extra or shapes:
        said = "; ".join(
            f"{what}: {', '.join(names[:4])}" + (" ..." if len(names) > 4 else "")
            for what, names in (("missing", missing), ("unknown", extra), ("other shape", shapes))
            if names
        )
        raise StmlError(
            f"The weights do not fit this model ({said})", where=where,
            do="use the model as it was saved, or train it again",
        )  # fmt: skip
    net.load_state_dict(dict(tensors), strict=True)
