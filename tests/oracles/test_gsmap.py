"""Every step of gsMap against reference numbers (STML_ORACLES, gsmap); tolerances of its README."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from napari_stml.core.analysis import finish
from napari_stml.io.gsmap import gene_places, plink
from napari_stml.io.gsmap.sumstats import FormatOptions, format_sumstats, write_sumstats
from napari_stml.io.gsmap.traits import read_sumstats
from napari_stml.methods.gsmap import cauchy, diagnostics, ld_scores, microdomains, ranks, snp_gene
from napari_stml.methods.gsmap.regression import Design
from napari_stml.methods.gsmap.residuals import pearson_residuals
from napari_stml.methods.gsmap.specificity import Rules, specificity
from napari_stml.methods.gsmap.spot_scores import Weights
from napari_stml.methods.gsmap.trait import Reference, Trait, baseline_sum, lay_on
from napari_stml.methods.gsmap.trait_maps import maps_of_scores, trait_maps

if TYPE_CHECKING:
    from pathlib import Path

TRAITS = ("T", "NUL")


@pytest.fixture(scope="module")
def folder(oracles: Path) -> Path:
    found = oracles / "gsmap"
    if not found.is_dir():
        pytest.skip("gsmap/ is not among the reference numbers")
    return found


@pytest.fixture(scope="module")
def sample(folder: Path) -> dict[str, Any]:
    with np.load(folder / "st_after_step1.npz") as d:
        found = {k: d[k] for k in d.files}
    counts = csr_matrix(
        (found["counts_data"], found["counts_indices"], found["counts_indptr"]),
        shape=tuple(found["shape"]),
    ).astype(np.float32)
    total = np.asarray(counts.sum(axis=1)).ravel()
    log = csr_matrix(counts.multiply(1e4 / total[:, None]))
    log.data = np.log1p(log.data).astype(np.float32)
    names, codes = np.unique(found["annotation"], return_inverse=True)
    return {**found, "counts": counts, "log": log, "codes": codes, "names": tuple(map(str, names))}


FORMATS: dict[str, dict[str, Any]] = {
    "std": {}, "std_loose": {"info_min": 0.5, "maf_min": 0.0}, "std_cojo": {"format": "COJO"},
    "alias": {}, "zonly": {"n": 55555}, "or": {}, "chrpos": {"keep_chr_pos": True},
    "bse": {"columns": {"beta": "my_beta", "se": "my_se", "n": "n_tot"}},
}  # fmt: skip


@pytest.mark.parametrize("case", FORMATS)
def test_formatted_text_is_equal(folder: Path, case: str, tmp_path: Path) -> None:
    dbsnp = folder / "fmt_dbsnp.tsv.gz" if case == "chrpos" else None
    options = FormatOptions(parity=True, dbsnp=dbsnp, **FORMATS[case])
    done = format_sumstats(folder / f"fmt_in_{case.split('_')[0]}.txt.gz", options)
    ours = write_sumstats(done, tmp_path / case, options.format)
    theirs = next(folder.glob(f"fmt_out_{case}.*.gz"))
    with gzip.open(ours, "rt") as a, gzip.open(theirs, "rt") as b:
        assert a.read() == b.read()


@pytest.mark.parametrize("case", ["p_or_only", "ncascon", "noalleles"])
def test_what_the_reference_refuses_is_read(folder: Path, case: str) -> None:
    table = format_sumstats(folder / f"fmt_in_{case}.txt.gz").table
    assert {"SNP", "Z", "N"} <= set(table)
    assert table["Z"].std() > 0.5
    assert (table["N"] > 0).all()


def domains_of(
    sample: dict[str, Any], labels: bool = True, near: int = 101, alike: int = 21
) -> Any:
    codes = sample["codes"] if labels else None
    return finish(  # type: ignore[type-var]
        microdomains.microdomains(sample["spatial"], sample["latent_GVAE"], codes, near=near,
                                  alike=alike)
    )  # fmt: skip


@pytest.mark.parametrize(
    "case", ["default_full", "noannot", "nofrac", "nn51_201", "homolog", "pearson", "gMslices"]
)
def test_specificity(folder: Path, sample: dict[str, Any], case: str) -> None:
    genes, values, expressed = [str(g) for g in sample["genes"]], sample["log"], None
    mean = share = None
    domains = domains_of(sample, case != "noannot", *((201, 51) if case == "nn51_201" else ()))
    if case == "homolog":
        table = gene_places.read_homologs(folder / "homologs.txt")
        species = [g if g.upper().startswith("MT-") else f"Gene{g[4:]}" for g in genes]
        columns, names = table.renamed(species)
        values, genes = values[:, columns].tocsr(), list(names)
    if case == "pearson":
        expressed, values = values, csr_matrix(pearson_residuals(sample["counts"]))
    if case == "gMslices":
        slices = pd.read_csv(folder / "slice_mean.tsv.gz", sep="\t").set_index("gene")
        common = sorted(set(slices.index) & set(genes))
        values = values[:, [genes.index(g) for g in common]].tocsr()
        genes = common
        mean, share = (slices.loc[common, c].to_numpy() for c in ("G_Mean", "frac"))
    ordered = finish(ranks.ranked(values))  # type: ignore[type-var]
    kept = [i for i, g in enumerate(genes) if not g.startswith(("MT-", "mt-"))]
    with np.load(folder / f"gss_{case}.npz") as d:
        expected = d["gss"]
        assert [genes[i] for i in kept] == d["genes"].tolist()
        rows = [sample["spots"].tolist().index(s) for s in d["spots"]]
    for exact in (True, False):
        rules = Rules(case != "nofrac", case == "pearson", exact)
        found = finish(specificity(  # type: ignore[type-var]
            ordered, values if expressed is None else expressed, domains, rules, mean=mean,
            share=share,
        ))  # fmt: skip
        ours = np.asarray(found)[np.ix_(rows, kept)].T
        if exact:
            assert ours.dtype == np.float16
            np.testing.assert_array_equal(ours.view(np.uint16), expected.view(np.uint16))
            continue
        assert ((ours > 0) != (expected > 0)).mean() <= 0.01
        both = (ours > 0) & (expected > 0)
        np.testing.assert_allclose(ours[both], expected[both].astype(np.float32), rtol=0.007)


def test_snps_to_genes(folder: Path) -> None:
    with np.load(folder / "gss_default_full.npz") as d:
        mean = dict(zip(d["genes"], d["gss"].astype(np.float32).mean(axis=1), strict=True))
    places = gene_places.read_gtf(folder / "genes.gtf.gz").of(list(mean))
    here = places.rows(places.chromosome == "chr1")
    snps = plink.open_panel(folder / "ref_panel" / "ref", 1).snps
    known = {g: i for i, g in enumerate(here.gene)}
    bed = gene_places.read_bed(folder / "enhancer.bed.gz").of(list(known))
    bed = bed.rows(bed.chromosome == "chr1")
    owner = np.array([known[g] for g in bed.gene])
    score = np.array([mean[g] for g in here.gene], dtype=np.float64)
    window = snp_gene.by_window(snps.bp, here, here.tss)
    best = snp_gene.by_enhancer(snps.bp, bed, owner, tss=here.tss, score=score)
    found = {
        "gene": window,
        "gene_win10k": snp_gene.by_window(snps.bp, here, here.tss, 10_000),
        "enh_only_max": snp_gene.merged(window, best, "enhancer_only"),
        "enh_only_tss": snp_gene.by_enhancer(snps.bp, bed, owner, tss=here.tss, score=None),
        "gene_first": snp_gene.merged(window, best, "gene_window_first"),
        "enh_first": snp_gene.merged(window, best, "enhancer_first"),
    }
    expected = pd.read_csv(folder / "snp_gene_chr1.tsv.gz", sep="\t", keep_default_na=False)
    assert expected["SNP"].tolist() == snps.name.tolist()
    for mode, owners in found.items():
        ours = np.append(here.gene, "")[owners]
        assert ours.tolist() == expected[mode].tolist(), mode


def test_ld_by_gene(folder: Path) -> None:
    panel = plink.open_panel(folder / "ref_panel" / "ref", 1)
    with np.load(folder / "ldscore_chr1.npz") as d:
        assert panel.snps.name.tolist() == d["snp_all"].tolist()
        assert panel.people == int(d["n_ref"])
        expected, kept_names = d["l2_all_ones"], d["kept_snp"]
    wanted = set(gene_places.read_snp_list(folder / "ref_panel" / "hm.1.snp.gz"))
    kept = np.flatnonzero([n in wanted for n in panel.snps.name])
    assert panel.snps.name[kept].tolist() == kept_names.tolist()
    with np.load(folder / "gss_default_full.npz") as d:
        places = gene_places.read_gtf(folder / "genes.gtf.gz").of(d["genes"].tolist())
    here = places.rows(places.chromosome == "chr1")
    owner = snp_gene.by_window(panel.snps.bp, here, here.tss)
    at, size, _ = ld_scores.window_coordinates(panel.snps.cm, panel.snps.bp)
    found = finish(ld_scores.gene_weights(  # type: ignore[type-var]
        panel, ld_scores.lefts(at, size), owner, len(here), kept, np.ones((len(panel), 1))
    ))  # fmt: skip
    np.testing.assert_allclose(found.extra[:, 0], expected[kept], rtol=0, atol=5e-5)
    with np.load(folder / "snp_gene_weight.npz") as d:
        genes = d["genes"].tolist()
        whole = csr_matrix((d["data"], d["indices"].astype(np.int32), d["indptr"]),
                           shape=tuple(d["shape"]))[: len(kept)]  # fmt: skip
    ours = found.by_gene[:, [here.gene.tolist().index(g) for g in genes if g in set(here.gene)]]
    theirs = whole[:, [i for i, g in enumerate(genes) if g in set(here.gene)]]
    assert abs(ours - theirs).max() <= 5e-5
    assert theirs.sum() == pytest.approx(whole.sum()), "no other chromosome's gene has weight here"
    base = pd.read_csv(folder / "baseline_f16.tsv.gz", sep="\t").iloc[: len(kept)]
    total = np.asarray(found.by_gene.sum(axis=1)).ravel()
    some = total - found.by_gene[:, -1].toarray().ravel()
    for name, value in (("base", total), ("all_gene", some)):
        one = np.spacing(np.maximum(np.abs(base[name].to_numpy()), 1e-3).astype(np.float16))
        assert (np.abs(value.astype(np.float16) - base[name]) <= one.astype(float) * 1.01).all()

    class Kept:
        people = panel.people

        def __len__(self) -> int:
            return len(kept)

        def standardised(self, first: int, last: int) -> Any:
            return (
                panel.standardised(0, len(panel))[kept[first:last]]
                if last > first
                else (panel.standardised(0, 0))
            )

    weights = finish(ld_scores.gene_weights(  # type: ignore[type-var]
        Kept(), ld_scores.lefts(at[kept], size), np.full(len(kept), -1), 0, np.arange(len(kept)),
        np.ones((len(kept), 1)),
    ))  # fmt: skip
    w_ld = pd.read_csv(folder / "w_ld.tsv.gz", sep="\t").query("CHR == 1")["L2"].to_numpy()
    np.testing.assert_allclose(weights.extra[:, 0], w_ld, rtol=0, atol=5e-5)


@pytest.mark.parametrize("trait", TRAITS)
@pytest.mark.parametrize(("blocks", "key"), [(200, ""), (50, ""), (200, "extra_")])
def test_regression(folder: Path, trait: str, blocks: int, key: str) -> None:
    with np.load(folder / f"regression_{trait}.npz") as d:
        baseline = d["baseline"]
        if key:
            baseline = np.concatenate([baseline.astype(np.float32), d["extra"]], axis=1)
        reference = Reference(d["snp"].astype(object), baseline.astype(np.float32),
                              baseline_sum(baseline), d["w_ld"])  # fmt: skip
        laid = Trait(trait, np.arange(len(d["snp"])), d["chisq"], d["N"])
        expected, scores = d[f"beta_se_{key}{blocks}"], d["ld_spots"]
    found = finish(maps_of_scores(scores, [Design(reference, laid, blocks)]))[0]  # type: ignore[type-var]
    beta, se = expected.T
    np.testing.assert_allclose(found.z, beta / se, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.se, se, rtol=1e-4)
    assert (np.abs(found.beta - beta) / se).max() < 1e-5


@pytest.fixture(scope="module")
def reference(folder: Path) -> Reference:
    base = pd.read_csv(folder / "baseline_f16.tsv.gz", sep="\t")
    columns = base[["all_gene", "base"]].to_numpy().astype(np.float16)
    weight = pd.read_csv(folder / "w_ld.tsv.gz", sep="\t").set_index("SNP")["L2"]
    return Reference(
        base["SNP"].to_numpy(dtype=object), columns.astype(np.float32), baseline_sum(columns),
        weight.reindex(base["SNP"]).to_numpy(np.float32),
    )  # fmt: skip


def laid_on(folder: Path, reference: Reference, name: str) -> Trait:
    s = read_sumstats(folder / f"trait_{name}.sumstats.gz", name)
    return lay_on(reference, s.name, s.snps, s.z, s.n)


def test_maps_of_two_traits_at_once(folder: Path, reference: Reference) -> None:
    with np.load(folder / "snp_gene_weight.npz") as d:
        genes = d["genes"].tolist()
        weights = csr_matrix((d["data"], d["indices"].astype(np.int32), d["indptr"]),
                             shape=tuple(d["shape"]))  # fmt: skip
    with np.load(folder / "gss_default_full.npz") as d:
        place = {g: i for i, g in enumerate(d["genes"].tolist())}
        spots, scores = d["spots"], d["gss"].T[:, [place[g] for g in genes]]
    designs = [Design(reference, laid_on(folder, reference, t), 200) for t in TRAITS]
    both = finish(trait_maps(Weights(weights), scores, designs))  # type: ignore[type-var]
    threaded = finish(trait_maps(Weights(weights), scores, designs, threads=2))  # type: ignore[type-var]
    for trait, found, again in zip(TRAITS, both, threaded, strict=True):
        np.testing.assert_array_equal(found.z, again.z)
        for mode in ("quick", "step"):
            table = pd.read_csv(folder / f"spatial_ldsc_{mode}_{trait}.csv.gz")
            assert table["spot"].tolist() == spots.tolist()
            np.testing.assert_allclose(found.z, table["z"], rtol=0, atol=1e-3)
            np.testing.assert_allclose(np.log10(found.p), np.log10(table["p"]), rtol=0, atol=2e-3)


def test_stored_ld_scores(folder: Path, reference: Reference) -> None:
    with np.load(folder / "step_mode_ldscore_10spots.npz") as d:
        assert d["snp"].tolist() == reference.names.tolist()
        scores, spots = d["ld"], d["spots"].tolist()
    for trait in TRAITS:
        design = Design(reference, laid_on(folder, reference, trait), 200)
        found = finish(maps_of_scores(scores, [design]))[0]  # type: ignore[type-var]
        table = pd.read_csv(folder / f"spatial_ldsc_step_{trait}.csv.gz").set_index("spot")
        np.testing.assert_allclose(found.z, table.loc[spots, "z"], rtol=0, atol=1e-5)


def test_cauchy_cases(folder: Path) -> None:
    for case in json.loads((folder / "acat_cases.json").read_text()):
        expected = case["acat"]
        ours = cauchy.combined(case["p"], case["w"], as_reference=True)
        floor = 2.5e-16  # the reference subtracts from 1
        assert ours == pytest.approx(expected, rel=1e-9, abs=floor if expected > 1e-30 else 0)
        if 0 < expected < 1:
            assert cauchy.combined(case["p"], case["w"]) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("trait", TRAITS)
def test_cauchy_by_annotation(folder: Path, sample: dict[str, Any], trait: str) -> None:
    p = pd.read_csv(folder / f"spatial_ldsc_step_{trait}.csv.gz")["p"].to_numpy()
    expected = pd.read_csv(folder / f"cauchy_{trait}.csv.gz")
    found = cauchy.by_label(p, sample["codes"], sample["names"])
    assert [c.name for c in found] == expected["annotation"].tolist()
    np.testing.assert_allclose([c.p for c in found], expected["p_cauchy"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose([c.median for c in found], expected["p_median"], rtol=1e-9)


def test_gene_diagnostics(folder: Path, sample: dict[str, Any]) -> None:
    with np.load(folder / "gss_default_full.npz") as d:
        genes, scores = d["genes"].tolist(), d["gss"].T
    p = pd.read_csv(folder / "spatial_ldsc_step_T.csv.gz")["p"].to_numpy()
    best = diagnostics.best_labels(scores, sample["codes"], sample["names"])
    found = diagnostics.gene_table(scores, genes, -np.log10(p), best)
    expected = pd.read_csv(folder / "gene_diagnostic_T.csv").set_index("Gene")
    assert set(found.genes) == set(expected.index)
    own = expected.loc[list(found.genes)]
    np.testing.assert_allclose(found.correlation, own["PCC"], rtol=0, atol=1e-6)
    assert list(found.label) == own["Annotation"].tolist()
    np.testing.assert_array_equal(found.median, own["Median_GSS"])


def test_the_network(folder: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from napari_stml.models.graph_autoencoder import (
        GraphAutoencoder,
        Sizes,
        losses,
        train,
        with_self,
    )

    with np.load(folder / "gat.npz") as d:
        a = {k: torch.from_numpy(d[k]) for k in d.files}
    weights = {k[4:]: v for k, v in a.items() if k.startswith("sd__")}
    sizes = Sizes(
        a["X"].shape[1], (len(weights["encoder.0.0.bias"]), len(weights["encoder.1.0.bias"])),
        weights["gat1.att_src"].shape[2], weights["gat1.att_src"].shape[1],
        weights["gat2.att_src"].shape[2], len(weights["cluster.1.bias"]),
    )  # fmt: skip
    links = with_self(a["adj_row"], a["adj_col"], len(a["X"]))

    def network(dropout: float) -> Any:
        made = GraphAutoencoder(sizes, dropout)
        made.load_state_dict(weights)
        return made

    still = network(0.1).eval()
    with torch.no_grad():
        for ours, key in zip(still(a["X"], *links), ("z", "xr", "pred"), strict=True):
            np.testing.assert_allclose(ours.numpy(), a[key].numpy(), rtol=0, atol=1e-5)
        loss = [float(v) for v in losses(still, a["X"], *links, a["label"])]
    np.testing.assert_allclose(loss, a["loss_eval"].numpy(), rtol=1e-4)
    steps = train(network(0.0), a["X"], *links, a["label"], epochs=len(a["losses_nodrop"]))
    curve = []
    while True:
        try:
            curve.append(next(steps))
        except StopIteration as end:
            latent = end.value
            break
    np.testing.assert_allclose(curve, a["losses_nodrop"].numpy(), rtol=1e-4)
    np.testing.assert_allclose(latent.numpy(), a["z_after10"].numpy(), rtol=0, atol=1e-3)
