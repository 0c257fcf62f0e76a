"""Trait maps on a small section with its own panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from gsmap_files import Files, asked, write_files

from napari_stml.analyses import load_all
from napari_stml.core.errors import StmlError


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

    pages = Path(__file__).parents[3] / "docs" / "recipes"
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
