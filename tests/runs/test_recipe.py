"""Recipes: what they compute, what they skip, and that nothing is reused by name."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import anndata as ad
import cohort_toys  # noqa: F401 - registers
import numpy as np
import pandas as pd
import pytest
from cohort import assert_equal_bits, values_of, write_section
from PIL import Image

from napari_stml import Section
from napari_stml.core.errors import StmlError
from napari_stml.runs.recipe import read_recipe
from napari_stml.runs.recipe_run import Following, Report, follow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Follow = Callable[..., Report]

STEPS = """
steps:
  - analysis: embed
    params: {variable_genes: 30, dimensions: 4, umap: false}
    scope: {filter: good}
  - name: domains
    analysis: clusters
    title: Domains
    from: {embedding: embed/X_pca}
    params: {sweep: false, neighbours: 6, smooth: 0}
    live: {resolution: 0.5}
outputs:
  - out/{section}.h5ad
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sections and a place of its own for what is kept."""
    monkeypatch.setenv("STML_DATA_HOME", str(tmp_path / "data"))
    for i, name in enumerate("ab"):
        write_section(tmp_path / "cohort" / f"{name}.h5ad", i)
    return tmp_path


def written(folder: Path, text: str, sections: str = '"cohort/*.h5ad"') -> Path:
    file = folder / "run.yaml"
    file.write_text(f"recipe: 1\nsections: [{sections}]\n{text}", encoding="utf-8")
    return file


def states(report: Report) -> list[tuple[str, str, str]]:
    return [(e.section, e.step, e.state) for e in report.events]


def followed(file: Path, **how: object) -> Report:
    return follow(read_recipe(file), Following(**how))  # type: ignore[arg-type]


def test_a_rerun_skips_everything_and_a_fresh_run_gives_equal_bits(folder: Path) -> None:
    file = written(folder, STEPS)
    dry = followed(file, dry_run=True)
    assert dry.count("would run") == 6
    assert not (folder / "data").exists(), "a dry run writes nothing"
    first = followed(file)
    assert [s for _, _, s in states(first)] == ["computed", "computed", "written"] * 2
    assert first.known["a"] == {"embed": "embed-1", "domains": "clusters-1"}
    again = followed(file)
    assert {s for _, _, s in states(again)} == {"complete"}
    assert again.known == first.known
    before = values_of(folder / "cohort" / "a.h5ad")
    shutil.rmtree(folder / "data")
    followed(file)
    assert_equal_bits(before, values_of(folder / "cohort" / "a.h5ad"))


def test_runs_say_what_they_came_from(folder: Path) -> None:
    followed(written(folder, STEPS))
    with Section.open(folder / "cohort" / "a.h5ad") as section:
        assert section.shelf is not None
        records = section.shelf.records
        good = section.values("good").to_numpy(dtype=bool)
        embedding = section.shelf.part("embed-1", "X_pca")
    assert records["clusters-1"].params["embedding"] == "embed-1/X_pca"
    assert records["clusters-1"].parents == ("embed-1",)
    assert records["clusters-1"].title == "Domains"
    assert records["clusters-1"].live["resolution"] == 0.5
    assert records["embed-1"].scope["kind"] == "filter"
    np.testing.assert_array_equal(np.isfinite(embedding.values).all(axis=1), good)
    taken = ad.read_h5ad(folder / "out" / "a.h5ad")
    assert "clusters-1.clusters" in taken.obs
    assert taken.obsm["embed-1.X_pca"].shape == (80, 4)


def test_new_content_is_computed_anew_under_the_same_name(folder: Path) -> None:
    file = written(folder, STEPS)
    followed(file)
    write_section(folder / "cohort" / "b.h5ad", 7)
    report = followed(file)
    assert [(s, t) for s, _, t in states(report)] == [
        *[("a", "complete")] * 3, ("b", "computed"), ("b", "computed"), ("b", "written"),
    ]  # fmt: skip
    assert report.known["b"] == {"embed": "embed-2", "domains": "clusters-2"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dimensions: 4", "dimensions: 5"),
        ("filter: good", "filter: half=left"),
        ("steps:", "seed: 3\nsteps:"),
        ("steps:", "threads: 2\nsteps:"),
    ],
)
def test_what_changes_a_result_is_computed_anew(folder: Path, old: str, new: str) -> None:
    followed(written(folder, STEPS), only=("embed",))
    report = followed(written(folder, STEPS.replace(old, new)), only=("embed",))
    assert {s for _, _, s in states(report)} == {"computed"}


def test_a_change_of_live_leaves_what_comes_before(folder: Path) -> None:
    followed(written(folder, STEPS))
    report = followed(written(folder, STEPS.replace("resolution: 0.5", "resolution: 1.5")))
    assert [s for _, _, s in states(report)] == ["complete", "computed", "written"] * 2


def test_another_version_of_the_code_computes_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(folder, STEPS)
    followed(file, only=("embed",))
    from napari_stml.runs import standing

    monkeypatch.setattr(standing, "versions", lambda: {"napari-stml": "99"})
    assert followed(file, only=("embed",)).count("computed") == 2


def test_a_run_whose_values_were_taken_away_is_not_complete(folder: Path) -> None:
    file = written(folder, STEPS)
    followed(file)
    store = next((folder / "data" / "overlays").glob("a-*.zarr"))
    shutil.rmtree(store / "tables" / "stml.embed-1")
    report = followed(file)
    assert ("a", "embed", "computed") in states(report)
    assert ("b", "embed", "complete") in states(report)


def test_a_changed_export_is_written_again(folder: Path) -> None:
    file = written(folder, STEPS)
    followed(file)
    (folder / "out" / "a.h5ad").write_bytes(b"not this")
    report = followed(file)
    assert ("a", "a.h5ad", "written") in states(report)
    assert ("b", "b.h5ad", "complete") in states(report)
    ad.read_h5ad(folder / "out" / "a.h5ad")


def test_only_brings_what_a_step_needs_and_force_computes_again(folder: Path) -> None:
    more = STEPS.replace("steps:", "steps:\n  - {analysis: scores, params: {genes: [G1, G2]}}")
    file = written(folder, more)
    report = followed(file, only=("domains",))
    assert {e.step for e in report.events} == {"embed", "domains"}
    forced = followed(file, only=("embed",), force=True)
    assert forced.known["a"]["embed"] == "embed-2"
    with pytest.raises(StmlError, match="Did you mean domains"):
        followed(file, only=("domain",))


def test_a_failure_stops_unless_told_to_go_on(folder: Path) -> None:
    steps = """
modules: [cohort_toys]
steps:
  - {analysis: toy-picky, name: picky, params: {refuses: a}}
  - {analysis: scores, params: {genes: [G1]}}
  - {analysis: scores, name: after, params: {genes: [G1]}, scope: {filter: picky/doubled=1}}
"""
    file = written(folder, steps)
    report = followed(file)
    assert states(report) == [("a", "picky", "failed")]
    assert report.stopped
    assert "Not this one" in report.events[0].text
    going = followed(file, keep_going=True)
    assert ("a", "scores", "computed") in states(going)
    assert ("a", "after", "left out") in states(going)
    assert ("b", "picky", "computed") in states(going)
    assert going.failed


def test_a_missing_section_is_a_failure_of_that_section(folder: Path) -> None:
    file = written(folder, STEPS, '"cohort/a.h5ad", "cohort/none.h5ad"')
    report = followed(file, keep_going=True)
    assert ("none", "open", "failed") in states(report)
    assert report.count("computed") == 2


def test_many_sections_become_one_run_in_every_store(folder: Path) -> None:
    steps = "modules: [cohort_toys]\nsteps: [{analysis: toy-pooled, name: pooled, sections: many}]"
    file = written(folder, steps)
    report = followed(file)
    assert states(report) == [("2 sections", "pooled", "computed")]
    assert {s for _, _, s in states(followed(file))} == {"complete"}
    values = [values_of(folder / "cohort" / f"{n}.h5ad")["toy-pooled-1/pooled"] for n in "ab"]
    assert abs(np.concatenate(values).mean()) < 1e-12
    assert abs(values[0].mean()) > 0.1


def test_sections_of_one_store_are_kept_apart(folder: Path) -> None:
    store = two_sections(folder)
    sections = ", ".join(
        f'{{path: "{store.name}", name: {n}, choices: {{section: {n}}}}}' for n in ("left", "right")
    )
    steps = """
modules: [cohort_toys]
steps:
  - {analysis: scores, params: {genes: [G1, G2]}}
  - {analysis: toy-pooled, name: pooled}
outputs: ["out/{section}.csv"]
"""
    file = written(folder, steps, sections)
    report = followed(file)
    assert [e.text for e in report.events if e.state == "failed"] == []
    assert {s for _, _, s in states(followed(file))} == {"complete"}
    for name in ("left", "right"):
        values = values_of(store, section=name)
        assert len(values["toy-pooled-1/pooled"]) == 80
        frame = pd.read_csv(folder / "out" / f"{name}.csv")
        np.testing.assert_allclose(
            frame["toy-pooled-1.pooled"], values["toy-pooled-1/pooled"], atol=1e-6
        )
    left, right = (values_of(store, section=n)["toy-pooled-1/pooled"] for n in ("left", "right"))
    assert not np.array_equal(left, right)


def two_sections(folder: Path) -> Path:
    """A SpatialData store with two coordinate systems, each with spots and a table."""
    import spatialdata as sd
    from spatialdata.models import ShapesModel, TableModel
    from spatialdata.transformations import Identity

    shapes, tables = {}, {}
    for i, name in enumerate(("left", "right")):
        adata = ad.read_h5ad(write_section(folder / "tmp" / f"{name}.h5ad", i + 3))
        spots = f"{name}_spots"
        shapes[spots] = ShapesModel.parse(
            np.asarray(adata.obsm["spatial"]), geometry=0, radius=40.0,
            transformations={name: Identity()}, index=np.arange(adata.n_obs),
        )  # fmt: skip
        adata.obs["region"] = pd.Categorical([spots] * adata.n_obs)
        adata.obs["instance_id"] = np.arange(adata.n_obs)
        tables[f"{name}_rna"] = TableModel.parse(
            adata, region=spots, region_key="region", instance_key="instance_id"
        )
    store = folder / "both.zarr"
    with ad.settings.override(auto_shard_zarr_v3=False):
        sd.SpatialData(shapes=shapes, tables=tables).write(store)
    return store


FIGURES = """
steps:
  - {analysis: scores, name: score, params: {genes: [G1, G2]}}
outputs:
  - file: out/{section}.svg
    figure: {values: [score/score, G1], width_mm: 100, dpi: 60, scales: own}
  - {file: "out/{section}.png", figure: {values: G1, dpi: 60, limits: [0, 3]}}
  - out/{section}.html
"""


def test_figures_and_reports_are_outputs_too(folder: Path) -> None:
    file = written(folder, FIGURES)
    report = followed(file)
    assert [e.text for e in report.events if e.state == "failed"] == []
    svg = (folder / "out" / "a.svg").read_text()
    assert "scores-1" in svg
    with Image.open(folder / "out" / "b.png") as picture:
        said = json.loads(picture.text["napari-stml"])  # type: ignore[attr-defined]
    assert said["value"]["limits"] == [0, 3]
    assert "scores-1" in (folder / "out" / "a.html").read_text()
    again = {(e.section, e.step): e.state for e in followed(file).events}
    assert again["a", "a.svg"] == again["a", "a.html"] == "complete"
    assert again["a", "a.png"] == "written", "no Run says whether the gene is what it was"
    with Section.open(folder / "cohort" / "a.h5ad") as section:
        section.kept.store.set_attr("styling", {"columns": {}, "note": 1})
    again = {(e.section, e.step): e.state for e in followed(file).events}
    assert again["a", "a.svg"] == "written", "other colours"
    assert again["b", "b.svg"] == "complete"


@pytest.mark.parametrize(
    ("output", "words"),
    [("{file: a.csv, figure: {values: G1}}", "a figure ends in"),
     ("{file: a.pdf, columns: [G1]}", "columns and names are for tables"),
     ("{file: a.pdf, figure: {value: G1}}", "values"),
     ("{file: a.pdf, figure: {dpi: 5}}", "36")],
)  # fmt: skip
def test_a_figure_that_cannot_be_is_refused_first(folder: Path, output: str, words: str) -> None:
    with pytest.raises(StmlError, match=words):
        read_recipe(written(folder, f"steps: []\noutputs: [{output}]\n"))
