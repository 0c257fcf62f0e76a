"""What a trait map leaves: values of the spots, tables, charts; shared with opened results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._gsmap.charts import (
    PLACES,
    cauchy_bars,
    neg_log10,
    quantiles,
    side_by_side,
)
from napari_stml.analyses._shared.charts import fitting
from napari_stml.core.results import Labels, Matrix, Table, Values
from napari_stml.io.store.names import storable_name
from napari_stml.methods.gsmap.cauchy import by_label
from napari_stml.methods.gsmap.thresholds import Rule, cut_off

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_stml.core.charts import Chart
    from napari_stml.core.inputs import SectionInputs
    from napari_stml.methods.gsmap.cauchy import Combined

    F64 = NDArray[np.float64]

SIGNIFICANCE = ("not significant", "significant", "not tested")
ANNOTATION, REGIONS = "annotation", "region"
GENES, SPECIFICITY = "genes", "specificity"
OF_P = "_neg_log10_p"


@dataclass(frozen=True)
class TraitSpots:
    """One trait over all observations of a section; NaN where it was not tested."""

    name: str
    z: F64
    p: F64


@dataclass(frozen=True)
class Groups:
    """A label per observation, by which p-values are combined."""

    name: str
    codes: NDArray[np.int32]
    names: tuple[str, ...]


def p_name(trait: str) -> str:
    return storable_name(f"{trait}{OF_P}")


def z_name(trait: str) -> str:
    return storable_name(f"{trait}_z")


def significance_name(trait: str) -> str:
    return storable_name(f"{trait}_significant")


def significance(
    section: SectionInputs, trait: TraitSpots, level: float, rule: Rule
) -> tuple[Labels, float]:
    """Spots by whether they pass, those not tested apart; and the largest p that does."""
    cut = cut_off(trait.p, level, rule)
    tested = np.isfinite(trait.p)
    below = tested & ((trait.p < cut) if rule != "FDR" else (trait.p <= cut) & (cut > 0))
    codes = np.where(tested, below.astype(np.int32), 2)
    codes = np.where(section.inside, codes, -1).astype(np.int32)
    colours = ("#c8d6e5", "#d73027", "#9e9e9e")
    return Labels(significance_name(trait.name), codes, SIGNIFICANCE, colours), cut


def parts_of(
    section: SectionInputs, traits: Sequence[TraitSpots], groups: Sequence[Groups], *,
    level: float = 0.05, rule: Rule = "Bonferroni",
) -> tuple[list[Any], list[Chart], list[str]]:  # fmt: skip
    """Values and labels of all traits, tables and charts of their groups, and notes."""
    parts: list[Any] = []
    notes: list[str] = []
    for trait in traits:
        labels, cut = significance(section, trait, level, rule)
        parts.append(Values(p_name(trait.name), neg_log10_of(trait.p)))
        if np.isfinite(trait.z).any():
            parts.append(Values(z_name(trait.name), trait.z.astype(np.float32), scale="diverging"))
        parts.append(labels)
        tested = int(np.isfinite(trait.p).sum())
        missing = int(section.inside.sum()) - tested
        said = f"{trait.name}: {int((labels.codes == 1).sum())} of {tested} spots significant "
        said += f"({rule} {level:g}, p < {cut:.2g})"
        notes.append(said + (f"; {missing} not tested" if missing else ""))
    charts: list[Chart] = []
    if len(traits) > 1:
        places = np.where(section.inside[:, None], section.xy * (1, -1), np.nan)
        parts.append(Matrix(PLACES, places.astype(np.float32), ("x", "-y")))
        charts.append(side_by_side({t.name: p_name(t.name) for t in traits}))
    for group in groups:
        parts.append(Labels(group.name, group.codes, group.names))
        combined = {t.name: by_label(t.p, group.codes, group.names) for t in traits}
        parts.append(_table(group.name, combined))
        title = f"Cauchy combination by {group.name}"
        charts.append(cauchy_bars(f"cauchy_{group.name}", title, combined, group.name))
        notes += [_best(trait, group.name, rows) for trait, rows in combined.items() if rows]
        notes += [
            f"{trait}: {sum(c.removed for c in rows)} extreme spots left out of the combination"
            for trait, rows in combined.items() if any(c.removed for c in rows)
        ]  # fmt: skip
    for trait in traits:
        name = storable_name(f"qq_{trait.name}")
        charts.append(quantiles(name, f"{trait.name}: p-values of the spots", trait.p))
    kept, lost = fitting(charts)
    return parts, list(kept), [*notes, *lost]


def neg_log10_of(p: F64) -> NDArray[np.float32]:
    return neg_log10(p).astype(np.float32)


def _table(name: str, found: Mapping[str, Sequence[Combined]]) -> Table:
    rows = [(trait, c) for trait, each in found.items() for c in each]
    return Table(f"cauchy_{name}_table", {
        "trait": tuple(t for t, _ in rows),
        name: tuple(c.name for _, c in rows),
        "p_cauchy": np.array([c.p for _, c in rows]),
        "p_median": np.array([c.median for _, c in rows]),
        "spots": np.array([c.spots for _, c in rows]),
        "extreme": np.array([c.removed for _, c in rows]),
    })  # fmt: skip


def _best(trait: str, group: str, rows: Sequence[Combined]) -> str:
    return f"{trait}: first by {group} is {rows[0].name} (Cauchy p {rows[0].p:.2g})"
