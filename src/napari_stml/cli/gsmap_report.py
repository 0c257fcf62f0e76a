"""`napari-stml gsmap run-report`: the page of a trait, with its tables and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._gsmap.charts import neg_log10
from napari_stml.analyses._gsmap.report import Findings, ReportChoice, findings
from napari_stml.core.errors import StmlError
from napari_stml.core.progress import Progress
from napari_stml.figures.drawing import write_whole
from napari_stml.figures.trait_page import GeneMaps, TraitPage, rows_of, said, trait_page
from napari_stml.io.gsmap.traits import safe_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_stml.figures.spot_map import MapLook
    from napari_stml.io.gsmap.tree import ResultTree

    Words = Generator[Progress, None, tuple[str, ...]]

TOP_ROWS = 50
SMALL_PX = 360


def add_report(parser: argparse.ArgumentParser, *, alone: bool) -> None:
    """Flags of gsMap's ``run_report``; after the other steps the GWAS is known."""
    if alone:
        parser.add_argument("--sumstats_file", default="", help="for the Manhattan plot; without "
                            "it the file that step 4 noted")  # fmt: skip
    parser.add_argument("--top_corr_genes", type=int, default=50, help="genes that get maps")
    parser.add_argument("--selected_genes", nargs="+", default=[], help="these instead")
    parser.add_argument("--fig_width", type=int, help="of the map, in pixels")
    parser.add_argument("--fig_height", type=int, help="of the map, in pixels")
    parser.add_argument("--point_size", type=float, help="of a spot, in pixels")
    parser.add_argument("--fig_style", choices=["light", "dark"], default="light")


def report(tree: ResultTree, trait: str, options: argparse.Namespace) -> Words:
    """Write gsMap's tables and pictures, and one page that holds them all."""
    from napari_stml.figures.spot_map import MapLook, SpotMap

    choice = ReportChoice(
        options.annotation or "", options.top_corr_genes, tuple(options.selected_genes),
        getattr(options, "report_sumstats", ""),
    )  # fmt: skip
    look = MapLook(options.fig_width, options.fig_height, options.point_size, options.fig_style)
    if min(look.width or 100, look.height or 100) < 100 or (look.point or 1) <= 0:
        raise StmlError("A map has at least 100 x 100 pixels, a spot more than none",
                        where="--fig_width, --fig_height, --point_size")  # fmt: skip
    found = yield from findings(tree, trait, choice)
    yield Progress(35, 100, "the map")
    written = _tables(tree, found)
    name = f"{tree.sample}_{safe_name(trait)}"
    tissue = SpotMap(found.xy, look).png(neg_log10(found.p), trait, "-log10 p")
    written.append(_put(tree.report(trait) / "gsMap_plot" / f"{name}_gsMap_plot.png", tissue))
    if "snps" in found.charts:
        from napari_stml.figures.charts import chart_figure

        data, _ = chart_figure(found.charts["snps"], width_mm=180, dpi=150).encoded(".png")
        place = tree.report(trait) / "manhattan_plot" / f"{name}_Diagnostic_Manhattan_Plot.png"
        written.append(_put(place, data))
    maps = yield from _gene_maps(tree, found, look)
    yield Progress(95, 100, "the page")
    text = trait_page(_page(found, tissue, maps))
    page = tree.report(trait) / f"{name}_gsMap_Report.html"
    written.append(_put(page, text.encode("utf-8")))
    return (*found.notes, *(f"written: {path}" for path in written))


def _tables(tree: ResultTree, found: Findings) -> list[Path]:
    import pandas as pd

    genes = found.genes
    path = tree.genes(found.trait)
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({
        "Gene": genes.genes, "Annotation": genes.label, "Median_GSS": genes.median,
        "PCC": genes.correlation,
    }).to_csv(path, index=False)  # fmt: skip
    here = pd.DataFrame({"sx": found.xy[:, 0], "sy": found.xy[:, 1], "p": found.p,
                         "logp": neg_log10(found.p)}, index=pd.Index(found.spots))  # fmt: skip
    if found.labels is not None:
        here = here.assign(annotation=found.labels)
    name = f"{tree.sample}_{safe_name(found.trait)}_gsMap_plot.csv"
    target = tree.report(found.trait) / "gsMap_plot" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    here.to_csv(target)
    return [path, target]


def _gene_maps(
    tree: ResultTree, found: Findings, look: MapLook
) -> Generator[Progress, None, tuple[GeneMaps, ...]]:
    """Two pictures of each gene, also as files where gsMap has them."""
    from napari_stml.figures.spot_map import MapLook, SpotMap

    folder = tree.report(found.trait) / "GSS_plot"
    canvas = SpotMap(found.xy, MapLook(style=look.style, longer=SMALL_PX))
    for old in folder.glob(f"{tree.sample}_*_Distribution.png"):  # of an earlier choice of genes
        old.unlink()
    place = {g: i for i, g in enumerate(found.genes.genes)}
    maps = []
    for done, gene in enumerate(found.shown):
        yield Progress(round(35 + 60 * done / len(found.shown)), 100, f"map of {gene}")
        stem = f"{tree.sample}_{safe_name(gene)}"
        specific = canvas.png(found.specificity[gene], f"{gene}: specificity", "specificity")
        _put(folder / f"{stem}_GSS_Distribution.png", specific)
        expressed = None
        if gene in found.expression:
            values = found.expression[gene]
            top = float(np.quantile(values, 0.9999))
            expressed = canvas.png(values, f"{gene}: expression", "expression", top)
            _put(folder / f"{stem}_Expression_Distribution.png", expressed)
        i = place.get(gene)
        words = "" if i is None else f"correlation {said(float(found.genes.correlation[i]))}"
        if i is not None and found.genes.label[i]:
            words += f", most specific in {found.genes.label[i]}"
        maps.append(GeneMaps(gene, words, expressed, specific))
    if found.shown:
        _put(folder / "plot_genes.csv", "\n".join(("Gene", *found.shown, "")).encode("utf-8"))
    return tuple(maps)


def _page(found: Findings, tissue: bytes, maps: tuple[GeneMaps, ...]) -> TraitPage:
    tested = np.isfinite(found.p)
    n = int(tested.sum())
    strict = 0.05 / max(n, 1)
    facts = (
        ("Spots tested", f"{n:,} of {len(found.p):,}"),
        ("p < 0.05", f"{_share(found.p[tested] < 0.05)} (5 % by chance)"),
        ("Significant", f"{int((found.p[tested] < strict).sum()):,} spots after Bonferroni "
                        f"(p < {said(strict)})"),
        ("Smallest p", said(float(found.p[tested].min())) if n else "none"),
    )  # fmt: skip
    genes, rows = found.genes, slice(0, TOP_ROWS)
    return TraitPage(
        found.sample, found.trait, facts, found.notes, tissue,
        tuple((c.name, said(c.p), said(c.median), f"{c.spots:,}", str(c.removed))
              for c in found.cauchy),
        found.charts,
        rows_of([genes.genes[rows], _floats(genes.correlation[rows]), genes.label[rows],
                 _floats(genes.median[rows])]),
        maps, found.conditions,
    )  # fmt: skip


def _share(chosen: NDArray[np.bool_]) -> str:
    return f"{100 * float(chosen.mean()):.1f} %" if len(chosen) else "none"


def _floats(values: NDArray[np.float64]) -> list[object]:
    return [float(v) if np.isfinite(v) else "" for v in values]


def _put(path: Path, data: Any) -> Path:
    write_whole(path, data)
    return path
