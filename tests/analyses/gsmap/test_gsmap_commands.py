"""gsMap's commands on gsMap's files."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from napari_stml.cli import main
from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from pathlib import Path

    from gsmap_files import Files


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
