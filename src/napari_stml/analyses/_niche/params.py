"""What a neighbourhood is, which the niche analyses share; how niches are made of them."""

from __future__ import annotations

from typing import Literal

from napari_stml.core.needs import Column, Embedding, Need
from napari_stml.core.params import Params, param

Around = Literal["automatic", "nearest", "radius", "rings"]
NEAREST, RADIUS, RINGS = ("automatic", "nearest"), "radius", ("automatic", "rings")
NUMBERED = ("k-means", "mini-batch", "mixture")


class HoodParams(Params):
    """Who is described (types or proportions), and who counts as a neighbour."""

    of: Literal["cell types", "proportions"] = param(
        "cell types", title="From",
        help="One type per cell or spot, or the proportions of types in each spot.",
    )  # fmt: skip
    column: str = param(
        "", title="Cell types", source="category", when={"of": "cell types"},
        help="The column with one type per cell or spot; clusters will do.",
    )  # fmt: skip
    proportions: str = param(
        "", title="Proportions", source="obsm", when={"of": "proportions"},
        help="Deconvolved types: of 'Deconvolve', of a file brought in, or of the table.",
    )  # fmt: skip
    around: Around = param(
        "automatic", title="Neighbours",
        help="Automatic: rings of the array where there is one, else the nearest cells. A radius "
        "and rings do not cut through equally far spots.",
    )  # fmt: skip
    k: int = param(
        100, title="Nearest", unit="cells", ge=1, le=2000, when={"around": NEAREST},
        help="How many nearest cells; nearer ones weigh more, so fewer of them count in effect.",
    )  # fmt: skip
    radius: float = param(
        150.0, title="Radius", unit="um", gt=0, le=5000, when={"around": RADIUS},
        help="All cells or spots within this distance.",
    )  # fmt: skip
    rings: int = param(
        2, title="Rings", ge=1, le=12, when={"around": RINGS},
        help="Steps on the array: 1, 2, 3 rings are 6, 18, 36 spots on Visium.",
    )  # fmt: skip
    weights: Literal["falling", "equal"] = param(
        "falling", title="Weights",
        help="Falling with distance (soft neighbourhoods), or all alike (counting windows).",
    )  # fmt: skip
    bandwidth: float = param(
        0.0, title="Bandwidth", unit="um", ge=0, le=5000, when={"weights": "falling"},
        help="Distance at which the weight has fallen to 37 %. 0 takes hoodscanR's default, which "
        "moves with density and number of neighbours; fix it to compare samples.",
    )  # fmt: skip
    itself: Literal["automatic", "counted", "left out"] = param(
        "automatic", title="The cell itself", rare=True,
        help="Automatic: counted for proportions and for equal weights, left out for cell types.",
    )  # fmt: skip
    fields: str = param(
        "", title="Fields of view", source="category", rare=True,
        help="Cells of different fields are never neighbours; sections never are.",
    )  # fmt: skip
    lonely: float = param(
        0.0, title="Alone beyond", unit="um", ge=0, rare=True,
        help="A cell whose nearest neighbour is farther has no neighbourhood (no value). 0: where "
        "its weight vanishes.",
    )  # fmt: skip

    def hood_needs(self) -> dict[str, Need]:
        wanted: dict[str, Need] = {}
        if self.of == "cell types" and self.column:
            wanted["types"] = Column(self.column)
        if self.of == "proportions" and self.proportions:
            wanted["types"] = Embedding(self.proportions, named=True)
        if self.fields:
            wanted["fields"] = Column(self.fields)
        return wanted

    @property
    def source(self) -> str:
        return self.column if self.of == "cell types" else self.proportions

    @property
    def counts_itself(self) -> bool:
        if self.itself == "automatic":
            return self.of == "proportions" or self.weights == "equal"
        return self.itself == "counted"


class NichesParams(HoodParams):
    way: Literal["k-means", "mini-batch", "mixture", "leiden"] = param(
        "k-means", title="Niches by",
        help="Leiden finds the number from the resolution; the others are told how many.",
    )  # fmt: skip
    niches: int = param(
        8, title="Number of niches", ge=2, le=60, when={"way": NUMBERED},
        help="See the chart of how stable each number is.",
    )  # fmt: skip
    resolution: float = param(
        1.0, title="Resolution", ge=0.05, le=5, when={"way": "leiden"},
        help="More gives more and smaller niches.",
    )  # fmt: skip
    compare: Literal["square roots", "shares"] = param(
        "square roots", title="Compare", rare=True,
        help="Square roots of the shares let rare types count; hoodscanR takes the shares.",
    )  # fmt: skip
    smooth: int = param(
        0, title="Smooth", ge=0, le=3, rare=True,
        help="How often compositions are averaged over the neighbourhoods before niches are "
        "looked for: larger, calmer niches. Composition and perplexity stay as they are.",
    )  # fmt: skip
    shuffles: int = param(
        20, title="Shuffles", ge=0, le=1000, rare=True,
        help="How often labels are shuffled over the fixed places, for the z of the perplexity; "
        "0 leaves it out.",
    )  # fmt: skip
    guide: bool = param(
        True, title="Compare numbers", rare=True,
        help="Tries other numbers of niches and other numbers of neighbours, for the charts.",
    )  # fmt: skip
    outlines: bool = param(
        False, title="Niches as shapes", rare=True,
        help="Outlines of every niche; their areas depend on how gaps are closed.",
    )  # fmt: skip
