"""What an STF is made of; the defaults are those of the described model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Position = Literal["sinusoidal", "learned", "none"]
Temperature = Literal["learned", "off"]
GeneHead = Literal["linear", "softplus", "zinb", "none"]
Init = Literal["binary", "row_normalised", "none"]

INTERACTIONS = ("p2p", "p2h", "h2p", "h2h")


@dataclass(frozen=True)
class StfConfig:
    """Sizes and choices of one network.

    Attributes
    ----------
    features
        Length of a spot's feature vector.
    interactions
        Which tokens attend to which: p pathways, h spots (``p2h``: pathways read the spots).
    mu
        With the ZINB head: its mean is softplus of the linear layer, as the newer head.
    temperature_limit
        Largest factor of the scores; CLIP takes 100, the described model has none.
    """

    features: int
    genes: int
    pathways: int = 50
    width: int = 256
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1
    position: Position = "sinusoidal"
    temperature: Temperature = "learned"
    temperature_limit: float | None = None
    gene_head: GeneHead = "linear"
    init: Init = "none"
    final_norm: bool = False
    interactions: tuple[str, ...] = INTERACTIONS

    def __post_init__(self) -> None:
        for name in self.interactions:
            if name not in INTERACTIONS:
                raise ValueError(f"no interaction {name!r}; there are {', '.join(INTERACTIONS)}")
        if "h2h" not in self.interactions and self.layers < 2:
            raise ValueError("without h2h at least 2 layers are needed: spots learn of the "
                             "pathways only in the second")  # fmt: skip
        if self.position == "sinusoidal" and self.width % 4:
            raise ValueError(f"sinusoidal positions need a width that 4 divides, not {self.width}")

    def card(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**asdict(self), "interactions": list(self.interactions)}

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> StfConfig:
        return cls(**{**card, "interactions": tuple(card["interactions"])})


STATES: dict[str, dict[str, Any]] = {
    "described": {},
    "code 2026-03": {"position": "learned", "temperature": "off", "gene_head": "softplus",
                     "final_norm": True},
    "newest": {"position": "learned", "temperature": "off", "gene_head": "none",
               "final_norm": True},
}  # fmt: skip
"""The states of the reference system: what differs from the described model."""

_SIZES = {"tiny": (2, 256, 4), "small": (4, 384, 8), "medium": (6, 512, 8), "large": (12, 768, 12)}

COLORECTAL = tuple(
    f"HALLMARK_{name}" for name in (
        "WNT_BETA_CATENIN_SIGNALING", "TGF_BETA_SIGNALING", "KRAS_SIGNALING_UP",
        "KRAS_SIGNALING_DN", "PI3K_AKT_MTOR_SIGNALING", "EPITHELIAL_MESENCHYMAL_TRANSITION",
        "ANGIOGENESIS", "APICAL_JUNCTION", "INFLAMMATORY_RESPONSE", "IL6_JAK_STAT3_SIGNALING",
        "APOPTOSIS", "P53_PATHWAY", "DNA_REPAIR", "HYPOXIA",
    )
)  # fmt: skip
"""The gene sets of the colorectal presets."""


def presets() -> tuple[str, ...]:
    return tuple(f"stf_{kind}{size}" for kind in ("", "crc_") for size in _SIZES)


def preset(name: str, config: StfConfig) -> StfConfig:
    """The config at the size of a preset, with the head started from the gene sets."""
    size = name.removeprefix("stf_").removeprefix("crc_")
    if size not in _SIZES:
        raise ValueError(f"no preset {name!r}; there are {', '.join(presets())}")
    layers, width, heads = _SIZES[size]
    init: Init = "none" if config.gene_head == "none" else "binary"
    return replace(config, layers=layers, width=width, heads=heads, init=init)
