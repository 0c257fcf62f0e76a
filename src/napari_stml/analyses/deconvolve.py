"""Proportions of cell types in every spot, by non-negative least squares to a reference.

The reference is an .h5ad of single cells with a column of types; its mean profiles are fitted
to every spot, genes weighted by one over their mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._niche import charts as draw
from napari_stml.analyses._shared.charts import boxes, fitting, five_numbers
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at, span
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis, Link
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import File
from napari_stml.core.params import param
from napari_stml.core.results import GeneValues, Result, Table
from napari_stml.methods.niches import deconvolve as nnls
from napari_stml.methods.niches import diversity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

LIKELY = ("cell_type", "celltype", "cell type", "CellType", "cell_types", "annotation",
          "cell_annotation", "leiden", "louvain", "cluster")  # fmt: skip
FEWEST_GENES = 10


class DeconvolveParams(FromTable):
    reference: str = param(
        "", title="Reference", source="file",
        help="An .h5ad of single cells of the same tissue: raw counts and a column of types.",
    )  # fmt: skip
    column: str = param(
        "", title="Column of types",
        help="In the reference; empty takes a column with a usual name, as cell_type.",
    )  # fmt: skip
    genes: int = param(
        60, title="Genes per type", ge=3, le=5000,
        help="Of every type those that tell it from the others best.",
    )  # fmt: skip
    amounts: Literal["cells", "RNA"] = param(
        "cells", title="Shares of", rare=True,
        help="Cells: a type with much RNA per cell counts for less. RNA: shares of the counts.",
    )  # fmt: skip
    fewest: int = param(
        10, title="Fewest cells of a type", unit="cells", ge=1, rare=True,
        help="Types with fewer cells in the reference are left out.",
    )  # fmt: skip


@register
class Deconvolve:
    """Which cell types each spot is made of, by comparison with single cells."""

    name = "deconvolve"
    title = "Deconvolve spots"
    tab = "niches"
    order = 5
    sections = "one"
    context = "inside"
    Params = DeconvolveParams

    def needs(self, params: DeconvolveParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"counts": params.expression("counts")}
        if params.reference:
            wanted["reference"] = File(params.reference)
        return wanted

    def run(self, inputs: Inputs, params: DeconvolveParams) -> Steps:
        section = inputs.one
        if not params.reference:
            raise StmlError(
                "No reference was given", where="Reference",
                do="choose an .h5ad of single cells with a column of types",
            )  # fmt: skip
        spots = inside(section)
        yield at(0, "reading the reference")
        cells, codes, types, names = read_reference(Path(section["reference"]), params.column)
        yield at(15, "profiles of the types")
        counts, ours = spots.expression("counts", counts=True)
        profiles, number = nnls.signatures(cells, codes, len(types))
        keep = number >= params.fewest
        left = [t for t, k in zip(types, keep, strict=True) if not k]
        types = tuple(t for t, k in zip(types, keep, strict=True) if k)
        if len(types) < 2:
            raise StmlError(
                f"Only {len(types)} types of the reference have {params.fewest} cells or more",
                where=params.reference, do="lower the number, or choose another column",
            )  # fmt: skip
        mine, theirs = nnls.shared(ours, names)
        if len(mine) < FEWEST_GENES:
            raise StmlError(
                f"Only {len(mine)} genes of the section are in the reference",
                where=params.reference, do="use the same kind of gene names (symbols or ids)",
            )  # fmt: skip
        profiles = profiles[keep][:, theirs]
        if params.amounts == "RNA":
            profiles = profiles / np.maximum(profiles.sum(axis=1, keepdims=True), 1e-12)
        telling = nnls.telling(profiles, params.genes)
        if len(telling) < len(types):
            raise StmlError(
                f"Only {len(telling)} genes tell the {len(types)} types apart",
                where=params.reference, do="join types that are alike, or ask for more genes",
            )  # fmt: skip
        mixed = counts[:, np.asarray(mine)[telling]]
        amounts, fit = yield from span(nnls.fit(mixed, profiles[:, telling]), 20, 90, "fitting")
        shares = nnls.shares(amounts)
        chosen = tuple(ours[mine[i]] for i in telling)
        yield at(92, "charts")
        return _result(spots, shares, fit, types, (chosen, profiles[:, telling].T), params, left)


def read_reference(
    path: Path, column: str
) -> tuple[Any, NDArray[np.int32], tuple[str, ...], tuple[str, ...]]:
    """Counts of the cells, their types and the genes' names; counts must be whole."""
    import anndata as ad
    from scipy.sparse import csr_matrix

    try:
        adata = ad.read_h5ad(path)
    except (OSError, KeyError, ValueError) as error:
        raise StmlError(
            "This is no .h5ad that can be read", where=path, do="export one with scanpy or Seurat"
        ) from error
    known = [c for c in LIKELY if c in adata.obs]
    if column and column not in adata.obs:
        raise StmlError(
            f"The reference has no column '{column}'", where=path,
            do=f"choose one of {', '.join(map(str, adata.obs.columns[:12]))}",
        )  # fmt: skip
    if not column and not known:
        raise StmlError(
            "The column of types is not clear", where=path,
            do=f"name one of {', '.join(map(str, adata.obs.columns[:12]))}",
        )  # fmt: skip
    kinds = adata.obs[column or known[0]].astype("category")
    counts, names = adata.X, adata.var_names
    if counts is None or not _whole(counts):
        if adata.raw is not None and _whole(adata.raw.X):
            counts, names = adata.raw.X, adata.raw.var_names
        elif "counts" in adata.layers:
            counts = adata.layers["counts"]
        else:
            raise StmlError(
                "The reference holds no raw counts", where=path,
                do="save counts in X, in raw or in a layer called counts",
            )  # fmt: skip
    codes = np.asarray(kinds.cat.codes, dtype=np.int32)
    return csr_matrix(counts), codes, tuple(map(str, kinds.cat.categories)), tuple(map(str, names))


def _whole(matrix: Any) -> bool:
    values = np.asarray(matrix.data if hasattr(matrix, "indptr") else matrix).ravel()[:100_000]
    return bool(np.isfinite(values).all() and (values >= 0).all() and (values % 1 == 0).all())


def _result(
    spots: Any, shares: NDArray[np.float64], fit: NDArray[np.float64], types: tuple[str, ...],
    genes: tuple[tuple[str, ...], NDArray[np.float64]], params: DeconvolveParams, left: list[str],
) -> Result:  # fmt: skip
    known = np.isfinite(shares).all(axis=1)
    main = np.where(known, np.nan_to_num(shares).argmax(axis=1), -1)
    groups = [{"label": t, **five_numbers(shares[known, i])} for i, t in enumerate(types)]
    charts, too_large = fitting([
        boxes("shares", "Shares of the types", Axis("cell type"), Axis("share"), groups,
              (Link("category", types, value=draw.MAIN),)),
    ])  # fmt: skip
    notes = [
        f"{len(types)} types fitted to {len(genes[0])} genes, shares of {params.amounts}",
        f"median correlation of the fits {np.nanmedian(fit):.2f}",
    ]
    if left:
        notes.append(f"left out, too few cells: {', '.join(left)}")
    if not known.all():
        notes.append(f"{int((~known).sum())} spots fit no type: missing")
    mean = Table("mean shares", {
        "cell type": types, "mean share": np.nanmean(shares, axis=0),
        "spots where it is largest": np.bincount(main[main >= 0], minlength=len(types)),
    })  # fmt: skip
    each = [spots.values(f"share of {t}", shares[:, i]) for i, t in enumerate(types)]
    entropy = diversity.entropy(shares)
    return Result.of(
        spots.section.section, spots.matrix("proportions", shares, types),
        spots.labels(draw.MAIN, main, types), *each, spots.values("entropy", entropy, "bit"),
        spots.values("fit", fit),
        GeneValues("profiles", genes[0], genes[1], types), mean, *charts, shows=draw.MAIN,
        notes=(*notes, *too_large),
    )  # fmt: skip
