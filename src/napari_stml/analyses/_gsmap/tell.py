"""The genes behind a trait map, and the regions that p-values are combined by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._gsmap import parts as made
from napari_stml.analyses._gsmap.charts import SnpPlaces, manhattan, neg_log10
from napari_stml.analyses._shared.charts import fitting, numbers
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.results import Table
from napari_stml.io.store.names import storable_name
from napari_stml.methods.gsmap.diagnostics import best_labels, gene_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.analyses._gsmap.params import TraitMapParams
    from napari_stml.analyses._gsmap.scores import Scores
    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.core.inputs import SectionInputs
    from napari_stml.io.gsmap.resource import SnpPart
    from napari_stml.io.gsmap.traits import Sumstats
    from napari_stml.methods.gsmap.diagnostics import GeneTable

BARS = 20
"""Genes of the chart."""


def gene_parts(
    spots: Inside, scored: Scores, mapped: Sequence[made.TraitSpots],
    labels: tuple[NDArray[np.integer] | None, Sequence[str]], traits: Sequence[Sumstats],
    part: SnpPart, params: TraitMapParams,
) -> tuple[list[Any], list[Chart]]:  # fmt: skip
    """Top genes of each trait: table, bars, Manhattan plot, and their specificity maps."""
    codes, names = labels
    best = None if codes is None else best_labels(scored.values, codes, names)
    tables: list[tuple[str, GeneTable]] = []
    charts: list[Chart] = []
    for trait, sumstats in zip(mapped, traits, strict=True):
        p = trait.p[spots.rows]
        table = gene_table(scored.values, scored.genes, neg_log10(p), best)
        tables.append((trait.name, table))
        top = table.genes[: params.top_genes]
        charts.append(gene_bars(trait.name, table))
        plot = manhattan(
            storable_name(f"manhattan_{trait.name}"), f"{trait.name}: SNPs",
            snp_p(part.names, sumstats), SnpPlaces(part.chromosome, part.bp, part.gene), top,
        )  # fmt: skip
        charts += [plot] if plot is not None else []
    kept, _ = fitting(charts)
    parts: list[Any] = [_table(tables, params.top_genes)]
    chosen = list(dict.fromkeys(g for _, t in tables for g in t.genes[: params.top_genes]))
    if chosen:
        place = {g: i for i, g in enumerate(scored.genes)}
        values = np.asarray(scored.values[:, [place[g] for g in chosen]], dtype=np.float32)
        parts.append(spots.matrix(made.SPECIFICITY, values, chosen))
    return parts, list(kept)


def gene_bars(trait: str, table: GeneTable) -> Chart:
    genes = table.genes[:BARS]
    data = {"gene": list(genes), "correlation": numbers(table.correlation[:BARS])}
    return Chart(
        storable_name(f"genes_{trait}"), "bar", f"{trait}: genes that follow the map",
        Axis("gene"), Axis("correlation with -log10 p"), data, (Link("gene", tuple(genes)),),
    )  # fmt: skip


def _table(tables: Sequence[tuple[str, GeneTable]], most: int) -> Table:
    rows = [(trait, t, i) for trait, t in tables for i in range(min(max(most, BARS), len(t.genes)))]
    return Table(made.GENES, {
        "trait": tuple(trait for trait, _, _ in rows),
        "gene": tuple(t.genes[i] for _, t, i in rows),
        "correlation": np.array([t.correlation[i] for _, t, i in rows]),
        "label": tuple(t.label[i] for _, t, i in rows),
        "median_specificity": np.array([t.median[i] for _, t, i in rows]),
    })  # fmt: skip


def snp_p(snps: NDArray[np.object_], sumstats: Sumstats) -> NDArray[np.float64]:
    """Two-sided p of these SNPs; NaN where the trait does not have them."""
    import pandas as pd
    from scipy.special import ndtr

    first = ~pd.Index(sumstats.snps, dtype=object).duplicated()
    names = pd.Index(sumstats.snps[first], dtype=object)
    place = names.get_indexer(pd.Index(snps, dtype=object))
    z = np.abs(sumstats.z[first].astype(np.float64))
    p = np.clip(2 * ndtr(-z), 1e-300, 1)
    return np.where(place >= 0, p[place], np.nan)


def regions_of(section: SectionInputs) -> made.Groups:
    """The class of the drawn region each observation lies in; the last drawn one wins."""
    import shapely

    regions = section["regions"]
    names = tuple(dict.fromkeys(r.kind or r.name or "region" for r in regions))
    codes = np.full(len(section.names), -1, dtype=np.int32)
    for region in regions:
        hit = shapely.intersects_xy(shapely.from_wkb(region.outline), *section.xy.T)
        codes[hit & section.inside] = names.index(region.kind or region.name or "region")
    return made.Groups(made.REGIONS, codes, names)
