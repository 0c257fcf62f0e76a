"""The page about one trait: map, Cauchy table, quantiles, SNPs, genes with their maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_stml.figures.charts import chart_figure
from napari_stml.figures.html import Markup, escaped, listed, picture, table, tag
from napari_stml.figures.lettering import MM_PER_INCH, number
from napari_stml.figures.report import WARNING, whole_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_stml.core.charts import Chart

MAP_MM, SMALL_MM = 130.0, 75.0
Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class GeneMaps:
    """Pictures of one gene: its expression (None where it was not measured), its specificity."""

    gene: str
    words: str
    expression: bytes | None
    specificity: bytes


@dataclass(frozen=True)
class TraitPage:
    """What stands on the page; texts are plain and become markup nowhere.

    Attributes
    ----------
    facts, conditions
        Names and values: what was found, and what it was made with.
    cauchy, genes
        Rows of these tables, with their heads.
    """

    sample: str
    trait: str
    facts: Rows
    notes: tuple[str, ...]
    tissue: bytes
    cauchy: Rows
    charts: Mapping[str, Chart]
    genes: Rows
    maps: tuple[GeneMaps, ...]
    conditions: Rows


CAUCHY = ("Annotation", "Cauchy p", "Median p", "Spots", "Extreme, left out")
GENES = ("Gene", "Correlation", "Annotation", "Median specificity")


def trait_page(page: TraitPage) -> str:
    """Lay the page out: no script, no address outside of it."""
    body = [
        tag("h1", f"{page.trait} on {page.sample}"),
        tag("p", WARNING, class_="use"),
        table(page.facts),
        tag("h2", "Map"),
        tag("figure", picture(page.tissue, "png", f"Map of {page.trait}", width_mm=MAP_MM),
            tag("figcaption", "-log10 p of each spot, one-sided; empty rings were not tested")),
    ]  # fmt: skip
    if page.cauchy:
        body += [tag("h2", "Annotations"), table(page.cauchy, CAUCHY), *_charts(page, "cauchy")]
    else:
        body += [tag("h2", "Annotations"),
                 tag("p", "No annotation was given, so no p-values were combined.")]  # fmt: skip
    body += [tag("h2", "Diagnostics"), *_charts(page, "quantiles", "snps", "genes")]
    if "snps" not in page.charts:
        body.append(tag("p", "No Manhattan plot: the summary statistics or the places of the SNPs "
                        "were not at hand.", class_="small"))  # fmt: skip
    body += [tag("h2", "Genes"), table(page.genes, GENES)]
    if page.maps:
        body += [tag("h3", "Maps of the first genes"),
                 tag("p", "Click a gene to see where it is expressed and where it is specific.",
                     class_="small"), *map(_gene, page.maps)]  # fmt: skip
    if page.notes:
        body += [tag("h2", "Notes"), listed(page.notes)]
    body += [tag("h2", "Made with"), table(page.conditions)]
    return whole_page(f"{page.trait} on {page.sample}", body)


def _charts(page: TraitPage, *names: str) -> list[Markup]:
    drawn = []
    for name in names:
        chart = page.charts.get(name)
        if chart is None:
            continue
        drawing = chart_figure(chart, dpi=150)
        data, _ = drawing.encoded(".svg")
        width = float(drawing.figure.get_figwidth()) * MM_PER_INCH
        drawn.append(tag("figure", picture(data, "svg+xml", drawing.title, width_mm=width)))
    return [tag("div", *drawn, class_="charts")] if drawn else []


def _gene(maps: GeneMaps) -> Markup:
    pictures = [] if maps.expression is None else [("expression", maps.expression)]
    pictures.append(("specificity", maps.specificity))
    shown = [
        tag("figure", picture(data, "png", f"{maps.gene}: {what}", width_mm=SMALL_MM))
        for what, data in pictures
    ]
    lacking = [] if maps.expression else [tag("p", "Its expression is not in the sample.")]
    summary = tag("summary", tag("strong", maps.gene), escaped(f"  {maps.words}"))
    return tag("details", summary, tag("div", *shown, class_="charts"), *lacking)


def said(value: float) -> str:
    """A number as the tables write it."""
    return number(value)


def rows_of(columns: Sequence[Sequence[object]]) -> Rows:
    """Rows of texts from columns."""
    return tuple(
        tuple(said(v) if isinstance(v, float) else str(v) for v in row)
        for row in zip(*columns, strict=True)
    )
