"""A finished training or prediction that follows the gene: predicted, measured, difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._expression.parts import UNIT
from napari_stml.core.geometry import Affine
from napari_stml.core.params import LiveParams, param
from napari_stml.core.results import SHARED, Heatmap, Matrix, Part, Result, Tiles, Values
from napari_stml.methods.expression_models.stored import same_genes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class ExpressionLiveParams(LiveParams):
    gene: str = param("", title="Gene", source="gene", help="Empty shows the best one.")
    show: Literal["predicted", "measured", "difference", "uncertainty"] = param(
        "predicted", title="Of the gene", help="Painted at every spot."
    )


class ExpressionLive:
    """Picks a column of the stored matrices."""

    def __init__(self, result: Result) -> None:
        self._parts: dict[str, dict[str, Matrix]] = {
            section: {p.name: p for p in parts if isinstance(p, Matrix)}
            for section, parts in result.parts.items() if section != SHARED
        }  # fmt: skip
        self._tiles = {
            section: part for section, parts in result.parts.items()
            for part in parts if isinstance(part, Tiles)
        }  # fmt: skip
        self._first = result.shows.removeprefix("predicted ")

    def update(self, params: ExpressionLiveParams, selection: tuple[str, ...] | None) -> Result:
        gene = params.gene or self._first
        found: dict[str, tuple[Part, ...]] = {}
        for section, tiles in self._tiles.items():
            same_genes(tuple(tiles.values), [gene])
            found[section] = (_raster(tiles, gene),)
        for section, parts in self._parts.items():
            if section in found:
                continue
            name = "uncertainty of genes" if params.show == "uncertainty" else params.show
            part = parts.get(name, parts["predicted"])
            same_genes(part.columns, [gene])
            column = _column(part.values, part.columns.index(gene))
            scale: Any = "diverging" if part.name == "difference" else "sequential"
            found[section] = (Values("gene", column, UNIT, scale),)
        return Result(found, "gene")

    def readout(self, params: ExpressionLiveParams) -> Mapping[str, str]:
        """Agreement of prediction and measurement over all spots, training ones included."""
        gene = params.gene or self._first
        said = {"gene": gene}
        for parts in self._parts.values():
            if "measured" in parts and "predicted" in parts and gene in parts["predicted"].columns:
                i = parts["predicted"].columns.index(gene)
                a = _column(parts["predicted"].values, i)
                b = _column(parts["measured"].values, i)
                known = np.isfinite(a) & np.isfinite(b)
                if known.sum() > 2 and a[known].std() > 0 and b[known].std() > 0:
                    r = float(np.corrcoef(a[known], b[known])[0, 1])
                    said["r, training spots included"] = f"{r:.2f}"
        return said


def _raster(tiles: Tiles, gene: str) -> Heatmap:
    """A gene of predictions on a grid."""
    place = np.round((tiles.xy - tiles.xy.min(axis=0)) / tiles.side).astype(np.intp)
    width, height = (place.max(axis=0) + 1).tolist()
    pixels = np.full((height, width), np.nan, dtype=np.float32)
    pixels[place[:, 1], place[:, 0]] = tiles.values[gene]
    x, y = tiles.xy.min(axis=0).tolist()
    affine = Affine.translation(x, y) @ Affine.scaling(tiles.side)
    return Heatmap("gene", pixels, affine, UNIT)


def _column(values: Any, i: int) -> NDArray[np.float32]:
    if hasattr(values, "toarray"):
        return np.asarray(values[:, [i]].toarray()[:, 0], dtype=np.float32)
    return np.asarray(values[:, i], dtype=np.float32)
