"""gsMap's step 6: what a trait's page shows, read from the folders of a sample."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._gsmap.charts import (
    SnpPlaces,
    cauchy_bars,
    manhattan,
    neg_log10,
    quantiles,
)
from napari_stml.analyses._gsmap.steps import positions
from napari_stml.analyses._gsmap.tables import labels_by_spot
from napari_stml.analyses._gsmap.tell import gene_bars, snp_p
from napari_stml.analyses._shared.progress import at
from napari_stml.core.errors import StmlError
from napari_stml.io.gsmap.gene_places import read_homologs
from napari_stml.io.gsmap.results import whole_trait
from napari_stml.io.gsmap.tables import by_chromosome, read_table
from napari_stml.io.gsmap.traits import read_sumstats
from napari_stml.io.gsmap.tree import ResultTree, need, noted, read_sample, read_scores
from napari_stml.methods.gsmap.cauchy import by_label
from napari_stml.methods.gsmap.diagnostics import best_labels, gene_table

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_stml.core.charts import Chart
    from napari_stml.core.progress import Progress
    from napari_stml.methods.gsmap.cauchy import Combined
    from napari_stml.methods.gsmap.diagnostics import GeneTable

    F64 = NDArray[np.float64]


@dataclass(frozen=True)
class ReportChoice:
    """Which genes get maps, and where the trait's SNPs are; the flags of ``run_report``."""

    annotation: str = ""
    top_genes: int = 50
    selected: tuple[str, ...] = ()
    sumstats: str = ""


@dataclass(frozen=True)
class Findings:
    """One trait of one sample, ready to be written.

    Attributes
    ----------
    labels
        Of each spot by name; None without an annotation.
    shown
        The genes that get maps.
    """

    sample: str
    trait: str
    spots: tuple[str, ...]
    xy: F64
    p: F64
    labels: NDArray[np.object_] | None
    cauchy: tuple[Combined, ...]
    genes: GeneTable
    shown: tuple[str, ...]
    charts: dict[str, Chart]
    conditions: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    specificity: dict[str, F64]
    expression: dict[str, F64] = field(default_factory=dict)


def findings(
    tree: ResultTree, trait: str, choice: ReportChoice
) -> Generator[Progress, None, Findings]:
    """Read what the earlier steps left, and compute the genes and charts anew."""
    import pandas as pd

    yield at(0, "reading the scores")
    genes, spots, values = read_scores(need(tree.scores, "run-latent-to-gene"))
    table = whole_trait(tree, trait)
    p: F64 = np.asarray(pd.Series(table.p, index=table.spots).reindex(list(spots)), np.float64)
    data = read_sample(need(tree.latent, "run-latent-to-gene"))
    xy = pd.DataFrame(positions(data, tree.latent), index=data.obs_names).reindex(list(spots))
    labels, best = None, None
    cauchy: tuple[Combined, ...] = ()
    if choice.annotation:
        column = labels_by_spot(tree, choice.annotation).reindex(list(spots)).astype("category")
        codes, names = np.asarray(column.cat.codes), tuple(map(str, column.cat.categories))
        labels = column.to_numpy(dtype=object)
        best, cauchy = best_labels(values, codes, names), by_label(p, codes, names)
    yield at(20, "genes")
    found = gene_table(values, genes, neg_log10(p), best)
    shown = _shown(choice, found.genes, genes)
    charts: dict[str, Chart] = {
        "quantiles": quantiles("qq", "p-values of the spots", p),
        "genes": gene_bars(trait, found),
    }
    if cauchy:
        title = f"Cauchy combination by {choice.annotation}"
        charts["cauchy"] = cauchy_bars("cauchy", title, {trait: cauchy}, choice.annotation)
    yield at(30, "SNPs")
    plot, said = _snps(tree, trait, choice, shown)
    if plot is not None:
        charts["snps"] = plot
    place = {g: i for i, g in enumerate(genes)}
    return Findings(
        tree.sample, trait, spots, xy.to_numpy(dtype=np.float64), p, labels, cauchy, found, shown,
        charts, _conditions(tree, trait), said,
        {g: np.asarray(values[:, place[g]], dtype=np.float64) for g in shown},
        _expression(tree, data, spots, shown),
    )  # fmt: skip


def _shown(choice: ReportChoice, sorted_genes: Sequence[str], known: Sequence[str]) -> Any:
    unknown = [g for g in choice.selected if g not in set(known)]
    if unknown:
        raise StmlError(
            f"There are no scores of {', '.join(unknown)}", where="--selected_genes",
            do="name genes of the specificity scores, by their human names",
        )  # fmt: skip
    return choice.selected or tuple(sorted_genes[: choice.top_genes])


def _snps(
    tree: ResultTree, trait: str, choice: ReportChoice, top: Sequence[str]
) -> tuple[Chart | None, tuple[str, ...]]:
    """The Manhattan plot, where the summary statistics and the places of the SNPs are there."""
    path = choice.sumstats or str(noted(tree.spots(trait)).get("trait", ""))
    files = by_chromosome(tree.ld / "SNP_gene_pair" / "SNP_gene_pair_chr", "")
    if not path or not files:
        return None, ("no Manhattan plot: give --sumstats_file, and keep the SNP_gene_pair files",)
    if not Path(path).is_file():
        if choice.sumstats:
            raise StmlError("There is no such file", where=path, do="correct --sumstats_file")
        return None, (f"no Manhattan plot: {path} is no longer there; give --sumstats_file",)
    import pandas as pd

    whole = pd.concat([read_table(p).assign(_c=c) for c, p in files.items()])
    sums = read_sumstats(path, trait)
    p = snp_p(whole["SNP"].to_numpy(dtype=object), sums)
    places = SnpPlaces(
        whole["_c"].to_numpy(dtype=np.int64), whole["BP"].to_numpy(dtype=np.int64),
        whole["gene_name"].fillna("").to_numpy(dtype=object),
    )  # fmt: skip
    return manhattan("manhattan", f"{trait}: SNPs", p, places, top), ()


def _expression(
    tree: ResultTree, data: Any, spots: Sequence[str], shown: Sequence[str]
) -> dict[str, F64]:
    """Of the genes that the sample has, also where it names them as another species does."""
    own = {str(g): str(g) for g in data.var_names}
    listed = str(noted(tree.scores).get("homologs", ""))
    if listed and Path(listed).is_file():
        own |= {human: gene for gene, human in read_homologs(listed).human.items() if gene in own}
    here = data[list(spots)]
    found = {}
    for gene in shown:
        if own.get(gene) in data.var_names:
            column = here[:, [own[gene]]].X
            dense = column.toarray() if hasattr(column, "toarray") else column
            found[gene] = np.asarray(dense, dtype=np.float64).ravel()
    return found


def _conditions(tree: ResultTree, trait: str) -> tuple[tuple[str, str], ...]:
    """What the steps noted about themselves."""
    steps = (("step 1", tree.latent), ("step 2", tree.scores), ("step 3", tree.ld_done),
             ("step 4", tree.spots(trait)))  # fmt: skip
    rows = []
    for step, path in steps:
        made = noted(path)
        rows += [(f"{step}: {name}", _word(value)) for name, value in made.items()
                 if value not in ("", None, (), [])]  # fmt: skip
    return tuple(rows) or (("steps", "no notes lie beside the files: made by gsMap itself"),)


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_word(v)}" for k, v in value.items())
    return str(value)
