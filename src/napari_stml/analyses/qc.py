"""Quality control: what every spot holds, and which spots are too poor to be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.charts import histogram, of_stored, sizes
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at, span
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis
from napari_stml.core.params import param
from napari_stml.core.results import GeneValues, Result
from napari_stml.methods.expression import quality
from napari_stml.methods.expression.normalise import row_totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

KEPT = "kept"
REASONS = (KEPT, "no counts", "few counts", "few genes", "many mitochondrial")
TOP = 50


class QcParams(FromTable):
    deviations: float = param(
        5.0, title="Outliers beyond", unit="MADs", ge=0, le=20, step=0.5,
        help="Remove spots this many median absolute deviations below the usual counts or genes, "
        "or above the usual mitochondrial share. 0 uses only the fixed limits below.",
    )  # fmt: skip
    least_counts: int = param(
        1, title="At least counts", unit="counts", ge=0,
        help="Remove spots with fewer counts (UMIs).",
    )  # fmt: skip
    least_genes: int = param(
        1, title="At least genes", unit="genes", ge=0, help="Remove spots with fewer genes."
    )
    most_mitochondrial: float = param(
        100.0, title="At most mitochondrial", unit="%", ge=0, le=100,
        help="Remove spots with a larger share of mitochondrial counts: damaged or dying tissue. "
        "100 sets no fixed limit.",
    )  # fmt: skip
    least_spots: int = param(
        3, title="A gene is seen in at least", unit="spots", ge=1, rare=True,
        help="Genes in fewer spots are marked as not kept.",
    )  # fmt: skip
    mitochondrial: tuple[str, ...] = param(
        ("MT-", "mt-"), title="Mitochondrial genes begin with", rare=True,
        help="Written exactly so; MT- for human, mt- for mouse.",
    )  # fmt: skip
    ribosomal: tuple[str, ...] = param(
        ("RPS", "RPL", "Rps", "Rpl"), title="Ribosomal genes begin with", rare=True,
        help="Written exactly so.",
    )  # fmt: skip


@register
class Qc:
    """Counts, genes and shares per spot; spots kept or removed, with the reason."""

    name = "qc"
    title = "Quality control"
    tab = "prepare"
    order = 10
    sections = "one"
    context = "inside"
    gives = (
        *("passes", "reason", "counts", "genes", "mitochondrial", "ribosomal"),
        f"top {TOP} genes",
    )
    Params = QcParams

    def needs(self, params: QcParams) -> Mapping[str, Need]:
        return {"counts": params.expression("counts")}

    def run(self, inputs: Inputs, params: QcParams) -> Steps:
        spots = inside(inputs.one)
        yield at(0, "reading counts")
        counts, genes = spots.expression("counts", counts=True)
        total = row_totals(counts)
        number = np.diff(counts.indptr).astype(np.float64)
        mito_genes = quality.named(genes, params.mitochondrial)
        ribo_genes = quality.named(genes, params.ribosomal)
        mito, ribo = quality.share(counts, mito_genes), quality.share(counts, ribo_genes)
        top = yield from span(
            quality.share_of_top(counts, TOP), 10, 70, f"share of the {TOP} largest genes"
        )
        yield at(70, "limits")
        limits, notes = _limits(params, total, number, mito)
        reason = _reasons(limits, total, number, mito)
        kept = int((reason == 0).sum())
        seen = np.bincount(counts.indices, minlength=len(genes))
        good = seen >= params.least_spots
        of_gene = np.bincount(counts.indices, counts.data, minlength=len(genes))
        per_gene = np.column_stack([seen, 100 * seen / len(spots), of_gene, good])
        yield at(90, "charts")
        notes = (
            f"{kept} of {len(spots)} spots kept",
            *notes,
            f"{int(mito_genes.sum())} mitochondrial and {int(ribo_genes.sum())} ribosomal genes",
            f"{int(good.sum())} of {len(genes)} genes seen in at least {params.least_spots} spots",
            "a spot with several reasons shows the first of: " + ", ".join(REASONS[1:]),
        )
        axes = (Axis("counts", log=True), Axis("genes"), Axis("mitochondrial", "%"))
        parts = (
            spots.labels("passes", np.where(reason == 0, 0, 1), (KEPT, "removed")),
            spots.labels("reason", reason, REASONS),
            spots.values("counts", total),
            spots.values("genes", number),
            spots.values("mitochondrial", mito, "%"),
            spots.values("ribosomal", ribo, "%"),
            spots.values(f"top {TOP} genes", top, "%"),
            GeneValues(
                "genes seen", genes, per_gene, ("spots", "spots_percent", "counts", "kept")
            ),
            histogram("counts of spots", "Counts per spot", axes[0], total),
            histogram("genes of spots", "Genes per spot", axes[1], number),
            histogram("mitochondrial share", "Mitochondrial share", axes[2], mito),
            sizes("reasons", "Spots kept and removed", "reason", REASONS, reason),
            of_stored(
                "counts and genes", "Counts against genes", (axes[0], "counts", None),
                (axes[1], "genes", None), colour="reason",
            ),
        )  # fmt: skip
        return Result.of(inputs.one.section, *parts, shows="passes", notes=notes)


def _limits(
    params: QcParams, total: NDArray[Any], number: NDArray[Any], mito: NDArray[Any]
) -> tuple[tuple[float, float, float], tuple[str, ...]]:
    """The stricter of fixed limit and outlier limit for each measure, and what they came to."""
    counts, genes = float(params.least_counts), float(params.least_genes)
    share = params.most_mitochondrial
    if params.deviations > 0:
        low = quality.deviation_limits(np.log1p(total[total > 0]), params.deviations)
        counts = max(counts, float(np.expm1(low[0]))) if low else counts
        low = quality.deviation_limits(np.log1p(number[number > 0]), params.deviations)
        genes = max(genes, float(np.expm1(low[0]))) if low else genes
        high = quality.deviation_limits(mito, params.deviations)
        share = min(share, high[1]) if high else share
    at_most = f"at most {share:.3g} % mitochondrial" if share < 100 else "any mitochondrial share"
    notes = (f"limits: at least {counts:.4g} counts and {genes:.4g} genes", at_most)
    return (counts, genes, share), notes


def _reasons(
    limits: tuple[float, float, float],
    total: NDArray[Any],
    number: NDArray[Any],
    mito: NDArray[Any],
) -> NDArray[np.int32]:
    reason = np.zeros(len(total), dtype=np.int32)
    reason[np.nan_to_num(mito) > limits[2]] = 4
    reason[number < limits[1]] = 3
    reason[total < limits[0]] = 2
    reason[total == 0] = 1
    return reason
