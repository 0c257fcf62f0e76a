"""Charts of niches: composition, co-localisation, boxes, bars against the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.charts import (
    boxes,
    five_numbers,
    numbers,
    table_of,
    violin_of,
    violins,
)
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.colours import palette
from napari_stml.methods.niches import together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.methods.niches.contacts import Contacts

NICHES, MAIN = "niches", "main type"
MOST_LOG2 = 5.0
"""Colours end here: a type that is missing altogether has no logarithm."""
MOST_VIOLINS = 60
"""More of them in one chart are drawn as boxes."""


def composition(
    shares: NDArray[Any], niche: NDArray[Any], niches: Sequence[str], types: Sequence[str],
    frequency: NDArray[Any], value: str,
) -> Chart:  # fmt: skip
    """Heat map of log2 enrichment: what each niche has more or less of than the whole."""
    means = together.mean_by(shares, niche, len(niches))
    log2 = np.clip(together.log2_enrichment(means, frequency), -MOST_LOG2, MOST_LOG2)
    links = (Link("category", tuple(niches), value=NICHES),
             Link("category", tuple(types), value=value))  # fmt: skip
    notes = ("log2 of the share in the niche over the overall share",)
    return table_of("niche components", "What the niches are made of", ("niche", niches),
                    ("cell type", types), log2, links, notes=notes)  # fmt: skip


def shares_by_niche(
    shares: NDArray[Any], niche: NDArray[Any], niches: Sequence[str], types: Sequence[str]
) -> Chart | None:
    """Every type's share in every niche: violins, boxes of many; None of too many to read."""
    if len(niches) * len(types) > 400:
        return None
    shape = violin_of if len(niches) * len(types) <= MOST_VIOLINS else five_numbers
    draw = violins if shape is violin_of else boxes
    known = np.isfinite(shares).all(axis=1)
    groups = [
        {"panel": kind, "label": name, **shape(shares[known & (niche == i), g])}
        for g, kind in enumerate(types)
        for i, name in enumerate(niches)
    ]
    link = Link("category", tuple(str(g["label"]) for g in groups), value=NICHES)
    return draw("niche boxes", "Shares by niche", Axis("niche"), Axis("share"), groups, (link,))


def colocalisation(
    values: NDArray[Any],
    types: Sequence[str],
    value: str,
    *,
    name: str,
    title: str,
    notes: tuple[str, ...],
) -> Chart:
    """A matrix of types against types, empty on the diagonal."""
    shown = np.array(values, dtype=np.float64)
    np.fill_diagonal(shown, np.nan)
    order = alike(shown)
    names = tuple(types[i] for i in order)
    link = Link("category", names, value=value)
    return table_of(name, title, ("cell type", names), ("cell type", names),
                    shown[np.ix_(order, order)], (link, link), notes=notes)  # fmt: skip


def alike(values: NDArray[Any]) -> list[int]:
    """An order in which like rows are neighbours (average linkage)."""
    n = len(values)
    if n < 3:
        return list(range(n))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import pdist

    filled = np.nan_to_num(np.array(values, dtype=np.float64), posinf=0, neginf=0)
    np.fill_diagonal(filled, np.abs(filled).max(initial=0))
    tree = linkage(pdist(filled), "average", optimal_ordering=n <= 60)
    return [int(i) for i in leaves_list(tree)]


def perplexity_boxes(groups: Sequence[tuple[str, NDArray[Any]]], value: str = "") -> Chart:
    """Perplexity of several groups of cells, as violins with boxes."""
    known = [{"label": name, **violin_of(v[np.isfinite(v)])} for name, v in groups]
    links = (Link("category", tuple(name for name, _ in groups), value=value),) if value else ()
    name = "perplexity by niche" if value else "selection perplexity"
    return violins(name, "Mixing of the neighbourhoods", Axis(""), Axis("perplexity"),
                   known, links)  # fmt: skip


def against_rest(
    here: NDArray[Any], rest: NDArray[Any], types: Sequence[str], value: str, title: str,
    named: str = "rest",
) -> Chart:  # fmt: skip
    """Bars of the composition of what is selected beside that of the rest, or of others."""
    data = {"cell type": list(types), "selected": numbers(here), named: numbers(rest)}
    link = Link("category", tuple(types), value=value)
    return Chart("selection composition", "bar", title, Axis("cell type"), Axis("share"), data,
                 (link,))  # fmt: skip


def contact_matrix(
    found: Contacts,
    types: Sequence[str],
    value: str,
    title: str = "Contacts",
    name: str = "contact enrichment",
) -> Chart:
    link = Link("category", tuple(types), value=value)
    notes = (
        f"z of {found.edges:,} contacts against shuffled labels, exact:",
        "above 2 more often side by side than by chance, below -2 less",
    )
    return table_of(name, title, ("cell type", types), ("cell type", types), found.z,
                    (link, link), notes=notes)  # fmt: skip


def network(
    weights: NDArray[Any], types: Sequence[str], niches: Sequence[str], sizes: NDArray[Any],
    value: str, niche_value: str, share: float = 0.25,
) -> Chart:  # fmt: skip
    """Types and niches; the strongest quarter of the edges, and each node's strongest one."""
    order = alike(weights)
    weights, sizes = weights[np.ix_(order, order)], np.asarray(sizes)[order]
    every = [(t, "cell type") for t in types] + [(n, "niche") for n in niches]
    placed = [every[i] for i in order]
    names = [name if kind == "cell type" else f"niche {name}" for name, kind in placed]
    upper = np.triu(weights, 1)
    ends = np.argwhere(upper > 0)
    strength = upper[upper > 0]
    if len(strength):
        kept = strength >= np.quantile(strength, 1 - share)
        best = {tuple(sorted((i, int(row.argmax())))) for i, row in enumerate(weights) if row.any()}
        kept |= np.array([tuple(e) in best for e in ends.tolist()])
        ends, strength = ends[kept], strength[kept]
    data = {
        "nodes": names, "size": numbers(sizes),
        "kind": [kind for _, kind in placed],
        "colour": [_colour(name, types if kind == "cell type" else niches)
                   for name, kind in placed],
        "from": [names[i] for i, _ in ends], "to": [names[j] for _, j in ends],
        "weight": numbers(strength),
    }  # fmt: skip
    links = tuple(
        Link("category", tuple(name if k == kind else "" for name, k in placed), value=which)
        for kind, which in (("cell type", value), ("niche", niche_value))
    )
    notes = (
        "edge: one over the mean steps from cell to cell, at most 3;",
        "the strongest quarter of them and the strongest of every node.",
        "Frequent groups are near everything: see the table of steps by chance.",
    )
    return Chart("network", "network", "Cell types and niches", Axis(""), Axis(""), data,
                 links if niches else links[:1], notes)  # fmt: skip


def _colour(name: str, names: Sequence[str]) -> str:
    """The colour that the category has on the tissue."""
    rgb = palette(names)[list(names).index(name)][:3]
    return "#" + "".join(f"{round(255 * float(c)):02x}" for c in rgb)
