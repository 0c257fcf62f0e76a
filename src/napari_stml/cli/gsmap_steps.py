"""gsMap's steps 1 to 6, quick mode and the slice mean: flags in, steps of the analyses out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.io.gsmap.resource import complete
from napari_stml.io.gsmap.traits import formatted, read_config, safe_name
from napari_stml.io.gsmap.tree import ResultTree

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_stml.analyses._gsmap.latent import LatentChoice
    from napari_stml.analyses._gsmap.reference import PanelChoice
    from napari_stml.analyses._gsmap.scores import ScoreChoice
    from napari_stml.core.progress import Progress

    Words = Generator[Progress, None, tuple[str, ...]]

LATENT, SLICES = "run-find-latent-representations", "create-slice-mean"


def configure(parser: argparse.ArgumentParser, step: str) -> None:
    if step == SLICES:
        _add_slices(parser)
        return
    parser.add_argument("--workdir", required=True)
    cauchy = step == "run-cauchy-combination"
    parser.add_argument("--sample_name", required=not cauchy)
    parser.add_argument("--annotation", required=cauchy, help="column of labels")
    if step == LATENT:
        _add_latent(parser)
    if step in {"run-latent-to-gene", "quick-mode"}:
        _add_scores(parser, step)
    if step == "run-generate-ldscore":
        add_panel(parser)
        parser.add_argument("--spots_per_chunk", type=int, default=1000)
        parser.add_argument("--additional_baseline_annotation", default="", metavar="FOLDER")
    if step == "quick-mode":
        parser.add_argument("--gsMap_resource_dir", required=True)
        parser.add_argument("--hdf5_path", required=True)
        parser.add_argument("--data_layer", required=True, help="layer of raw counts, or X")
    if step in {"run-spatial-ldsc", "quick-mode"}:
        _add_regression(parser, step)
    if cauchy:
        parser.add_argument("--sample_name_list", nargs="+", help="several samples are pooled")
        parser.add_argument("--output_file", help="where the pooled table goes")
    if cauchy or step == "run-report":
        parser.add_argument("--trait_name", required=True)
    if step in {"run-report", "quick-mode"}:
        from napari_stml.cli.gsmap_report import add_report

        add_report(parser, alone=step == "run-report")
    parser.add_argument("--threads", type=int, default=1, help="(default: 1)")
    parser.add_argument("--device", default="cpu", help="for the network of step 1")


def act(options: argparse.Namespace, step: str) -> Words:
    from napari_stml.analyses._gsmap import steps, tables

    if step == SLICES:
        files = options.h5ad_list or _listed(options.h5ad_yaml)
        return steps.create_slice_mean(
            [Path(f) for f in files], options.data_layer, options.homolog_file,
            Path(options.slice_mean_output_file),
        )  # fmt: skip
    names = getattr(options, "sample_name_list", None) or [options.sample_name]
    if not names[0]:
        raise StmlError("Which sample?", where="--sample_name")
    trees = [ResultTree.of(options.workdir, name) for name in names]
    tree, annotation = trees[0], options.annotation or ""
    match step:
        case "run-find-latent-representations":
            return steps.find_latent(
                tree, Path(options.input_hdf5_path), options.data_layer, annotation,
                latent_choice(options), threads=options.threads, device=options.device,
            )  # fmt: skip
        case "run-latent-to-gene":
            own = Path(options.input_hdf5_path) if options.input_hdf5_path else None
            return steps.latent_to_gene(
                tree, own, annotation, options.latent_representation or steps.LATENT,
                score_choice(options), homologs=options.homolog_file, slices=options.gM_slices,
            )  # fmt: skip
        case "run-generate-ldscore":
            from napari_stml.analyses._gsmap.ld_files import generate_ldscore

            return generate_ldscore(tree, panel_choice(options),
                                    spots_per_chunk=options.spots_per_chunk,
                                    conditional=options.additional_baseline_annotation)  # fmt: skip
        case "run-spatial-ldsc":
            folder = Path(options.gsMap_resource_dir) if options.gsMap_resource_dir else None
            return _regress(tree, options, folder, options.w_file)
        case "run-cauchy-combination":
            out = Path(options.output_file) if options.output_file else None
            return tables.cauchy_combination(trees, options.trait_name, annotation, out)
        case "run-report":
            from napari_stml.cli.gsmap_report import report

            options.report_sumstats = options.sumstats_file
            return report(tree, options.trait_name, options)
    return _quick(tree, options)


def _quick(tree: ResultTree, options: argparse.Namespace) -> Words:
    """Run every step anew: nothing of an earlier run in this folder is taken over."""
    from napari_stml.analyses._gsmap import steps, tables
    from napari_stml.cli.gsmap_report import report

    traits, folder = traits_of(options), complete(options.gsMap_resource_dir)
    annotation = options.annotation or ""
    source, key = Path(options.hdf5_path), options.latent_representation
    notes: tuple[str, ...] = ()
    if not key:
        from napari_stml.analyses._gsmap.latent import LatentChoice

        notes += yield from steps.find_latent(
            tree, source, options.data_layer, annotation,
            LatentChoice(residuals=options.pearson_residuals), threads=options.threads,
            device=options.device,
        )  # fmt: skip
    notes += yield from steps.latent_to_gene(
        tree, source if key else None, annotation, key or steps.LATENT,
        score_choice(options), homologs=options.homolog_file, slices=options.gM_slices,
    )  # fmt: skip
    tables.use_resource(tree, folder)
    notes += yield from _regress(tree, options, folder)
    for trait in traits:
        if annotation:
            notes += yield from tables.cauchy_combination([tree], trait, annotation)
        notes += yield from report(tree, trait, options)
    return notes


def _regress(
    tree: ResultTree, options: argparse.Namespace, folder: Path | None, w_file: str = ""
) -> Words:
    from napari_stml.analyses._gsmap.tables import spatial_ldsc

    chunks = getattr(options, "chunk_range", None)
    return spatial_ldsc(
        tree, traits_of(options), folder=folder, w_file=w_file, blocks=options.n_blocks,
        chisq_max=options.chisq_max, threads=options.threads,
        additional=getattr(options, "use_additional_baseline_annotation", True),
        chunks=tuple(chunks) if chunks else None,
    )  # fmt: skip


def _yes(text: str) -> bool:
    """Gives False for "False" too, which gsMap takes as true."""
    known = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.casefold() not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return known[text.casefold()]


def traits_of(options: argparse.Namespace) -> dict[str, Path]:
    if bool(options.sumstats_config_file) == bool(options.sumstats_file):
        raise StmlError(
            "One trait or a list of traits is needed", where="--sumstats_file",
            do="give --sumstats_file with --trait_name, or --sumstats_config_file",
        )  # fmt: skip
    if options.sumstats_config_file:
        return {n: formatted(p) for n, p in read_config(options.sumstats_config_file).items()}
    if not options.trait_name:
        raise StmlError("The trait needs a name", where="--trait_name")
    return {safe_name(options.trait_name): formatted(options.sumstats_file)}


def panel_choice(options: argparse.Namespace) -> PanelChoice:
    from napari_stml.analyses._gsmap.reference import PanelChoice

    chosen = () if options.chrom == "all" else (int(options.chrom),)
    return PanelChoice(
        options.bfile_root, options.gtf_annotation_file, options.keep_snp_root,
        options.gene_window_size, options.enhancer_annotation_file,
        options.snp_multiple_enhancer_strategy, options.gene_window_enhancer_priority,
        options.ld_wind, options.ld_unit, chosen,
    )  # fmt: skip


def latent_choice(options: argparse.Namespace) -> LatentChoice:
    from napari_stml.analyses._gsmap.latent import LatentChoice

    return LatentChoice(
        residuals=options.pearson_residuals, components=options.n_comps,
        neighbours=options.n_neighbors, epochs=options.epochs,
        settled=options.convergence_threshold, hidden=(options.feat_hidden1, options.feat_hidden2),
        attention=(options.gat_hidden1, options.gat_hidden2), dropout=options.p_drop,
        rate=options.gat_lr,
    )  # fmt: skip


def score_choice(options: argparse.Namespace) -> ScoreChoice:
    from napari_stml.analyses._gsmap.scores import ScoreChoice
    from napari_stml.methods.gsmap.specificity import Rules

    fraction = not getattr(options, "no_expression_fraction", False)
    return ScoreChoice(Rules(fraction, options.pearson_residuals), options.num_neighbour,
                       options.num_neighbour_spatial, options.pearson_residuals)  # fmt: skip


def add_panel(parser: argparse.ArgumentParser) -> None:
    """Flags of a reference panel."""
    parser.add_argument("--chrom", default="all", help="1 to 22, or all (default)")
    parser.add_argument("--bfile_root", required=True, help="ROOT.1.bed, ROOT.1.bim, ...")
    parser.add_argument("--keep_snp_root", default="", help="ROOT.1.snp, ...")
    parser.add_argument("--gtf_annotation_file", required=True)
    parser.add_argument("--gene_window_size", type=int, default=50_000)
    parser.add_argument("--enhancer_annotation_file", default="")
    parser.add_argument("--snp_multiple_enhancer_strategy", default="max_mkscore",
                        choices=["max_mkscore", "nearest_TSS"])  # fmt: skip
    priorities = ["gene_window_first", "enhancer_first", "enhancer_only"]
    parser.add_argument("--gene_window_enhancer_priority", default=priorities[-1],
                        choices=priorities)  # fmt: skip
    parser.add_argument("--ld_wind", type=float, default=1.0)
    parser.add_argument("--ld_unit", choices=["CM", "KB", "SNP"], default="CM")


def _add_latent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input_hdf5_path", required=True)
    parser.add_argument("--data_layer", required=True, help="X, count, counts: raw; else logged")
    for name, kind, default in (
        ("epochs", int, 300), ("feat_hidden1", int, 256), ("feat_hidden2", int, 128),
        ("gat_hidden1", int, 64), ("gat_hidden2", int, 30), ("p_drop", float, 0.1),
        ("gat_lr", float, 0.001), ("n_neighbors", int, 11), ("n_comps", int, 300),
        ("convergence_threshold", float, 1e-4),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"(default: {default})")
    parser.add_argument("--pearson_residuals", action="store_true", help="of raw counts")
    for name in ("weighted_adj", "hierarchically"):
        parser.add_argument(f"--{name}", action="store_true", help="no effect, as in gsMap")


def _add_scores(parser: argparse.ArgumentParser, step: str) -> None:
    if step == "run-latent-to-gene":
        parser.add_argument("--input_hdf5_path", help="a sample with its own embedding")
        parser.add_argument("--no_expression_fraction", action="store_true")
    parser.add_argument("--latent_representation", default="", help="obsm of the sample")
    parser.add_argument("--num_neighbour", type=int, default=21)
    parser.add_argument("--num_neighbour_spatial", type=int, default=101)
    parser.add_argument("--homolog_file", default="")
    parser.add_argument("--gM_slices", default="", help="of create-slice-mean")
    parser.add_argument("--pearson_residuals", action="store_true")


def _add_regression(parser: argparse.ArgumentParser, step: str) -> None:
    parser.add_argument("--sumstats_file", help="formatted summary statistics")
    parser.add_argument("--trait_name")
    parser.add_argument("--sumstats_config_file", help="YAML, one line TRAIT: FILE each")
    parser.add_argument("--n_blocks", type=int, default=200)
    parser.add_argument("--chisq_max", type=float)
    parser.add_argument("--num_processes", "--max_processes", dest="threads", type=int,
                        default=argparse.SUPPRESS, help="the same as --threads")  # fmt: skip
    if step == "run-spatial-ldsc":
        parser.add_argument("--w_file", default="", help="prefix of the regression weights")
        parser.add_argument("--gsMap_resource_dir", help="quick mode; without it step 3's files")
        parser.add_argument("--chunk_range", nargs=2, type=int, metavar=("FIRST", "LAST"),
                            help="only these chunks of 1,000 spots, counted from 1")  # fmt: skip
        parser.add_argument("--use_additional_baseline_annotation", nargs="?", type=_yes,
                            const=True, default=True, metavar="yes|no",
                            help="where step 3 made one (default: yes)")  # fmt: skip


def _add_slices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--h5ad_list", nargs="+")
    parser.add_argument("--h5ad_yaml", help="YAML, one line SAMPLE: FILE each")
    parser.add_argument("--sample_name_list", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--slice_mean_output_file", required=True)
    parser.add_argument("--homolog_file", default="")
    parser.add_argument("--data_layer", default="counts")


def _listed(path: str | None) -> list[Any]:
    if not path:
        raise StmlError("Which samples?", where="--h5ad_list")
    return list(read_config(path).values())
