"""What a training of an expression model asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.core.params import param

if TYPE_CHECKING:
    from typing import Any

STF: dict[str, Any] = {"network": "stf"}
NETWORKS = ("tile vit", "stf", "he2rna", "vit_st", "attention mil", "transmil")
TILES = ("tile vit", "he2rna", "vit_st")
FEATURES = ("stf", "attention mil", "transmil", "ridge", "reduced rank", "pls", "mean")


class TrainParams(FromTable):
    network: Literal[
        "tile vit", "stf", "ridge", "reduced rank", "pls", "mean", "he2rna", "vit_st",
        "attention mil", "transmil",
    ] = param(
        "tile vit", title="Model",
        help="tile vit learns from the pixels of each tile; stf (SpatialTranscriptFormer) from "
        "features of all spots and gene sets; ridge, reduced rank and pls are linear; the others "
        "are baselines.",
    )  # fmt: skip
    genes: Literal["markers", "most expressed", "variable", "file", "gene sets"] = param(
        "markers", title="Genes", help="Which genes are learned; 'markers' are those named below."
    )
    named: tuple[str, ...] = param(
        (), title="These genes", source="genes", when={"genes": "markers"},
        help="Empty takes 16 markers of skin and stroma; those the table lacks are replaced by "
        "variable genes.",
    )  # fmt: skip
    number: int = param(
        250, title="Number of genes", ge=1, le=5000,
        when={"genes": ("most expressed", "variable", "gene sets")},
        help="Among those seen in a tenth of the training spots.",
    )  # fmt: skip
    gene_file: str = param(
        "", title="List of genes", source="file", when={"genes": "file"},
        help="A text with one gene per line.",
    )  # fmt: skip
    features: str = param(
        "", title="Features", source="run", holds="features", when={"network": FEATURES},
        help="A Run of 'Features'; empty computes the default ones, which need no weights.",
    )  # fmt: skip
    split: Literal["spatial blocks", "random", "one section", "one patient"] = param(
        "spatial blocks", title="Held out",
        help="The scores come from spots that took no part in training. Random spots have "
        "neighbours in training, so their scores are too good.",
    )  # fmt: skip
    left_out: str = param(
        "", title="Left out", when={"split": ("one section", "one patient")},
        help="Name of the section or patient; empty takes the last.",
    )  # fmt: skip
    preset: Literal[
        "recommended", "described", "stf_tiny", "stf_small", "stf_medium", "stf_large"
    ] = param(
        "recommended", title="Preset", when=STF,
        help="recommended: a size for one section, with pathway start, mse_pcc and the auxiliary "
        "pathway loss on. described: all choices as the model's document lists them.",
    )  # fmt: skip
    gene_sets: str = param(
        "", title="Gene sets", source="file", when={"network": "stf"},
        help="A GMT file; empty takes the 50 Hallmark sets.",
    )  # fmt: skip
    start: Literal["preset", "nothing", "ridge", "reduced rank"] = param(
        "preset", title="Start from", when={"network": NETWORKS},
        help="A linear prediction from features (and, with one section, from the place) that the "
        "network only corrects; it ends no worse on its stopping spots. 'preset' is reduced rank "
        "for a recommended stf, else nothing.",
    )  # fmt: skip
    epochs: int = param(
        0, title="Epochs", ge=0, le=5000, when={"network": NETWORKS},
        help="Rounds over the training spots; 0 takes what suits the model.",
    )  # fmt: skip
    members: int = param(
        1, title="Networks", ge=1, le=20, when={"network": NETWORKS},
        help="Several with different seeds are averaged; their spread is the uncertainty.",
    )  # fmt: skip
    smooth: bool = param(
        False, title="Smooth the expression", rare=True,
        help="Learns and scores the mean over each spot and its neighbours.",
    )  # fmt: skip
    standardise: Literal["training spots", "all spots", "each section"] = param(
        "training spots", title="Standardise genes by", rare=True,
        help="'all spots' also looks at held-out ones, as in a practical; its scores are not "
        "quite fair.",
    )  # fmt: skip
    surroundings: Literal["spot", "spot and neighbours", "neighbourhood"] = param(
        "spot", title="Features of", rare=True, when={"network": FEATURES},
        help="Averages features over neighbouring spots; it helps across patients and with "
        "smoothed expression.",
    )  # fmt: skip
    feature_scaling: Literal[
        "training spots", "each section", "ranks in each section"
    ] = param(
        "each section", title="Standardise features by", rare=True, when={"network": FEATURES},
        help="Within each section differences of stain cancel out.",
    )  # fmt: skip
    tile_um: float = param(
        112.0, title="Width of tiles", unit="um", gt=4, le=4000, rare=True, when={"network": TILES},
        help="What the network sees around a spot.",
    )  # fmt: skip
    backbone: str = param(
        "", title="Backbone", rare=True, when={"network": ("he2rna", "vit_st")},
        help="A model of timm; empty takes resnet50, or vit_base_patch16_224.",
    )  # fmt: skip
    weights: str = param(
        "", title="Weights", source="file", rare=True, when={"network": ("he2rna", "vit_st")},
        help="Of the backbone; without, it starts at random, which is slow and weak.",
    )  # fmt: skip
    thaw: int = param(
        0, title="Blocks that learn", ge=-1, le=100, rare=True,
        when={"network": ("he2rna", "vit_st")},
        help="The backbone's last so many; 0 none, -1 all. Without weights all learn.",
    )  # fmt: skip
    loss: Literal[
        "preset", "mse", "pcc", "mse_pcc", "huber_pcc", "zinb", "poisson", "huber", "logcosh"
    ] = param(
        "preset", title="Loss", rare=True, when={"network": NETWORKS},
        help="zinb learns raw counts; mse_pcc adds one minus the correlation to the error.",
    )  # fmt: skip
    pcc_weight: float = param(
        1.0, title="Weight of correlation", ge=0, le=100, rare=True,
        when={"network": NETWORKS, "loss": ("preset", "mse_pcc", "huber_pcc")},
        help="In losses with pcc.",
    )  # fmt: skip
    pathway_loss_weight: float = param(
        -1.0, title="Weight of the pathway loss", ge=-1, le=100, rare=True, when=STF,
        help="Of the auxiliary loss; -1 takes the preset's.",
    )  # fmt: skip
    pathway_init: Literal["preset", "binary", "row_normalised", "none"] = param(
        "preset", title="Start from gene sets", rare=True, when=STF,
        help="How the gene head begins.",
    )  # fmt: skip
    interactions: tuple[Literal["p2p", "p2h", "h2p", "h2h"], ...] = param(
        ("p2p", "p2h", "h2p", "h2h"), title="Interactions", rare=True, when=STF,
        help="Who sees whom: p pathways, h spots. Without h2h memory and time grow with the "
        "number of spots only; above 20,000 spots it is left out by itself.",
    )  # fmt: skip
    position: Literal["sinusoidal", "learned", "none"] = param(
        "sinusoidal", title="Positions", rare=True, when=STF, help="How a spot's place is told."
    )
    temperature: Literal["learned", "off"] = param(
        "learned", title="Temperature", rare=True, when=STF, help="Factor of the scores."
    )
    gene_head: Literal["linear", "softplus", "zinb"] = param(
        "linear", title="Gene head", rare=True, when=STF, help="zinb goes with the loss zinb."
    )
    final_norm: bool = param(
        False, title="Final norm", rare=True, when=STF, help="A layer norm after the last layer."
    )
    layers: int = param(0, title="Layers", ge=0, le=48, rare=True, when=STF,
                        help="0 takes the preset's.")  # fmt: skip
    width: int = param(0, title="Token width", ge=0, le=2048, rare=True, when=STF,
                       help="0 takes the preset's.")  # fmt: skip
    heads: int = param(0, title="Heads", ge=0, le=64, rare=True, when=STF,
                       help="0 takes the preset's.")  # fmt: skip
    supervision: Literal["each spot", "whole slides", "patches"] = param(
        "each spot", title="Compared on", rare=True, when=STF,
        help="each spot: dense, sees the slide. whole slides: only means of large windows are "
        "compared (weak supervision). patches: sees a spot and its neighbours only.",
    )  # fmt: skip
    neighbours: int = param(
        8, title="Neighbours in a bag", ge=0, le=512, rare=True,
        when={"network": ("attention mil", "transmil", "stf")},
        help="Besides the spot itself; of an stf only with patches.",
    )  # fmt: skip
    return_attention: bool = param(
        False, title="Keep the attention", rare=True, when=STF,
        help="Adds where pathways look, the rollout, and how spots look back to the Run.",
    )  # fmt: skip
    rate: float = param(
        0.0, title="Learning rate", ge=0, le=1, rare=True, when={"network": NETWORKS},
        help="0 takes what suits the model.",
    )  # fmt: skip
    weight_decay: float = param(
        -1.0, title="Weight decay", ge=-1, le=10, rare=True, when={"network": NETWORKS},
        help="-1 takes what suits the model.",
    )  # fmt: skip
    batch: int = param(
        64, title="Spots at once", ge=2, le=4096, rare=True,
        when={"network": (*TILES, "attention mil", "transmil")}, help="In one step of training.",
    )  # fmt: skip
    patience: int = param(
        15, title="Patience", unit="epochs", ge=1, le=1000, rare=True, when={"network": NETWORKS},
        help="Ends the training when its stopping spots have not improved for so long.",
    )  # fmt: skip
    augment: bool = param(
        True, title="Turn and mirror", rare=True, when={"network": NETWORKS},
        help="Shows tiles (or places) in all eight orientations.",
    )  # fmt: skip
    samples: int = param(
        0, title="Dropout samples", ge=0, le=200, rare=True, when={"network": NETWORKS},
        help="Passes with dropout; their spread joins the uncertainty.",
    )  # fmt: skip
    resume: bool = param(
        True, title="Go on where it stopped", rare=True, when={"network": NETWORKS},
        help="An equal training that was cancelled continues at its last checkpoint.",
    )  # fmt: skip
    folder: str = param(
        "", title="Write the model to", source="folder", rare=True,
        help="A folder for config.json, model.safetensors and card.json, besides the Run.",
    )  # fmt: skip
