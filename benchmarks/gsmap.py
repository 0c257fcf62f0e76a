"""gsMap 1.73.8 and ours on the same files: numbers, CPU seconds, memory; calibration on the demo.

gsMap runs in its own environment (.peers/gsmap, or --peer-python), one thread, reading the same
resource directory. Seconds are CPU seconds of the whole step, files included, imports not.
"""

from __future__ import annotations

import argparse
import json
import resource as usage
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_stml.analyses._gsmap.ld_files import build_resource
from napari_stml.analyses._gsmap.reference import PanelChoice, from_panel, reference_of
from napari_stml.analyses._gsmap.run import matched
from napari_stml.analyses._gsmap.scores import ScoreChoice, Scores, scores
from napari_stml.analyses._gsmap.steps import latent_to_gene
from napari_stml.analyses._gsmap.tables import cauchy_combination, spatial_ldsc, use_resource
from napari_stml.core.analysis import finish
from napari_stml.demo import gwas, gwas_files
from napari_stml.demo.expression import Programs
from napari_stml.demo.layout import DOMAINS
from napari_stml.demo.make import GWAS_DOMAIN, _study
from napari_stml.demo.section import SECTIONS, Tissue, domain_genes, grow
from napari_stml.io.gsmap import resource
from napari_stml.io.gsmap.tree import ResultTree, read_scores, write_scores
from napari_stml.methods.embedding.pca import components
from napari_stml.methods.expression.normalise import log_per_target
from napari_stml.methods.gsmap.cauchy import by_label
from napari_stml.methods.gsmap.regression import Design
from napari_stml.methods.gsmap.specificity import Rules
from napari_stml.methods.gsmap.spot_scores import Weights
from napari_stml.methods.gsmap.tile_kernel import kernel, sparse_times
from napari_stml.methods.gsmap.trait import lay_on
from napari_stml.methods.gsmap.trait_maps import trait_maps
from support.gsmap_data import alone, counts_sample, peer, write_resource, write_spots, write_trait
from support.results import add_record, ratio, recorded

PEER = Path(__file__).parents[1] / ".peers" / "gsmap" / "bin" / "python"
SEED = 101
FRESH = tuple(range(101, 121))
"""Seeds on which nothing was developed."""
NULLS = 500
EVERYTHING = ["demo", "ldsc", "scores", "null", "null-both", "planted"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20,000 SNPs, 128 spots, few seeds")
    parser.add_argument("--large", action="store_true", help="also 1.1 million SNPs x 1,270 spots")
    parser.add_argument("--only", nargs="+", default=EVERYTHING, choices=[*EVERYTHING, "large"])
    parser.add_argument("--peer-python", type=Path, default=PEER)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    add_record(parser)
    args = parser.parse_args()
    if args.step:
        step(json.loads(args.step))
        return
    page = "gsmap" if "ldsc" in args.only else "-".join(["gsmap", *args.only])
    with recorded(__file__, args.record, page), tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if "demo" in args.only:
            on_demo(work / "demo", args.peer_python)
        if "ldsc" in args.only:
            size = (20_000, 128) if args.quick else (100_000, 500)
            regressions(work / "ldsc", *size, args.peer_python, repeats=3)
        if "scores" in args.only:
            specificities(work / "scores", 150 if args.quick else 600, args.peer_python)
        if "null" in args.only:
            calibration(50 if args.quick else NULLS)
        if "null-both" in args.only:
            nulls_by_both(work / "nulls", args.peer_python, 2 if args.quick else 20)
        if "planted" in args.only:
            planted(FRESH[:3] if args.quick else FRESH)
        if args.large or "large" in args.only:
            regressions(work / "large", 1_100_000, 1270, args.peer_python)


def step(job: dict[str, Any]) -> None:
    """One step of ours in this process, measured as the peer's is."""
    _load()
    tree = ResultTree.of(job["workdir"], job["sample"])
    traits = {name: Path(path) for name, path in job.get("traits", {}).items()}
    start = time.process_time()
    if job["kind"] == "ldsc":
        finish(spatial_ldsc(tree, traits, folder=Path(job["resource"])))
    else:
        choice = ScoreChoice(Rules(exact=job["exact"]))
        finish(latent_to_gene(tree, Path(job["h5ad"]), "", "latent", choice))
    used = time.process_time() - start
    peak = usage.getrusage(usage.RUSAGE_SELF).ru_maxrss / 2**20
    print("RESULT " + json.dumps({"seconds": used, "gb": peak}))


def ours(**job: Any) -> Any:
    return alone(Path(__file__), ["--step", json.dumps(job, default=str)])


def _load() -> None:
    """Import what a step imports when it needs it, as the peer does at its start."""
    import anndata  # noqa: F401
    import scipy.sparse
    import scipy.special  # noqa: F401
    import sklearn.neighbors  # noqa: F401
    from pyarrow import feather  # noqa: F401

    one = np.ones((1, 1), np.float32)
    times = sparse_times()
    if times is not None:
        places = np.array([0, 1], np.int32)
        times(places, places, one[0], one, one.copy())
    kernel()(one, one[0], one[0], one[0], one[0], one.copy(), one.copy(), one.copy())


def regressions(work: Path, snps: int, spots: int, python: Path, repeats: int = 1) -> None:
    """Spatial LDSC, quick mode: one trait, and what each further one costs.

    Seconds are medians over ``repeats``, ours and gsMap's in turn.
    """
    folder = work / "resource"
    write_resource(folder, snps, SEED)
    tree = ResultTree.of(work, "sample")
    write_spots(tree, spots, SEED)
    use_resource(tree, folder)
    traits = {f"trait{i}": work / f"trait{i}.sumstats.gz" for i in range(5)}
    for i, path in enumerate(traits.values()):
        write_trait(path, snps, SEED + i)
    job = {"kind": "ldsc", "workdir": work, "sample": "sample", "resource": folder}
    single, several, theirs = [], [], []
    other = None
    for _ in range(repeats):
        single.append(ours(**job, traits={"trait0": traits["trait0"]}).seconds)
        five = ours(**job, traits=traits)
        several.append(five.seconds)
        found = read(tree, "trait0")
        other = peer(
            python, "ldsc", workdir=str(work), sample_name="sample", trait_name="trait0",
            sumstats_file=str(traits["trait0"]), num_processes=1,
            ldscore_save_format="quick_mode", w_file=str(folder / resource.WEIGHTS),
            snp_gene_weight_adata_path=str(folder / resource.MATRIX),
        )  # fmt: skip
        if other is None:
            break
        theirs.append(other.seconds)
    one = float(np.median(single))
    further = (float(np.median(several)) - one) / 4
    took = float(np.median(theirs)) if theirs else None
    label = f"{snps}x{spots}"
    times = took / one if took else float("nan")
    each = took / further if took else float("nan")
    ratio(f"spatial-ldsc-{label}", one, took, "CPU-s", times, 10, times >= 10)
    ratio(f"further-trait-{label}", further, took, "CPU-s", each, 12, each >= 12)
    gb = None if other is None else other.gb
    ratio(f"peak-memory-{label}", five.gb, gb, "GB", five.gb, 2, five.gb < 2)
    if other is not None:
        away = float(np.abs(found["z"] - read(tree, "trait0")["z"]).max())
        ratio(f"z-difference-{label}", away, 0.0, "z", away, 1e-3, away <= 1e-3)


def specificities(work: Path, spots: int, python: Path) -> None:
    """Step 2: half precision bit for bit, and single precision."""
    work.mkdir(parents=True)
    path = work / "sample.h5ad"
    counts_sample(path, spots, SEED)
    job = {"kind": "scores", "workdir": work, "h5ad": path}
    exact, fast = (ours(**job, sample=f"ours{i}", exact=e) for i, e in enumerate((True, False)))
    other = peer(python, "scores", workdir=str(work), sample_name="theirs",
                 input_hdf5_path=str(path), latent_representation="latent")  # fmt: skip
    theirs = None if other is None else other.seconds
    for name, used, target in (("exact", exact, 2), ("f32", fast, 5)):
        times = theirs / used.seconds if theirs else float("nan")
        ratio(f"specificity-{name}-{spots}", used.seconds, theirs, "CPU-s", times, target,
              times >= target)  # fmt: skip
    if other is not None:
        differ = different(work, "ours0", "theirs")
        ratio("specificity-entries-different", differ, 0, "entries", differ, 0, differ == 0)


def different(work: Path, a: str, b: str) -> int:
    (genes, spots, x), (other, same, y) = (
        read_scores(ResultTree.of(work, n).scores) for n in (a, b)
    )
    assert spots == same
    place = {g: i for i, g in enumerate(other)}
    return int((x != y[:, [place[g] for g in genes]]).sum()) + abs(len(genes) - len(other))


def on_demo(work: Path, python: Path) -> None:
    """The demo's two traits by both programs, on one resource."""
    import anndata as ad

    grown = Grown(SEED, work)
    data = ad.AnnData(grown.log, obs=pd.DataFrame({"domain": grown.labels}, index=grown.spots),
                      var=pd.DataFrame(index=pd.Index(grown.genes)))  # fmt: skip
    data.obsm["spatial"], data.obsm["latent"] = grown.xy, grown.latent
    path = work / "sample.h5ad"
    with ad.settings.override(allow_write_nullable_strings=False):
        data.write_h5ad(path)
    folder = grown.resource(work / "resource")
    traits = {t: grown.paths.sumstats(t) for t in (gwas.PLANTED, gwas.NULL)}
    own, others = ResultTree.of(work, "ours"), ResultTree.of(work, "theirs")
    finish(latent_to_gene(own, path, "domain", "latent", ScoreChoice()))
    finish(spatial_ldsc(own, traits, folder=folder))
    for trait in traits:
        finish(cauchy_combination([own], trait, "domain"))
    common = {"workdir": str(work), "sample_name": "theirs"}
    if peer(python, "scores", **common, input_hdf5_path=str(path), annotation="domain",
            latent_representation="latent") is None:  # fmt: skip
        print("gsMap is not installed: make peers")
        return
    use_resource(others, folder)
    for trait, file in traits.items():
        peer(python, "ldsc", **common, trait_name=trait, sumstats_file=str(file), num_processes=1,
             ldscore_save_format="quick_mode", w_file=str(folder / resource.WEIGHTS),
             snp_gene_weight_adata_path=str(folder / resource.MATRIX))  # fmt: skip
        peer(python, "cauchy", **common, trait_name=trait, annotation="domain")
        away = float(np.abs(read(own, trait)["z"] - read(others, trait)["z"]).max())
        ratio(f"demo-{trait}-z", away, 0.0, "z", away, 1e-3, away <= 1e-3)
        a, b = (pd.read_csv(t.cauchy(trait)).set_index("annotation") for t in (own, others))
        p = float(np.abs(np.log10(a["p_cauchy"]) - np.log10(b["p_cauchy"])).max())
        ratio(f"demo-{trait}-cauchy", p, 0.0, "log10-p", p, 1e-3, p <= 1e-3)
    differ = different(work, "ours", "theirs")
    ratio("demo-specificity-entries-different", differ, 0, "entries", differ, 0, differ == 0)


class Grown:
    """A fresh demo section without its picture: counts, labels, GWAS and its resource."""

    def __init__(self, seed: int, work: Path) -> None:
        programs, tissue = first_section(seed)
        self.study = _study(seed, programs.names,
                            domain_genes(programs, tissue, GWAS_DOMAIN, 120))  # fmt: skip
        self.paths = gwas_files.write(self.study, _made(work / "gwas"))
        self.choice = PanelChoice(str(self.paths.bfile_root), str(self.paths.gtf),
                             str(self.paths.keep_snp_root))  # fmt: skip
        self.all_genes = tuple(programs.names)
        seen = np.asarray(tissue.rna.sum(axis=0)).ravel() > 0
        self.genes = tuple(g for g, s in zip(programs.names, seen, strict=True) if s)
        counts = tissue.rna.tocsr()[:, np.flatnonzero(seen)].astype(np.float32)
        self.log = log_per_target(counts, 1e4)
        self.latent = finish(components(self.log, 30, scale=False)).scores.astype(np.float32)
        self.xy, self.codes = tissue.lattice.xy_um, tissue.truth.domain
        self.labels = tissue.truth.domain_names.astype(str).astype(object)
        self.spots = pd.Index([f"spot{i}" for i in range(len(self.xy))], dtype=object)

    def resource(self, folder: Path) -> Path:
        finish(build_resource(self.choice, self.all_genes, folder, "demo"))
        return folder

    def snps(self) -> resource.SnpPart:
        """What quick mode would read from a resource of this panel."""
        return finish(from_panel(self.choice, self.all_genes, None, 0, 100))

    def scored(self) -> Scores:
        return finish(scores(self.log, self.genes, self.xy, self.latent, self.codes, ScoreChoice(),
                             logged=True, low=0, high=100))  # fmt: skip


def planted(seeds: tuple[int, ...]) -> None:
    """In how many fresh sections the planted trait puts its domain first."""
    first = 0
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            grown = Grown(seed, Path(folder))
            part = grown.snps()
        specificity, columns = matched(part, grown.scored())
        reference = reference_of(part)
        z, people = grown.study.z[gwas.PLANTED], grown.study.people
        trait = lay_on(reference, "planted", grown.study.panel.name, z, people)
        found = finish(trait_maps(Weights(part.matrix[:, columns]), specificity,
                                  [Design(reference, trait, 200)]))[0]  # fmt: skip
        rows = by_label(found.p, grown.codes, tuple(map(str, DOMAINS)))
        first += rows[0].name == DOMAINS[GWAS_DOMAIN]
        print(f"seed {seed}: " + ", ".join(f"{r.name} {r.p:.2g}" for r in rows), flush=True)
    target = 19 if len(seeds) == 20 else len(seeds)
    ratio("planted-domain-first", first, None, f"of-{len(seeds)}-seeds", first, target,
          first >= target)  # fmt: skip


def calibration(nulls: int) -> None:
    """Share of spots below 0.05 over null traits whose heritability is spread over all SNPs."""
    with tempfile.TemporaryDirectory() as folder:
        grown = Grown(SEED, Path(folder))
        part = grown.snps()
    specificity, columns = matched(part, grown.scored())
    specificity = specificity[::4]
    reference, weights = reference_of(part), Weights(part.matrix[:, columns])
    panel, population = _population()
    shares, z_sd = [], []
    for start in range(0, nulls, 50):
        count = min(50, nulls - start)
        z = null_z(np.random.default_rng([SEED, 77, start]), population, count)
        people = np.full(len(panel), float(gwas._SAMPLES))
        designs = [
            Design(reference, lay_on(reference, f"null{start + k}", panel.name, z[:, k], people),
                   200)
            for k in range(count)
        ]  # fmt: skip
        for found in finish(trait_maps(weights, specificity, designs)):
            shares.append(float((found.p < 0.05).mean()))
            z_sd.append(float(np.nanstd(found.z)))
    share = np.array(shares)
    error = float(share.std(ddof=1) / np.sqrt(len(share)))
    mean = float(share.mean())
    cuts = np.percentile(share, [5, 25, 50, 75, 95]).round(3).tolist()
    print(f"{nulls} null traits, {len(specificity)} spots: share of p < 0.05 has mean {mean:.4f}, "
          f"between-trait standard error {error:.4f}; 5, 25, 50, 75, 95 % of traits {cuts}; "
          f"sd of z within a trait {np.mean(z_sd):.3f}")  # fmt: skip
    away = abs(mean - 0.05) / error
    ratio("null-share-below-0.05", mean, 0.05, "share", away, 3, away <= 3)


def nulls_by_both(work: Path, python: Path, count: int) -> None:
    """The share of spots below 0.05 by both programs, on the first null traits."""
    grown = Grown(SEED, work)
    folder = grown.resource(work / "resource")
    tree = ResultTree.of(work, "sample")
    scored = grown.scored()
    write_scores(tree.scores, scored.genes, tuple(grown.spots[::4]), scored.values[::4])
    use_resource(tree, folder)
    panel, population = _population()
    z = null_z(np.random.default_rng([SEED, 77, 0]), population, 50)
    away = []
    for k in range(count):
        file = work / f"null{k}.sumstats.gz"
        pd.DataFrame({"SNP": panel.name, "A1": "A", "A2": "G", "Z": z[:, k],
                      "N": gwas._SAMPLES}).to_csv(file, sep="\t", index=False)  # fmt: skip
        finish(spatial_ldsc(tree, {f"null{k}": file}, folder=folder))
        own = (read(tree, f"null{k}")["p"] < 0.05).mean()
        if peer(python, "ldsc", workdir=str(work), sample_name="sample", trait_name=f"null{k}",
                sumstats_file=str(file), num_processes=1, ldscore_save_format="quick_mode",
                w_file=str(folder / resource.WEIGHTS),
                snp_gene_weight_adata_path=str(folder / resource.MATRIX)) is None:  # fmt: skip
            print("gsMap is not installed: make peers")
            return
        theirs = (read(tree, f"null{k}")["p"] < 0.05).mean()
        print(f"null{k}: share of p < 0.05 ours {own:.5f}, gsMap {theirs:.5f}", flush=True)
        away.append(abs(own - theirs))
    most = float(max(away))
    ratio("null-share-ours-and-gsmap", most, 0.0, "share", most, 0, most == 0)


def null_z(rng: np.random.Generator, population: Any, traits: int) -> Any:
    """Draw z of traits whose effects are equal in size at every SNP, block by block of linkage."""
    count = sum(len(g) for g in population)
    size = np.sqrt(gwas._HERITABILITY / count)
    parts = []
    for g in population:
        beta = rng.choice([-size, size], (len(g), traits))
        noise = g @ rng.standard_normal((g.shape[1], traits)) / np.sqrt(g.shape[1])
        parts.append(np.sqrt(gwas._SAMPLES) * (g @ g.T / g.shape[1]) @ beta + noise)
    return np.concatenate(parts)


def first_section(seed: int) -> tuple[Programs, Tissue]:
    """The demo's section 1 alone, as `sections` draws it."""
    streams = np.random.default_rng(seed).spawn(len(SECTIONS) + 1)
    programs = Programs.random(streams[0])
    return programs, grow(streams[1], SECTIONS[0], programs, set())


def _population() -> tuple[gwas.Panel, Any]:
    """The demo's panel with the larger population behind it, drawn again."""
    programs, _ = first_section(SEED)
    rng = np.random.default_rng([SEED, 2])
    places = gwas._place_genes(rng, programs.names)
    return gwas._panel(rng, places)


def read(tree: ResultTree, trait: str) -> pd.DataFrame:
    return pd.read_csv(tree.spots(trait)).set_index("spot")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
