"""The parts of a training or a prediction: maps, tables, charts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.charts import numbers
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.results import Part, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.methods.expression_models.scores import Scores

MOST_SHOWN = 4
MOST_BARS = 60
UNIT = "log1p per 10,000"


def maps(
    spots: Inside, found: NDArray[Any], wanted: NDArray[Any] | None, genes: Sequence[str],
    best: Sequence[int], spread: NDArray[Any] | None = None, unit: str = UNIT,
) -> list[Part]:  # fmt: skip
    """Predicted, measured and difference: all genes as matrices, the best as values to paint."""
    parts: list[Part] = []
    for i in best[:MOST_SHOWN]:
        parts.append(spots.values(f"predicted {genes[i]}", found[:, i], unit))
        if wanted is not None:
            parts.append(spots.values(f"measured {genes[i]}", wanted[:, i], unit))
            gap = found[:, i] - wanted[:, i]
            parts.append(spots.values(f"difference {genes[i]}", gap, unit, "diverging"))
    parts.append(replace(spots.matrix("predicted", found, genes), genes=True))
    if wanted is not None:
        parts.append(spots.matrix("measured", wanted, genes))
        parts.append(spots.matrix("difference", found - wanted, genes))
    if spread is not None:
        parts.append(spots.values("uncertainty", spread.mean(axis=1), unit))
        parts.append(spots.matrix("uncertainty of genes", spread, genes))
    return parts


def pathway_maps(
    spots: Inside, scores: NDArray[Any] | None, names: Sequence[str], sizes: Sequence[int] = ()
) -> list[Part]:
    """Scores of pathways; of those with most members the most varied are values to paint."""
    if scores is None:
        return []
    names = names or [f"token {i + 1}" for i in range(scores.shape[1])]
    known = np.asarray(sizes or [1] * len(names))
    varied = np.where(known >= max(1, np.median(known)), scores.std(axis=0), -1.0)
    order = np.argsort(-varied, kind="stable")[:MOST_SHOWN]
    parts: list[Part] = [spots.values(f"pathway {names[i]}", scores[:, i]) for i in order]
    return [*parts, spots.matrix("pathways", scores, names)]


def score_table(genes: Sequence[str], own: Scores, other: Scores | None, title: str) -> Table:
    """One row per gene, the best first."""
    order = np.argsort(-own.r, kind="stable")
    columns: dict[str, Any] = {"gene": tuple(genes[i] for i in order), "r": own.r[order]}
    if other is not None:
        columns[f"r, {title}"] = other.r[order]
        columns["gain"] = (own.r - other.r)[order]
    columns["squared error"] = own.mse[order]
    columns["variance ratio"] = own.variance[order]
    return Table("scores", columns)


def score_chart(genes: Sequence[str], own: Scores, other: Scores | None, names: Any) -> Chart:
    """Held-out r of each gene, beside the baseline's."""
    order = np.argsort(-own.r, kind="stable")[:MOST_BARS]
    data: dict[str, Any] = {"gene": [genes[i] for i in order], names[0]: numbers(own.r[order])}
    if other is not None:
        data[names[1]] = numbers(other.r[order])
    link = Link("gene", tuple(genes[i] for i in order))
    more = f" (best {MOST_BARS})" if len(genes) > MOST_BARS else ""
    return Chart("held-out r", "bar", f"Held-out r by gene{more}", Axis("gene"),
                 Axis("Pearson r"), data, (link,))  # fmt: skip


def curve_chart(history: Sequence[Any]) -> Chart:
    """Loss and the stopping score by epoch."""
    data: dict[str, Any] = {
        "epoch": [e.number + 1 for e in history],
        "loss": numbers(np.array([e.loss for e in history])),
        "r, stopping spots": numbers(np.array([e.r for e in history])),
    }
    more = {"variance ratio": [e.variance for e in history],
            "likeness of pathway tokens": [e.alike for e in history]}  # fmt: skip
    data |= {k: numbers(np.array(v)) for k, v in more.items() if np.isfinite(v).any()}
    return Chart("training", "line", "Training", Axis("epoch"), Axis("loss and r"), data)
