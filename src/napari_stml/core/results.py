"""The closed list of things an analysis can give back, each with how it wants to be painted.

Rows follow the section's observations. Outside the scope values are missing (NaN, -1), never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from napari_stml.core.charts import Chart

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.core.geometry import Affine

Scale = Literal["sequential", "diverging", "p-value"]


@dataclass(frozen=True)
class Values:
    """One number per observation."""

    name: str
    values: NDArray[np.floating[Any]]
    unit: str = ""
    scale: Scale = "sequential"


@dataclass(frozen=True)
class Labels:
    """One category per observation; colours are #rrggbb or left to the palette."""

    name: str
    codes: NDArray[np.integer[Any]]
    categories: tuple[str, ...]
    colours: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matrix:
    """Several numbers per observation; ``genes`` says that the columns are genes (kept as X)."""

    name: str
    values: NDArray[np.floating[Any]] | csr_matrix
    columns: tuple[str, ...] = ()
    genes: bool = False


@dataclass(frozen=True)
class Graph:
    """Weighted links between observations, sparse n x n (row: from, column: to)."""

    name: str
    matrix: csr_matrix


@dataclass(frozen=True)
class GeneValues:
    """One or several numbers per gene."""

    name: str
    genes: tuple[str, ...]
    values: NDArray[np.floating[Any]]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heatmap:
    """Values on a raster; ``affine`` maps its pixels to reference pixels. NaN is missing.

    ``limits`` are the ends of its colour scale where they mean something; else they follow the
    values.
    """

    name: str
    pixels: NDArray[np.floating[Any]]
    affine: Affine
    unit: str = ""
    scale: Scale = "sequential"
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Mask:
    """Integer classes on a raster, 0 is background."""

    name: str
    pixels: NDArray[np.integer[Any]]
    affine: Affine
    classes: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tiles:
    """Squares on the slide: top-left corners (n, 2) and one side, in reference pixels.

    ``colour_by`` names the value they are painted by: text and whole numbers as categories.
    """

    name: str
    xy: NDArray[np.float64]
    side: float
    values: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    colour_by: str = ""


@dataclass(frozen=True)
class Regions:
    """Outlines as WKB in reference pixels, with class and name."""

    name: str
    outlines: tuple[bytes, ...]
    classes: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """An image of the section seen through a formula, computed for the window one looks at.

    ``through`` names the formula of `core.slide_views`, ``numbers`` are what it needs; ``image``
    is empty for the reference image.
    """

    name: str
    through: str
    numbers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    image: str = ""


@dataclass(frozen=True)
class Table:
    """Rows that belong to no observation: scores per gene, per region, per cluster."""

    name: str
    columns: Mapping[str, NDArray[Any] | tuple[Any, ...]]


@dataclass(frozen=True)
class Model:
    """A trained model: named tensors as arrays, and the card that says what it is."""

    name: str
    tensors: Mapping[str, NDArray[Any]]
    card: Mapping[str, Any]


Part = (
    Values
    | Labels
    | Matrix
    | Graph
    | GeneValues
    | Heatmap
    | Mask
    | Tiles
    | Regions
    | Table
    | Chart
    | Model
    | View
)

SHARED = ""
"""The key of parts that belong to the whole Run rather than to one of its sections."""


@dataclass(frozen=True)
class Result:
    """What a Run leaves: parts by section, and parts of the Run as a whole.

    ``shows`` names the part that is painted at once; the others are offered.
    """

    parts: Mapping[str, tuple[Part, ...]]
    shows: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, section: str, *parts: Part, shows: str = "", notes: tuple[str, ...] = ()) -> Result:
        """Build the result of one section; tables, charts and models go to the Run as a whole."""
        own = tuple(p for p in parts if not isinstance(p, Table | Chart | Model))
        shared = tuple(p for p in parts if isinstance(p, Table | Chart | Model))
        return cls({section: own, SHARED: shared}, shows, notes)

    def part(self, name: str, section: str | None = None) -> Part:
        for key, parts in self.parts.items():
            if section is None or key == section:
                for part in parts:
                    if part.name == name:
                        return part
        raise KeyError(name)
