"""Charts of trait maps: annotations by Cauchy p, quantiles against chance, SNPs by place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.charts import numbers
from napari_stml.core.charts import Axis, Chart, Link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_stml.methods.gsmap.cauchy import Combined

MOST_POINTS = 1500
PLACES = "places"
"""Where the spots lie, for small maps: (x, -y)."""
SUGGESTIVE, GENOME_WIDE = 1e-5, 5e-8
BETWEEN_MB = 15.0
"""Room between chromosomes."""


def neg_log10(p: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(-np.log10(np.clip(p, 1e-300, 1.0)), dtype=np.float64)


def cauchy_bars(
    name: str, title: str, found: Mapping[str, Sequence[Combined]], value: str
) -> Chart:
    """One bar per annotation and trait; a click lights the annotation up on the tissue."""
    labels = list(dict.fromkeys(c.name for rows in found.values() for c in rows))
    data: dict[str, Any] = {value: labels}
    for trait, rows in found.items():
        by_name = {c.name: c.p for c in rows}
        known = np.array([by_name.get(label, np.nan) for label in labels])
        data[trait] = numbers(neg_log10(known))
    link = Link("category", tuple(labels), value=value)
    return Chart(name, "bar", title, Axis(value), Axis("-log10 Cauchy p"), data, (link,))


def quantiles(name: str, title: str, p: NDArray[np.float64]) -> Chart:
    """Observed against expected -log10 p of the spots; thinned where they lie close."""
    known = np.sort(p[np.isfinite(p)])
    n = len(known)
    expected = neg_log10((np.arange(1, n + 1) - 0.5) / max(n, 1))
    rows = _thinned(n)
    data = {"expected": numbers(expected[rows]), "spots": numbers(neg_log10(known[rows])),
            "by chance": numbers(expected[rows])}  # fmt: skip
    with np.errstate(invalid="ignore"):
        share = float((known < 0.05).mean()) if n else float("nan")
    return Chart(
        name, "scatter", title, Axis("expected -log10 p"), Axis("observed -log10 p"), data,
        notes=(f"{100 * share:.1f} % of {n} spots have p < 0.05 (5 % by chance)",),
    )  # fmt: skip


def side_by_side(values: Mapping[str, str]) -> Chart:
    """Small maps of all traits, by the names of their stored values, in one scale."""
    data = {
        "x": {"value": PLACES, "column": 0}, "y": {"value": PLACES, "column": 1},
        "panels": [{"value": name, "title": trait} for trait, name in values.items()],
    }  # fmt: skip
    return Chart("traits", "scatter", "-log10 p of all traits, in one scale", Axis(""), Axis(""),
                 data, (Link("observations", ()),))  # fmt: skip


@dataclass(frozen=True)
class SnpPlaces:
    """Where SNPs lie, and the gene each belongs to ("" for none)."""

    chromosome: NDArray[np.int64]
    bp: NDArray[np.int64]
    gene: NDArray[np.object_]


def manhattan(
    name: str, title: str, p: NDArray[np.float64], places: SnpPlaces, top: Sequence[str]
) -> Chart | None:
    """Smallest p of the SNPs of genes along the genome; those of the top genes stand out."""
    mapped = np.flatnonzero((places.gene != "") & np.isfinite(p) & (places.bp > 0))
    if not len(mapped):
        return None
    order = mapped[np.argsort(p[mapped], kind="stable")]
    special = np.isin(places.gene[order], np.array(top, dtype=object))
    chosen = np.concatenate([order[special][: MOST_POINTS // 3], order[~special][:MOST_POINTS]])
    chosen = chosen[np.lexsort((places.bp[chosen], places.chromosome[chosen]))]
    at = _genome_mb(places)[chosen]
    special = np.isin(places.gene[chosen], np.array(top, dtype=object))
    height = neg_log10(p[chosen])
    odd = places.chromosome[chosen] % 2 == 1
    series = {"odd chromosomes": odd & ~special, "even chromosomes": ~odd & ~special,
              "SNPs of top genes": special}  # fmt: skip
    data = {"position": [round(float(v), 2) for v in at]}
    data |= {n: numbers(np.where(own, height, np.nan)) for n, own in series.items() if own.any()}
    return Chart(
        name, "scatter", title, Axis("position on the genome", "Mb"), Axis("-log10 p"), data,
        (Link("gene", tuple(str(g) for g in places.gene[chosen])),),
        (f"the smallest {len(chosen)} of {len(mapped)} p-values of SNPs at genes; suggestive from "
         f"{-np.log10(SUGGESTIVE):g}, genome-wide from {-np.log10(GENOME_WIDE):.1f}",),
    )  # fmt: skip


def _genome_mb(places: SnpPlaces) -> NDArray[np.float64]:
    """Positions of all chromosomes one after the other."""
    out, start = np.zeros(len(places.bp)), 0.0
    for number in np.unique(places.chromosome):
        own = places.chromosome == number
        out[own] = start + places.bp[own] / 1e6
        start = float(out[own].max()) + BETWEEN_MB
    return out


def _thinned(n: int) -> NDArray[np.int64]:
    """All of the smallest, ever fewer of the rest."""
    if n <= MOST_POINTS:
        return np.arange(n)
    rest = np.geomspace(MOST_POINTS // 2, n - 1, MOST_POINTS // 2).astype(np.int64)
    return np.unique(np.concatenate([np.arange(MOST_POINTS // 2), rest]))
