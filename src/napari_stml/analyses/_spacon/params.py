"""What SpaCon asks, in the form and live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.core.needs import Column, Embedding, File, Pairs, Stored
from napari_stml.core.params import LiveParams, param
from napari_stml.methods.spacon.partition import Parting
from napari_stml.methods.spacon.planes import Plane  # noqa: TC001 - pydantic looks at it

if TYPE_CHECKING:
    from napari_stml.core.needs import Need

Second = Literal["expression", "morphology", "signalling", "stored matrix", "file"]
Scale = Literal["share", "alpha"]
Training = Literal["sampled", "whole graph", "none"]
MATRIX: tuple[Second, ...] = ("stored matrix", "file")
SIMILAR: tuple[Second, ...] = ("expression", "morphology", "signalling")
SHARE_HELP = ("How much of the blend are connections: 0 is space alone (domains), 1 connections "
              "alone. Half is alpha 0.17.")  # fmt: skip
ALPHA_HELP = ("As in the paper: 0 is space alone, 1 connections alone. Its effect is very uneven: "
              "at 0.25 connections already are 64 % of the blend.")  # fmt: skip
SCALE_HELP = ("Share: even steps of the slider change the blend evenly. Alpha: the paper's number, "
              "most of whose effect lies below 0.25.")  # fmt: skip


class SpaConParams(FromTable):
    connections: Second = param(
        "expression", title="Second view",
        help="What connects spots beside their place. Expression: spots that express alike. "
        "Morphology: spots that look alike. Signalling: ligands here, receptors there. Or a matrix "
        "of strengths (tracing, fMRI): stored with the table, or in a file.",
    )  # fmt: skip
    matrix: str = param(
        "", title="Matrix", source="obsp", help="A stored matrix of strengths between spots.",
        when={"connections": "stored matrix"},
    )  # fmt: skip
    file: str = param(
        "", title="File", source="file", when={"connections": "file"},
        help=".npy, .npz or .zarr, as many rows as columns: one per spot, in the section's order "
        "(or with barcodes as 'names' beside it), or one per parcel.",
    )  # fmt: skip
    parcel: str = param(
        "", title="Parcel column", source="column", when={"connections": MATRIX},
        help="Where the matrix is between parcels: the column with each spot's row number (from "
        "0) or parcel name. Empty: the matrix is between spots.",
    )  # fmt: skip
    threshold: float = param(
        0.25, title="Links from", ge=0, when={"connections": MATRIX},
        help="Weaker strengths are no links; what is above counts alike. The paper takes 0.001 "
        "for tracing, 0.25 for fMRI.",
    )  # fmt: skip
    features: str = param(
        "", title="Features", source="obsm", when={"connections": "morphology"},
        help="What spots look like: the features of a Run, or an embedding of the table.",
    )  # fmt: skip
    links: int = param(
        15, title="Links per spot", ge=1, le=500, unit="spots", when={"connections": SIMILAR},
        help="The most similar spots (or strongest receivers) each spot is connected with.",
    )  # fmt: skip
    scale: Scale = param("share", title="Blend given as", help=SCALE_HELP)
    share: float = param(
        0.5, title="Connections' share", ge=0, le=1, step=0.02, help=SHARE_HELP,
        when={"scale": "share"},
    )  # fmt: skip
    alpha: float = param(
        0.17, title="Alpha", ge=0, le=1, step=0.01, help=ALPHA_HELP, when={"scale": "alpha"}
    )
    resolution: float = param(
        0.75, title="Resolution", ge=0.05, le=5, step=0.05,
        help="More gives more and smaller clusters.",
    )  # fmt: skip
    compare: str = param(
        "", title="Compare with", source="category",
        help="A column of labels: agreement (ARI) with it is drawn over the whole slider.",
    )  # fmt: skip
    method: Parting = param(
        "leiden", title="Clusters by", rare=True,
        help="Leiden on weighted links; Louvain on unweighted ones, as the paper's program.",
    )  # fmt: skip
    refine: int = param(
        0, title="Even out over", unit="spots", ge=0, le=500, rare=True,
        help="Each label becomes the majority of so many nearest spots; 0 leaves them.",
    )  # fmt: skip
    training: Training = param(
        "sampled", title="Training", rare=True,
        help="Sampled: batches of 64 spots and some that are linked to them, as in the paper. "
        "Whole graph: every link in every step, another objective, for very large sections. "
        "None: the network as it is drawn, which often separates as well.",
    )  # fmt: skip
    input: Literal["components", "genes"] = param(
        "components", title="Input", rare=True,
        help="Principal components of the variable genes: quick, and domains come out better. "
        "Genes: all log-normalised values, as in the paper.",
    )  # fmt: skip
    components: int = param(
        20, title="Components", ge=2, le=200, rare=True, when={"input": "components"},
        help="How many are given to the network.",
    )  # fmt: skip
    epochs: int = param(
        3, title="Epochs", ge=1, le=10_000, rare=True, when={"training": "sampled"},
        help="Passes over all spots; the paper takes 4 to 20.",
    )  # fmt: skip
    batch: int = param(
        64, title="Spots of a batch", ge=16, le=100_000, unit="spots", rare=True,
        when={"training": "sampled"},
        help="The paper takes 64. From 20,000 spots on, 2,000 make an epoch thirty times as quick, "
        "for each batch reaches nearly all spots anyway; take more epochs then.",
    )  # fmt: skip
    steps: int = param(
        200, title="Steps", ge=1, le=100_000, rare=True, when={"training": "whole graph"},
        help="Each takes all links once.",
    )  # fmt: skip
    rate: float = param(
        1e-3,
        title="Learning rate",
        gt=0,
        le=1,
        rare=True,
        help="Adam, gradients cut at norm 5; the paper takes 0.0001 (on genes).",
    )
    decay: float = param(1e-4, title="Weight decay", ge=0, le=1, rare=True, help="Of Adam.")
    hidden: tuple[int, ...] = param(
        (128, 64, 64), title="Layers", min_length=3, max_length=3, rare=True,
        help="Widths of the three layers; the last one is that of both views.",
    )  # fmt: skip
    fusion: Literal["concat", "add"] = param(
        "concat", title="Fusion", rare=True, help="How both views are joined for the decoder."
    )
    continue_from: str = param(
        "", title="Continue from", source="run", rare=True,
        help="Begin with the network of an earlier Run (same genes, layers, fusion).",
    )  # fmt: skip
    resume: bool = param(
        True, title="Resume", rare=True,
        help="A training that was cancelled goes on where its last epoch ended.",
    )  # fmt: skip
    variable_genes: int = param(
        3000, title="Variable genes", unit="genes", ge=0, le=50_000, rare=True,
        help="With more than 5,000 genes only these are used; 0 takes all.",
        when={"input": "genes"},
    )  # fmt: skip
    tissue_neighbours: int = param(
        6, title="Neighbours on the tissue", unit="spots", ge=1, le=500, rare=True,
        help="Nearest spots each spot sends to; the paper takes 15.", when={"radius": False},
    )  # fmt: skip
    radius: float = param(
        0.0, title="Neighbours within", ge=0, rare=True,
        help="Instead of a number: all spots within this distance, um where the scale is known, "
        "else in the units of the positions. 0 takes the number.",
    )  # fmt: skip
    section_column: str = param(
        "", title="Section column", source="category", rare=True,
        help="Several sections in one table: the column that names them. Neighbours stay within "
        "sections and join those that follow each other.",
    )  # fmt: skip
    section_order: tuple[str, ...] = param(
        (), title="Order of sections", rare=True, when={"section_column": True},
        help="From front to back; none: as the names sort.",
    )  # fmt: skip
    across: float = param(
        0.0, title="Within, between sections", ge=0, rare=True, when={"radius": True},
        help="The distance, seen from above, between spots of neighbouring sections; 0 takes 1.4 "
        "times the other.",
    )  # fmt: skip
    positions: str = param(
        "", title="Positions", source="obsm", rare=True,
        help="Two or three coordinates from the table; empty takes the places on the slide. For "
        "sections that are shown side by side: where they lie in truth.",
    )  # fmt: skip
    plane: Plane = param(
        "xy", title="Plane", rare=True, when={"positions": True},
        help="Of three coordinates those in which the sections lie; the other one tells the "
        "sections where no column does. xy: the first two. The others are for an atlas "
        "(front-back, top-bottom, left-right).",
    )  # fmt: skip
    boost: float = param(
        0.0, title="Boost long links", ge=0, le=10, rare=True, when={"connections": MATRIX},
        help="Strengths are multiplied by exp(this * distance): far links count more. The paper "
        "takes 0.006 for wide-field imaging.",
    )  # fmt: skip
    strongest: float = param(
        100.0, title="Strongest links", unit="%", gt=0, le=100, rare=True,
        when={"connections": MATRIX}, help="Of each row at most this share of all spots.",
    )  # fmt: skip
    neighbours: int = param(
        40, title="Similar spots", unit="spots", ge=3, le=200, rare=True,
        help="For clusters: each spot is linked to so many in the blend, itself counted.",
    )  # fmt: skip
    positions_ahead: int = param(
        11, title="Positions computed ahead", ge=2, le=41, rare=True,
        help="Even steps of the share, for the slider, the maps side by side and stability.",
    )  # fmt: skip

    def wanted(self) -> dict[str, Need]:
        table = self.table or None
        found: dict[str, Need] = {"expression": self.expression("log")}
        if self.connections == "stored matrix" and self.matrix:
            found["matrix"] = Pairs(self.matrix, table)
        if self.connections == "file" and self.file:
            found["matrix"] = File(self.file)
        if self.connections == "morphology" and self.features:
            found["features"] = Embedding(self.features, table)
        if self.parcel and self.connections in MATRIX:
            found["parcel"] = Column(self.parcel, table)
        if self.compare:
            found["compare"] = Column(self.compare)
        if self.section_column:
            found["section"] = Column(self.section_column, table)
        if self.positions:
            found["positions"] = Embedding(self.positions, table)
        if self.continue_from:
            found["model"] = Stored(self.continue_from, "model")
        return found


class SpaConLiveParams(LiveParams):
    scale: Scale = param("share", title="Slider moves", help=SCALE_HELP)
    share: float = param(
        0.5, title="Connections' share", ge=0, le=1, step=0.02, help=SHARE_HELP,
        when={"scale": "share"},
    )  # fmt: skip
    alpha: float = param(
        0.17, title="Alpha", ge=0, le=1, step=0.01, help=ALPHA_HELP, when={"scale": "alpha"}
    )
    resolution: float = param(
        0.75, title="Resolution", ge=0.05, le=5, step=0.05,
        help="More gives more and smaller clusters.",
    )  # fmt: skip
    refine: int = param(
        0, title="Even out over", unit="spots", ge=0, le=100, step=5,
        help="Each label becomes the majority of so many nearest spots; 0 leaves them.",
    )  # fmt: skip
    method: Parting = param(
        "leiden", title="Clusters by", help="Leiden, or Louvain as in the paper."
    )
    picture: bool = param(
        False, title="UMAP",
        help="Draws a UMAP of the blend that follows the slider, each from the one before. The "
        "slider then waits for it: a second or more at 3,000 spots.",
    )  # fmt: skip
    edges: Literal["none", "tissue", "connections"] = param(
        "none", title="Links of a spot", help="Draws the links of the spot that was clicked."
    )
    place: tuple[float, ...] = param(
        (), title="Spot", source="place", max_length=2,
        help="Click on the tissue: the links of the nearest spot are drawn.",
        when={"edges": ("tissue", "connections")},
    )  # fmt: skip
