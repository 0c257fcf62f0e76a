"""Ligands and receptors of pairs of cell types, by squidpy's permutation test (CellPhoneDB's).

Efremova et al. 2020, doi:10.1038/s41596-020-0292-x. The score knows no places; how often the two
types touch stands beside it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._niche.tissue import FEWEST
from napari_stml.analyses._niche.touch import (
    FIELDS,
    LONGEST,
    NEAREST,
    RADIUS,
    TOUCH,
    Touch,
    edges_of,
    place_only,
)
from napari_stml.analyses._shared.charts import fitting, numbers, table_of
from napari_stml.analyses._shared.inside import inside
from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._shared.table_choice import FromTable
from napari_stml.analyses._shared.threads import limited
from napari_stml.core.analysis import register
from napari_stml.core.charts import Link
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Column, File
from napari_stml.core.params import param
from napari_stml.core.results import Result, Table
from napari_stml.methods.expression.checks import not_scaled
from napari_stml.methods.expression.signals import SIGNALS
from napari_stml.methods.niches import contacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

MOST_ROWS, MOST_COLUMNS = 30, 25


class LigandReceptorParams(FromTable):
    column: str = param(
        "", title="Cell types", source="category",
        help="The column with one type per cell or spot; clusters will do.",
    )  # fmt: skip
    pairs: tuple[str, ...] = param(
        (), title="Pairs",
        help="Ligand:receptor, such as CXCL12:CXCR4. With no file either, well-known pairs.",
    )  # fmt: skip
    file: str = param(
        "", title="Pairs from file", source="file",
        help="A CSV or TSV with the columns ligand and receptor (or source and target).",
    )  # fmt: skip
    touch: Touch = TOUCH
    longest: float = LONGEST
    k: int = NEAREST
    radius: float = RADIUS
    least: float = param(
        0.05, title="Expressed in", ge=0, le=1, rare=True,
        help="Share of the cells of a type that must have the gene; else the pair is not judged.",
    )  # fmt: skip
    shuffles: int = param(
        1000, title="Shuffles", ge=20, le=10_000, rare=True,
        help="How often the types are shuffled over the cells for p.",
    )  # fmt: skip
    fields: str = FIELDS


@register
class LigandReceptor:
    """Which types may speak to which, by the expression of ligands and receptors."""

    name = "ligand-receptor"
    title = "Ligands and receptors"
    tab = "niches"
    order = 50
    sections = "one"
    context = "inside"
    Params = LigandReceptorParams

    def needs(self, params: LigandReceptorParams) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"expression": params.expression("log")}
        if params.column:
            wanted["types"] = Column(params.column)
        if params.file:
            wanted["file"] = File(params.file)
        if params.fields:
            wanted["fields"] = Column(params.fields)
        return wanted

    @limited
    def run(self, inputs: Inputs, params: LigandReceptorParams) -> Steps:
        section = inputs.one
        if not params.column:
            raise StmlError(
                "No column of cell types was chosen", where="Cell types",
                do="choose one; clusters will do",
            )  # fmt: skip
        yield at(0, "reading expression")
        spots = inside(section, least=FEWEST)
        codes, types = spots.categories("types", params.column)
        lost = int((codes < 0).sum())
        notes: tuple[str, ...] = (f"{lost} without a type take no part",) if lost else ()
        spots, codes = spots.only(codes >= 0), codes[codes >= 0]
        if len(types) < 2:
            raise StmlError(
                f"There is only one type, {types[0]}", where=params.column,
                do="types are compared with each other: at least two are needed",
            )  # fmt: skip
        wanted = read_pairs(params, section.data.get("file"))
        matrix, genes = spots.expression("expression")
        not_scaled(matrix, section.section)
        pairs, missing = known_pairs(wanted, genes)
        if not pairs:
            raise StmlError(
                f"None of the {len(wanted)} pairs has both its genes in this table",
                where=section.section, do="use the same kind of gene names, or give other pairs",
            )  # fmt: skip
        if missing:
            notes += (f"{missing} of {len(wanted)} pairs lack a gene in this table",)
        yield at(20, f"{params.shuffles} shuffles")
        means, p = _tested(matrix, genes, pairs, (codes, types), params, inputs.seed)
        yield at(90, "contacts")
        tissue = place_only(spots, params)
        tissue.codes, tissue.types = codes, types
        edges, said = edges_of(tissue, params)
        touching = contacts.enrichment(edges, codes, len(types), tissue.strata)
        table, chart = _shown(means, p, pairs, types, touching, params.column)
        charts, too_large = fitting([chart] if chart is not None else [])
        notes = (
            f"{len(pairs)} pairs, {params.shuffles} shuffles, seed {inputs.seed}",
            f"{len(edges):,} contacts: {said}", *notes, *too_large,
        )  # fmt: skip
        return Result.of(section.section, table, *charts, notes=notes)


def read_pairs(params: LigandReceptorParams, file: Any) -> list[tuple[str, str]]:
    """What the user gave, each once; else the well-known."""
    given = list(params.pairs)
    found: list[tuple[str, str]] = []
    if file is not None:
        found += _from_file(Path(file))
    if not given and not found:
        return list(SIGNALS)
    for text in given:
        ligand, colon, receptor = (t.strip() for t in text.partition(":"))
        if not (ligand and colon and receptor):
            raise StmlError(
                f"'{text}' is no pair", where="Pairs", do="write ligand:receptor, as CXCL12:CXCR4"
            )
        found.append((ligand, receptor))
    return list(dict.fromkeys(found))


def _from_file(path: Path) -> list[tuple[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StmlError("This file cannot be read as text", where=path) from error
    lines = text.splitlines()
    rows = csv.DictReader(lines, delimiter="\t" if lines and "\t" in lines[0] else ",")
    titles = {(t or "").strip().casefold(): t for t in rows.fieldnames or ()}
    for one, other in (("ligand", "receptor"), ("source", "target")):
        if one in titles and other in titles:
            ends = [((r[titles[one]] or "").strip(), (r[titles[other]] or "").strip())
                    for r in rows]  # fmt: skip
            return [(a, b) for a, b in ends if a and b]
    raise StmlError(
        "No columns ligand and receptor, nor source and target", where=path,
        do="name them in the first line",
    )  # fmt: skip


def known_pairs(
    wanted: Sequence[tuple[str, str]], genes: Sequence[str]
) -> tuple[list[tuple[str, str]], int]:
    """Pairs in the table's own spelling (mouse genes too), and how many it lacks."""
    spelt = {g.casefold(): g for g in reversed(genes)}
    found = [(spelt.get(a.casefold(), ""), spelt.get(b.casefold(), "")) for a, b in wanted]
    there = [pair for pair in found if all(pair)]
    return list(dict.fromkeys(there)), len(found) - len(there)


def _tested(
    matrix: Any, genes: Sequence[str], pairs: list[tuple[str, str]],
    typed: tuple[NDArray[np.int32], tuple[str, ...]], params: LigandReceptorParams, seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Mean and p by pair, giving type and taking type; p is NaN where a gene is too rare."""
    import anndata as ad
    import pandas as pd
    import squidpy as sq

    codes, types = typed
    place = {g: i for i, g in enumerate(genes)}
    used = list(dict.fromkeys(g for pair in pairs for g in pair))
    short = {g: f"G{i}" for i, g in enumerate(used)}  # squidpy changes the case of names
    groups = [f"T{i}" for i in range(len(types))]
    whole = ad.AnnData(
        matrix[:, [place[g] for g in used]].toarray().astype(np.float64),
        obs=pd.DataFrame({"type": pd.Categorical.from_codes(codes, pd.Index(groups))},
                         index=[str(i) for i in range(len(codes))]),
        var=pd.DataFrame(index=[short[g] for g in used]),
    )  # fmt: skip
    ends = pd.DataFrame([(short[a], short[b]) for a, b in pairs], columns=["source", "target"])
    found: Any = sq.gr.ligrec(
        whole, "type", interactions=ends, threshold=params.least, use_raw=False, copy=True,
        n_perms=params.shuffles, seed=seed, n_jobs=1, show_progress_bar=False,
        numba_parallel=False, corr_method=None,
    )  # fmt: skip
    rows = pd.MultiIndex.from_frame(ends)
    order = pd.MultiIndex.from_product([groups, groups])
    shape = (len(pairs), len(types), len(types))
    means, p = (
        pd.DataFrame(found[key]).reindex(index=rows, columns=order).to_numpy(np.float64)
        for key in ("means", "pvalues")
    )
    p = (p * params.shuffles + 1) / (params.shuffles + 1)  # never 0
    return means.reshape(shape), p.reshape(shape)


def _shown(
    means: NDArray[np.float64], p: NDArray[np.float64], pairs: list[tuple[str, str]],
    types: tuple[str, ...], touching: contacts.Contacts, column: str,
) -> tuple[Table, Any]:  # fmt: skip
    """All that were judged in a table, the clearest as a dot plot."""
    from scipy.stats import false_discovery_control

    judged = np.argwhere(np.isfinite(p))
    if not len(judged):
        raise StmlError(
            "In no pair of types are ligand and receptor frequent enough", where=column,
            do="lower 'Expressed in', or give other pairs",
        )  # fmt: skip
    at_ = tuple(judged.T)
    adjusted = np.full(p.shape, np.nan)
    adjusted[at_] = false_discovery_control(p[at_])
    order = np.lexsort((-means[at_], p[at_]))
    ranked = judged[order]
    i, a, b = ranked.T
    table = Table("ligands and receptors", {
        "ligand": tuple(pairs[j][0] for j in i), "receptor": tuple(pairs[j][1] for j in i),
        "from": tuple(types[j] for j in a), "to": tuple(types[j] for j in b),
        "mean": tuple(numbers(means[i, a, b])), "p": tuple(numbers(p[i, a, b])),
        "p adjusted": tuple(numbers(adjusted[i, a, b])),
        "contacts": touching.counts[a, b], "contacts z": tuple(numbers(touching.z[a, b])),
    })  # fmt: skip
    rows = list(dict.fromkeys(i.tolist()))[:MOST_ROWS]
    columns = list(dict.fromkeys(zip(a.tolist(), b.tolist(), strict=True)))[:MOST_COLUMNS]
    shown = np.array([[means[r, s, t] for s, t in columns] for r in rows])
    chance = np.array([[p[r, s, t] for s, t in columns] for r in rows])
    least = -np.log10(np.nanmin(p))
    size = np.nan_to_num(-np.log10(chance) / (least if least > 0 else 1.0))
    chart = table_of(
        "ligands and receptors drawn", "Ligands and receptors",
        ("ligand:receptor", [":".join(pairs[r]) for r in rows]),
        ("from > to", [f"{types[s]} > {types[t]}" for s, t in columns]), shown,
        tuple(Link("category", tuple(types[c[side]] for c in columns), value=column)
              for side in (0, 1)), size=np.clip(size, 0, 1),
        notes=("colour: mean of ligand and receptor; size: -log10 p of shuffled types.",
               "The score knows no places: see the contacts of the two types in the table."),
    )  # fmt: skip
    return table, chart
