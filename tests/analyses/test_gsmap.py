"""Trait maps on a small section with its own panel; gsMap's commands on gsMap's files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from napari_stml.analyses import load_all
from napari_stml.cli import main
from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Sequence

PEOPLE, PER_GENE, STEP = 80, 12, 200_000


@dataclass(frozen=True)
class Files:
    """Paths as gsMap's flags want them."""

    folder: Path
    snps: list[str]

    @property
    def panel(self) -> str:
        return str(self.folder / "panel" / "test")

    @property
    def keep(self) -> str:
        return str(self.folder / "hm")

    @property
    def gtf(self) -> str:
        return str(self.folder / "genes.gtf")

    def trait(self, name: str) -> Path:
        return self.folder / f"{name}.sumstats.gz"


def write_files(
    folder: Path, genes: Sequence[str], causal: Sequence[str], *, cm: bool = True
) -> Files:
    """Two chromosomes; the trait ``marked`` has its signal at the causal genes, ``null`` none."""
    rng = np.random.default_rng(0)
    (folder / "panel").mkdir(parents=True)
    names: list[str] = []
    signal: list[bool] = []
    lines = []
    for chromosome in (1, 2):
        own = [g for i, g in enumerate(genes) if i % 2 == chromosome - 1]
        bp, here = [], []
        for i, gene in enumerate(own):
            start = 100_000 + i * STEP
            strand = "+" if i % 3 else "-"
            lines.append(
                f"chr{chromosome}\tt\tgene\t{start}\t{start + 20_000}\t.\t{strand}\t.\t"
                f'gene_id "E{i}"; gene_name "{gene}";\n'
            )
            bp += sorted((start + rng.integers(-40_000, 150_000, PER_GENE)).tolist())
            here += [gene in causal] * PER_GENE
        order = np.argsort(bp, kind="stable")
        bp, here = [bp[i] for i in order], [here[i] for i in order]
        own_names = [f"rs{chromosome}{i:06d}" for i in range(len(bp))]
        names += own_names
        signal += here
        hidden = rng.normal(size=(len(bp), 2 * PEOPLE))
        for i in range(1, len(bp)):
            hidden[i] = 0.6 * hidden[i - 1] + 0.8 * hidden[i]
        allele = hidden > rng.uniform(-0.8, 0.8, len(bp))[:, None]
        dose = allele[:, :PEOPLE].astype(int) + allele[:, PEOPLE:]
        _write_bed(folder / "panel" / f"test.{chromosome}.bed", dose)
        with (folder / "panel" / f"test.{chromosome}.bim").open("w") as f:
            for name, at in zip(own_names, bp, strict=True):
                f.write(f"{chromosome} {name} {at / 1e6 if cm else 0} {at} A G\n")
        with (folder / "panel" / f"test.{chromosome}.fam").open("w") as f:
            f.writelines(f"p{i} p{i} 0 0 1 -9\n" for i in range(PEOPLE))
        (folder / f"hm.{chromosome}.snp").write_text("".join(f"{n}\n" for n in own_names))
    (folder / "genes.gtf").write_text("".join(lines))
    strong = np.where(np.array(signal), 2.2, 1.0)
    for name, sd in (("marked", strong), ("null", np.full(len(names), 1.3))):
        z = rng.normal(0, sd)
        table = pd.DataFrame({"SNP": names, "A1": "A", "A2": "G", "Z": z.round(3),
                              "N": rng.integers(50_000, 60_000, len(names))})  # fmt: skip
        table.to_csv(folder / f"{name}.sumstats.gz", sep="\t", index=False)
    return Files(folder, names)


def _write_bed(path: Path, dose: np.ndarray) -> None:
    code = np.array([3, 2, 0], dtype=np.uint8)[dose]
    padded = np.zeros((len(dose), -(-dose.shape[1] // 4) * 4), dtype=np.uint8)
    padded[:, : dose.shape[1]] = code
    four = padded.reshape(len(dose), -1, 4)
    packed = four[..., 0] | four[..., 1] << 2 | four[..., 2] << 4 | four[..., 3] << 6
    path.write_bytes(b"\x6c\x1b\x01" + packed.tobytes())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, toy: Any) -> Files:
    genes = [g for g in toy.genes if not g.startswith("MT-")]
    marks = [g for g in genes if g.startswith("IG")]
    return write_files(tmp_path_factory.mktemp("gwas") / "files", genes, marks)


@pytest.fixture
def embedded(toy: Any) -> Any:
    space = np.eye(3)[toy.domain] + 0.1 * np.random.default_rng(1).normal(size=(256, 3))
    return toy.with_(embeddings={"X_space": space})


def asked(files: Files, **changes: Any) -> dict[str, Any]:
    return {
        "sumstats": str(files.trait("marked")), "reference": "panel", "panel": files.panel,
        "gtf": files.gtf, "annotation": "domain", "embedding": "X_space", "blocks": 50,
        "alike": 9, "near": 40, **changes,
    }  # fmt: skip


def test_the_trait_lies_where_its_genes_are(files: Files, embedded: Any, run: Any) -> None:
    listed = files.folder / "traits.yaml"
    listed.write_text(f"marked: {files.trait('marked')}\nnull: null.sumstats.gz\n")
    done = run("gsmap", embedded, **asked(files, sumstats=str(listed), top_genes=10))
    table = done.part("cauchy_annotation_table").columns
    assert table["annotation"][0] == "immune"
    assert table["p_cauchy"][0] < 0.05
    z = done.part("marked_z").values
    inside = embedded.domain == 2
    assert np.nanmean(z[inside]) > np.nanmean(z[~inside]) + 1
    assert set(done.part("genes").columns["gene"][:5]) <= {f"IG{i}" for i in range(15)}
    assert done.part("specificity").columns
    assert {c.name for c in done.charts} >= {"cauchy_annotation", "qq_marked", "qq_null",
                                             "genes_marked", "manhattan_marked",
                                             "traits"}  # fmt: skip
    plot = next(c for c in done.charts if c.name == "manhattan_marked").data
    height = np.array([[np.nan if v is None else v for v in plot[n]] for n in list(plot)[1:]])
    assert list(plot)[1:] == ["odd chromosomes", "even chromosomes", "SNPs of top genes"]
    assert (np.isfinite(height).sum(axis=0) == 1).all()
    alone = run("gsmap", embedded, **asked(files, panel=f"{files.panel}.2.bed"))
    np.testing.assert_array_equal(alone.part("marked_z").values, z)
    assert "traits" not in {c.name for c in alone.charts}


def test_a_gwas_as_it_was_published_needs_no_step_before(
    files: Files, embedded: Any, run: Any, tmp_path: Path
) -> None:
    from scipy.stats import norm

    table = pd.read_csv(files.trait("marked"), sep="\t")
    raw = tmp_path / "gwas.tsv.gz"
    pd.DataFrame({"rsid": table["SNP"], "ea": table["A1"], "oa": table["A2"],
                  "p_value": 2 * norm.sf(table["Z"].abs()), "effect": table["Z"] / 10,
                  "chrom": 1}).to_csv(raw, sep="\t", index=False)  # fmt: skip
    given: dict[str, Any] = {"sumstats": str(raw), "columns": (("a2", "oa"),)}
    kind = load_all()["gsmap"]
    said = kind.foresee(kind.Params(**asked(files, **given)))
    assert "gwas: oa -> A2" in said
    assert any("number of people is missing" in line for line in said)
    given["people"] = 55_000
    said = kind.foresee(kind.Params(**asked(files, **given)))
    assert not any("missing" in line for line in said)
    found = run("gsmap", embedded, **asked(files, **given))
    constant = tmp_path / "constant.sumstats.gz"
    table.assign(N=55_000).to_csv(constant, sep="\t", index=False)
    expected = run("gsmap", embedded, **asked(files, sumstats=str(constant)))
    np.testing.assert_allclose(
        found.part("gwas_z").values, expected.part("constant_z").values, atol=1e-4
    )
    assert any("SNPs kept" in note for note in found.result.notes)
    with pytest.raises(StmlError, match="'colour' to name a column for"):
        kind.foresee(kind.Params(**asked(files, columns=(("colour", "oa"),))))


def test_rare_and_missing_labels_are_not_tested(files: Files, embedded: Any, run: Any) -> None:
    domain = embedded.domain.copy()
    domain[:4] = -1
    done = run("gsmap", embedded.with_(domain=domain, inside=np.arange(256) < 250),
               **asked(files, least_spots=77))  # fmt: skip
    labels = done.part("marked_significant")
    assert labels.categories[2] == "not tested"
    assert (labels.codes[:4] == 2).all()
    assert (labels.codes[250:] == -1).all()
    assert np.isnan(done.part("marked_neg_log10_p").values[labels.codes == 2]).all()
    assert any("labels under 77 spots" in n for n in done.result.notes)


def test_the_threshold_follows(files: Files, embedded: Any, run: Any) -> None:
    done = run("gsmap", embedded, **asked(files))
    live = done.analysis.live(done.result, done.inputs)
    kind = done.analysis.LiveParams
    p = 10.0 ** -done.part("marked_neg_log10_p").values.astype(float)
    for level in (0.01, 0.1):
        moved = live.update(kind(rule="nominal", level=level), None)
        assert (moved.part("marked_significant").codes == 1).sum() == (p < level).sum()
        said = live.readout(kind(rule="nominal", level=level))
        assert said["significant"].startswith(str((p < level).sum()))
    chosen = tuple(embedded.names[embedded.domain == 2])
    moved = live.update(kind(show="z"), chosen)
    assert moved.shows == "marked_z"
    assert moved.part("cauchy_selected").data["spots"] == ["selected", "all others"]
    assert live.readout(kind(trait="Marked"))["trait"] == "marked"
    gene = done.part("specificity").columns[3]
    moved = live.update(kind(show="specificity of a gene", gene=gene.lower()), None)
    assert moved.shows == f"specificity_{gene}"


def test_without_annotation_with_the_network_and_adjusted(
    files: Files, toy: Any, embedded: Any, run: Any
) -> None:
    done = run("gsmap", toy, **asked(files, annotation="", embedding=""))
    assert np.isfinite(done.part("marked_z").values).all()
    assert any("graph network" in n for n in done.result.notes)
    plain = run("gsmap", embedded, **asked(files))
    less = run("gsmap", embedded, **asked(files, adjust_for=("immune",)))
    immune = toy.domain == 2
    assert np.nanmean(less.part("marked_z").values[immune]) < np.nanmean(
        plain.part("marked_z").values[immune]
    )
    with pytest.raises(StmlError, match="the same thing twice"):
        run("gsmap", embedded, **asked(files, adjust_for=("immune", "immune")))
    with pytest.raises(StmlError, match="no label 'fat'"):
        run("gsmap", embedded, **asked(files, adjust_for=("fat",)))


def test_what_does_not_fit_says_what_to_do(
    files: Files, embedded: Any, run: Any, tmp_path: Path
) -> None:
    other = tmp_path / "other.sumstats.gz"
    pd.DataFrame({"SNP": ["x1", "x2"], "Z": [1.0, 2.0], "N": [10, 10]}).to_csv(other, sep="\t")
    with pytest.raises(StmlError, match="rs numbers"):
        run("gsmap", embedded, **asked(files, sumstats=str(other)))
    raw = tmp_path / "raw.txt"
    raw.write_text("rsid p beta\nrs1 0.1 0.2\n")
    with pytest.raises(StmlError, match="number of people is missing"):
        run("gsmap", embedded, **asked(files, sumstats=str(raw)))
    with pytest.raises(StmlError, match="at least 20 spots"):
        run("gsmap", embedded.with_(inside=np.arange(256) < 5), **asked(files))
    with pytest.raises(StmlError, match="No label has 1000 spots"):
        run("gsmap", embedded, **asked(files, least_spots=1000))
    named = embedded.with_(genes=tuple(f"ENSG{i:09d}" for i in range(len(embedded.genes))))
    with pytest.raises(StmlError, match="none of the section's genes"):
        run("gsmap", named, **asked(files))
    with pytest.raises(StmlError, match="Which resource directory"):
        load_all()["gsmap"]().needs(load_all()["gsmap"].Params(sumstats=str(other)))


def test_a_panel_without_genetic_positions(
    toy: Any, embedded: Any, run: Any, tmp_path: Path
) -> None:
    genes = [g for g in toy.genes if not g.startswith("MT-")]
    flat = write_files(tmp_path / "flat", genes, genes[:15], cm=False)
    done = run("gsmap", embedded, **asked(flat))
    assert any("1 Mb stands for 1 cM" in n for n in done.result.notes)


@pytest.fixture(scope="module")
def sample(files: Files, toy: Any) -> Path:
    import anndata as ad
    from scipy.sparse import csr_matrix

    names = np.array(["tumour", "stroma", "immune"], dtype=object)
    data = ad.AnnData(
        csr_matrix(toy.counts.astype(np.float32)), var=pd.DataFrame(index=pd.Index(toy.genes)),
        obs=pd.DataFrame({"domain": names[toy.domain]}, index=pd.Index(toy.names)),
    )  # fmt: skip
    data.obsm["spatial"] = toy.array[:, ::-1] * np.array([100.0, 173.2])
    data.obsm["X_space"] = (
        np.eye(3)[toy.domain] + 0.1 * np.random.default_rng(1).normal(size=(256, 3))
    ).astype(np.float32)
    path = files.folder / "sample.h5ad"
    with ad.settings.override(allow_write_nullable_strings=False):
        data.write_h5ad(path)
    return path


def gsmap(*words: object) -> int:
    return main(["gsmap", *map(str, words)])


def panel_flags(files: Files) -> tuple[str, ...]:
    return ("--bfile_root", files.panel, "--gtf_annotation_file", files.gtf, "--keep_snp_root",
            files.keep)  # fmt: skip


def test_steps_and_quick_mode_leave_the_same_map(
    files: Files, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--workdir", tmp_path, "--sample_name", "s")
    scored = ("--latent_representation", "X_space", "--num_neighbour", 9,
              "--num_neighbour_spatial", 40, "--annotation", "domain")  # fmt: skip
    trait = ("--sumstats_file", files.trait("marked"), "--trait_name", "marked", "--n_blocks", 50)
    assert gsmap("run_latent_to_gene", *place, "--input_hdf5_path", sample, *scored) == 0
    assert gsmap("run_generate_ldscore", *place, *panel_flags(files), "--spots_per_chunk", 100) == 0
    assert gsmap("run_spatial_ldsc", *place, *trait) == 0
    assert gsmap("run_cauchy_combination", *place, "--trait_name", "marked", "--annotation",
                 "domain") == 0  # fmt: skip
    assert gsmap("run_report", *place, "--trait_name", "marked", "--annotation", "domain",
                 "--top_corr_genes", 3) == 0  # fmt: skip
    stepped = pd.read_csv(tmp_path / "s/spatial_ldsc/s_marked.csv.gz").set_index("spot")
    cauchy = pd.read_csv(tmp_path / "s/cauchy_combination/s_marked.Cauchy.csv.gz")
    assert cauchy["annotation"][0] == "immune"
    genes = pd.read_csv(tmp_path / "s/report/marked/s_marked_Gene_Diagnostic_Info.csv")
    assert genes["Gene"][0].startswith("IG")
    _page_is_whole(tmp_path / "s/report/marked", genes["Gene"][:3].tolist())
    assert gsmap("run_report", *place, "--trait_name", "marked", "--selected_genes", "IG2",
                 "--fig_width", 400, "--fig_height", 300, "--fig_style", "dark") == 0  # fmt: skip
    _page_is_whole(tmp_path / "s/report/marked", ["IG2"])
    assert gsmap("run_report", *place, "--trait_name", "marked", "--selected_genes", "NO1") == 2
    assert "no scores of NO1" in capsys.readouterr().err

    resource = tmp_path / "resource"
    assert (
        gsmap("build_resource", *panel_flags(files), "--out", resource, "--about", "made up") == 0
    )
    assert gsmap("check-resource", resource) == 0
    assert "made up" in capsys.readouterr().out
    quick = ("--workdir", tmp_path, "--sample_name", "'q'", "--gsMap_resource_dir", resource,
             "--hdf5_path", sample, "--data_layer", "counts",
             "--top_corr_genes", 2)  # fmt: skip
    lost = [w if w != resource else tmp_path / "lost" for w in quick]
    assert gsmap("quick_mode", *lost, *scored, *trait) == 2
    assert not (tmp_path / "q").exists()  # said before anything is computed
    assert gsmap("quick_mode", *quick, *scored, *trait) == 0
    quickly = pd.read_csv(tmp_path / "q/spatial_ldsc/q_marked.csv.gz").set_index("spot")
    assert quickly.index.tolist() == stepped.index.tolist()
    np.testing.assert_allclose(quickly["z"], stepped["z"], atol=5e-3)
    assert (tmp_path / "q/generate_ldscore/baseline").is_symlink()
    assert gsmap("quick_mode", *quick, *scored[:-2], *trait) == 0  # no annotation
    assert not np.array_equal(pd.read_csv(tmp_path / "q/spatial_ldsc/q_marked.csv.gz")["z"],
                              quickly["z"])  # fmt: skip

    # in parts, as on a cluster; what combines them takes them as one, and never beside the whole
    from napari_stml.io.gsmap.tree import ResultTree

    assert gsmap("run_spatial_ldsc", *place, *trait, "--chunk_range", 1, 2, "--num_processes", 2,
                 "--use_additional_baseline_annotation", "False") == 0  # fmt: skip
    assert gsmap("run_spatial_ldsc", *place, *trait, "--chunk_range", 3, 3) == 0
    assert gsmap("run_spatial_ldsc", *place, *trait, "--chunk_range", 3, 4) == 2
    assert "There are 3 chunks" in capsys.readouterr().err
    combine = ("run_cauchy_combination", *place, "--trait_name", "marked", "--annotation", "domain")
    assert gsmap(*combine) == 2
    assert "remove the parts" in capsys.readouterr().err.lower()
    ResultTree.of(tmp_path, "s").spots("marked").unlink()
    assert gsmap(*combine) == 0
    again = pd.read_csv(tmp_path / "s/cauchy_combination/s_marked.Cauchy.csv.gz")
    pd.testing.assert_frame_equal(again, cauchy)

    # other scores than the LD scores were made of: said, not used
    assert gsmap("run_latent_to_gene", *place, "--input_hdf5_path", sample, *scored,
                 "--no_expression_fraction") == 0  # fmt: skip
    assert gsmap("run_spatial_ldsc", *place, *trait) == 2
    assert "run run-generate-ldscore again" in capsys.readouterr().err.lower()


def _page_is_whole(folder: Path, genes: list[str]) -> None:
    """All of gsMap's files are there, and the page needs none of them."""
    page = (folder / "s_marked_gsMap_Report.html").read_text()
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert page.count("<details>") == len(genes)
    maps = {p.name for p in (folder / "GSS_plot").glob("*.png")}
    assert maps == {f"s_{g}_{k}_Distribution.png" for g in genes for k in ("GSS", "Expression")}
    assert (folder / "gsMap_plot/s_marked_gsMap_plot.png").is_file()
    assert (folder / "manhattan_plot/s_marked_Diagnostic_Manhattan_Plot.png").is_file()


def test_names_of_a_report_cannot_become_markup() -> None:
    from napari_stml.figures.trait_page import GeneMaps, TraitPage, trait_page

    evil = "<img src=x onerror=alert(1)>"
    page = trait_page(TraitPage(
        evil, evil, ((evil, evil),), (evil,), b"", ((evil,) * 5,), {}, ((evil,) * 4,),
        (GeneMaps(evil, evil, None, b""),), ((evil, evil),),
    ))  # fmt: skip
    assert "<img src=x" not in page
    assert page.count("&lt;img src=x") >= 12


def test_the_network_and_the_slice_mean_from_the_command_line(
    files: Files, sample: Path, tmp_path: Path
) -> None:
    place = ("--workdir", tmp_path, "--sample_name", "s")
    short = ("--data_layer", "X", "--annotation", "domain", "--epochs", 5, "--n_comps", 20,
             "--pearson_residuals", "--weighted_adj", "--hierarchically")  # fmt: skip
    assert (
        gsmap("run_find_latent_representations", *place, "--input_hdf5_path", sample, *short) == 0
    )
    out = tmp_path / "mean.parquet"
    assert gsmap("create_slice_mean", "--h5ad_list", sample, sample, "--data_layer", "X",
                 "--slice_mean_output_file", out) == 0  # fmt: skip
    assert gsmap("run_latent_to_gene", *place, "--annotation", "domain", "--gM_slices", out) == 0
    made = json.loads(
        (tmp_path / "s/latent_to_gene/s_gene_marker_score.feather.stml.json").read_text()
    )
    assert made["slices"] == str(out)
    assert made["residuals"] is True


def test_snps_in_another_order_and_a_second_file_of_a_chromosome(
    files: Files, tmp_path: Path, sample: Path
) -> None:
    import anndata as ad

    from napari_stml.io.gsmap import resource

    folder = tmp_path / "resource"
    gsmap("build-resource", *panel_flags(files), "--out", folder)
    whole = resource.open_quick(folder)
    matrix = ad.read_h5ad(folder / resource.MATRIX)
    turned = matrix[::-1].copy()
    with ad.settings.override(allow_write_nullable_strings=False):
        turned.write_h5ad(folder / resource.MATRIX)
    again = resource.open_quick(folder)
    assert abs(again.matrix - whole.matrix).max() == 0
    assert any("another order" in n for n in again.notes)
    with ad.settings.override(allow_write_nullable_strings=False):
        matrix[5:].copy().write_h5ad(folder / resource.MATRIX)
    with pytest.raises(StmlError, match="are not in the weight matrix"):
        resource.open_quick(folder)
    with ad.settings.override(allow_write_nullable_strings=False):
        matrix.write_h5ad(folder / resource.MATRIX)
    baseline = folder / f"{resource.BASELINE}1.l2.ldscore.feather"
    pd.read_feather(baseline).to_csv(baseline.with_suffix(".gz"), sep="\t", index=False)
    assert len(resource.open_quick(folder).names) == len(whole.names)
    (folder / resource.MATRIX).unlink()
    with pytest.raises(StmlError, match="lacks SNP-gene weights"):
        resource.open_quick(folder)


def test_published_results_are_opened(real_data: Path, run: Any, tmp_path: Path, toy: Any) -> None:
    folder = real_data / "dlpfc_151507_gsmap"
    if not folder.is_dir():
        pytest.skip("dlpfc_151507_gsmap is not among the real data")
    table = pd.read_csv(folder / "spots_gsmap_height.csv")
    layers, codes = np.unique(table["layer"].astype(str), return_inverse=True)
    from napari_stml.core.inputs import Categories

    n = len(table)
    layer = Categories(codes.astype(np.int32), tuple(layers))
    section = toy.with_(
        counts=np.zeros((n, 1)), names=table["barcode"].to_numpy(dtype=object),
        inside=np.ones(n, bool), array=table[["array_row", "array_col"]].to_numpy(),
        domain=np.zeros(n, int), columns={"layer": layer},
    )  # fmt: skip
    done = run("open-gsmap", section, path=str(folder / "spots_gsmap_height.csv"),
               annotation="layer", version="1.73.8")  # fmt: skip
    np.testing.assert_allclose(
        done.part("height_neg_log10_p").values,
        table["gsmap_height_neglog10p"],
        rtol=1e-5,
        atol=1e-6,
    )
    assert "computed by gsMap, version 1.73.8" in done.result.notes
    assert len(done.part("cauchy_annotation_table").columns["annotation"]) > 3


def test_a_tree_of_gsmap_is_opened(files: Files, toy: Any, run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "work" / "s"
    (folder / "spatial_ldsc").mkdir(parents=True)
    z = np.linspace(-2, 3, 200)
    spots = [f"{n}-1" for n in toy.names[:200]]
    for name, part in (("_chunk1-1", slice(0, 90)), ("_chunk2-2", slice(90, 200))):
        pd.DataFrame({"spot": spots[part], "beta": 1.0, "se": 1.0, "z": z[part], "p": 0.5}).to_csv(
            folder / f"spatial_ldsc/s_IQ{name}.csv.gz", index=False
        )
    (folder / "gsMap_pipeline_s_1.log").write_text("gsMap version 1.73.5 was started\n")
    done = run("open-gsmap", toy, path=str(tmp_path / "work"))
    np.testing.assert_allclose(done.part("IQ_z").values[:200], z, rtol=1e-5)
    assert (done.part("IQ_significant").codes[200:] == 2).all()
    assert "computed by gsMap, version 1.73.5" in done.result.notes
    strange = toy.with_(names=np.array([f"q{i}" for i in range(256)], dtype=object))
    with pytest.raises(StmlError, match="belongs to this section"):
        run("open-gsmap", strange, path=str(tmp_path / "work"))


def sums(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_the_slides_example(tmp_path: Path) -> None:
    from napari_stml.io.gsmap.sumstats import format_sumstats

    path = sums(tmp_path / "a.txt", "rsid effect_allele other_allele p_value beta n",
                "rs1 A G 2e-8 0.25 1000", "rs2 A G 2e-8 -0.25 1000")  # fmt: skip
    assert format_sumstats(path).table["Z"].round(2).tolist() == [5.61, -5.61]


@pytest.mark.parametrize(("header", "row", "z", "n"), [
    ("CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ INFO N TEST BETA SE CHISQ LOG10P EXTRA",
     "1 5 rs1 G A 0.3 0.99 500 ADD -0.2 0.05 16 4.19987 NA", -4.0, 500),
    ("hm_rsid hm_effect_allele hm_other_allele odds_ratio p_value n_cas n_con rsid",
     "rs1 A G 0.9 0.01 200 300 rs1", -2.576, 500),
    ("#CHROM POS ID REF ALT A1 OBS_CT BETA SE T_STAT P", "1 5 rs1 G A A 700 0.1 0.1 1 0.317311",
     1.0, 700),
    ("SNP A1 A2 OR SE_OR N", "rs1 A G 1.2 0.12 900", 1.823, 900),
])  # fmt: skip
def test_usual_headers(tmp_path: Path, header: str, row: str, z: float, n: int) -> None:
    from napari_stml.io.gsmap.sumstats import format_sumstats

    table = format_sumstats(sums(tmp_path / "a.txt", header, row)).table
    assert table["Z"][0] == pytest.approx(z, abs=1e-3)
    assert table["N"][0] == n


@pytest.mark.parametrize(("header", "row", "words"), [
    ("SNP A1 A2 P BETA", "rs1 A G 0.1 1", "number of people is missing"),
    ("SNP A1 A2 P N", "rs1 A G 0.1 100", "no effect"),
    ("A1 A2 Z N", "A G 1 100", "neither rs numbers nor positions"),
    ("CHR POS A1 A2 Z N", "1 5 A G 1 100", "give a table of dbSNP"),
    ("SNP A1 A2 P BETA N", "rs1 A G 0 1 100", "No SNP is left"),
])  # fmt: skip
def test_sumstats_that_cannot_be_formatted(
    tmp_path: Path, header: str, row: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sums(tmp_path / "a.txt", header, row)
    assert gsmap("format-sumstats", "--sumstats", path, "--out", tmp_path / "o") == 2
    assert words.lower() in capsys.readouterr().err.lower()
    assert not (tmp_path / "o.sumstats.gz").exists()


def test_formatting_says_what_it_takes_and_drops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sums(tmp_path / "a.txt", "snpid effect_allele other_allele pval BETA SE",
                "rs1 a g 0.1 1 1", "rs2 A T 0.1 1 1", "rs3 A G 0 5 0.1")  # fmt: skip
    words = ("format_sumstats", "--sumstats", path, "--out", tmp_path / "o", "--n", 500)
    assert gsmap(*words, "--dry-run") == 0
    assert "pval -> P" in capsys.readouterr().out
    assert gsmap(*words) == 0
    said = capsys.readouterr().out
    assert "1 dropped: alleles" in said
    assert "p = 0: z is effect / standard error" in said
    table = pd.read_csv(tmp_path / "o.sumstats.gz", sep="\t")
    assert table.to_dict("list") == {"SNP": ["rs1", "rs3"], "A1": ["A", "A"], "A2": ["G", "G"],
                                     "Z": [1.645, 50.0], "N": [500, 500]}  # fmt: skip


def test_drawn_classes_may_serve_as_the_annotation(files: Files, embedded: Any, run: Any) -> None:
    import shapely

    from napari_stml.core.inputs import Region

    x = embedded.array[:, 1] * 100.0
    middle = float(np.median(x))
    left = Region(shapely.to_wkb(shapely.box(-1, -1, middle, 1e5)), "left", "")
    section = embedded.with_(drawn=(left,))
    asks = asked(files, annotation="", regions=True)
    done = run("gsmap", section, **asks, within_regions=True)
    table = done.part("cauchy_region_table").columns
    assert sorted(table["region"]) == ["elsewhere", "left"]
    assert sum(table["spots"]) == 256
    beside = run("gsmap", section, **asks)
    assert list(beside.part("cauchy_region_table").columns["region"]) == ["left"]
    assert not np.array_equal(done.part("marked_z").values, beside.part("marked_z").values)


def test_the_recipe_of_the_pages_is_whole(files: Files, tmp_path: Path) -> None:
    from shutil import copy

    from napari_stml.runs.recipe import read_recipe

    pages = Path(__file__).parents[2] / "docs" / "recipes"
    for name in ("traits.yaml", "gwas_config.yaml"):
        copy(pages / name, tmp_path / name)
    (tmp_path / "gwas").mkdir()
    for name in ("planted", "null"):
        copy(files.trait("null"), tmp_path / "gwas" / f"{name}.sumstats.gz")
    recipe = read_recipe(tmp_path / "traits.yaml")
    params: Any = recipe.params(recipe.steps[0])
    assert params.panel == str(tmp_path / "gwas" / "panel" / "demo")
    from napari_stml.analyses.gsmap import trait_files

    assert set(trait_files(params)) == {"planted", "null"}


def test_spots_know_the_region_they_lie_in(toy: Any) -> None:
    import shapely

    from napari_stml.analyses._gsmap.tell import regions_of
    from napari_stml.core.inputs import Region

    left = Region(shapely.to_wkb(shapely.box(-1, -1, 800, 1e5)), "core", "")
    inner = Region(shapely.to_wkb(shapely.box(-1, -1, 800, 900)), "edge", "")
    section = toy.with_(inside=np.arange(256) < 200).section({})
    section.data["regions"] = (left, inner)
    found = regions_of(section)
    x, y = section.xy.T
    expected = np.where(x > 800, -1, np.where(y > 900, 0, 1))
    expected[200:] = -1
    assert found.names == ("core", "edge")
    assert found.codes.tolist() == expected.tolist()
