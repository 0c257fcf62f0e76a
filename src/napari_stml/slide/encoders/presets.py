"""Known encoders: how they are built, what they expect, and under which licence they come.

Weights are never part of this program. ``verified`` says that the settings were tried with the real
weights; the others follow their authors' published instructions, and strict loading tells at once
when they do not fit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Output = Literal["class", "mean", "class and mean", "pooled"]
Layout = Literal["timm", "transformers", "swin-2022"]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HIBOU = ((0.7068, 0.5755, 0.722), (0.195, 0.2316, 0.1816))
OPTIMUS = ((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))


@dataclass(frozen=True)
class Preset:
    """One encoder.

    Attributes
    ----------
    timm
        The name given to ``timm.create_model`` with ``options``; values of options that name a
        class ("SwiGLUPacked", "SiLU", "ConvStem") are resolved when it is built.
    length
        Number of features of ``output``.
    drop
        Prefixes of keys that belong to heads we do not use: the only ones that may be left over.
    um_per_px
        What it was trained at.
    """

    name: str
    timm: str
    length: int
    output: Output = "class"
    pixels: int = 224
    um_per_px: float = 0.5
    options: Mapping[str, Any] = field(default_factory=dict)
    mean: tuple[float, float, float] = IMAGENET[0]
    sd: tuple[float, float, float] = IMAGENET[1]
    layout: Layout = "timm"
    drop: tuple[str, ...] = ("head.", "mask_token")
    hub: str = ""
    licence: str = ""
    gated: bool = False
    note: str = ""
    verified: bool = False


_SWIGLU = {"mlp_layer": "SwiGLUPacked", "act_layer": "SiLU"}
_NC = "CC BY-NC-ND 4.0: research only, no redistribution; accept it on the hub first"

PRESETS: Mapping[str, Preset] = {
    p.name: p
    for p in (
        Preset(
            "uni", "vit_large_patch16_224", 1024, hub="MahmoodLab/UNI", licence=_NC, gated=True,
            options={"init_values": 1e-5, "dynamic_img_size": True},
        ),
        Preset(
            "uni2-h", "vit_giant_patch14_224", 1536, hub="MahmoodLab/UNI2-h", licence=_NC,
            gated=True,
            options={
                "depth": 24, "num_heads": 24, "embed_dim": 1536, "mlp_ratio": 2.66667 * 2,
                "init_values": 1e-5, "no_embed_class": True, "reg_tokens": 8,
                "dynamic_img_size": True, **_SWIGLU,
            },
        ),
        Preset(
            "virchow2", "vit_huge_patch14_224", 2560, "class and mean", hub="paige-ai/Virchow2",
            licence=_NC, gated=True,
            options={
                "init_values": 1e-5, "mlp_ratio": 5.3375, "reg_tokens": 4, "global_pool": "",
                "dynamic_img_size": True, **_SWIGLU,
            },
            note="class token beside the mean of the patches; the four registers are dropped",
        ),
        Preset(
            "phikon", "vit_base_patch16_224", 768, hub="owkin/phikon", layout="transformers",
            licence="Owkin non-commercial licence", options={"norm_eps": 1e-12},
            drop=("head.", "pooler."),
        ),
        Preset(
            "hibou-b", "vit_base_patch14_reg4_dinov2", 768, hub="histai/hibou-b",
            mean=HIBOU[0], sd=HIBOU[1], licence="Apache 2.0", gated=True,
            options={"img_size": 224, "init_values": 1e-5},
        ),
        Preset(
            "hibou-l", "vit_large_patch14_reg4_dinov2", 1024, hub="histai/hibou-L",
            mean=HIBOU[0], sd=HIBOU[1], licence="Apache 2.0", gated=True,
            options={"img_size": 224, "init_values": 1e-5},
        ),
        Preset(
            "ctranspath", "swin_tiny_patch4_window7_224", 768, "pooled", um_per_px=1.0,
            layout="swin-2022", licence="GPL 3.0 (code and weights)",
            options={"embed_layer": "ConvStem"}, note="no rollout: it attends within windows only",
        ),
        Preset(
            "gigapath", "vit_giant_patch14_dinov2", 1536, hub="prov-gigapath/prov-gigapath",
            gated=True, licence="Prov-GigaPath licence: research only; accept it on the hub first",
            options={
                "img_size": 224, "patch_size": 16, "embed_dim": 1536, "depth": 40,
                "num_heads": 24, "init_values": 1e-5, "mlp_ratio": 5.33334,
            },
        ),
        Preset(
            "h-optimus-0", "vit_giant_patch14_reg4_dinov2", 1536, hub="bioptimus/H-optimus-0",
            mean=OPTIMUS[0], sd=OPTIMUS[1], licence="Apache 2.0", gated=True,
            options={"img_size": 224, "init_values": 1e-5, "dynamic_img_size": False},
        ),
        Preset(
            "h-optimus-1", "vit_giant_patch14_reg4_dinov2", 1536, hub="bioptimus/H-optimus-1",
            mean=OPTIMUS[0], sd=OPTIMUS[1], gated=True, licence=_NC,
            options={"img_size": 224, "init_values": 1e-5, "dynamic_img_size": False},
        ),
        Preset(
            "conch", "vit_base_patch16_224", 768, pixels=448, hub="MahmoodLab/CONCH", licence=_NC,
            gated=True, options={"img_size": 448},
            drop=("text.", "visual.attn_pool_", "visual.ln_", "visual.head", "logit_scale",
                  "visual.proj_", "head.", "text_decoder."),
            note="the trunk's class token, not the pooled embedding that is compared with text",
        ),
        Preset(
            "resnet50", "resnet50", 2048, "pooled", licence="BSD 3 (torchvision's weights)",
            drop=("fc.",), note="trained on photographs; no rollout",
        ),
    )
}  # fmt: skip
