"""Recipes that cannot be followed: the error names line, step, and the nearest name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_stml.core.errors import StmlError
from napari_stml.runs.recipe import read_recipe
from napari_stml.runs.recipe_sections import sections_of, units_of

GOOD = """\
recipe: 1
sections:
  - path: a.h5ad
    um_per_px: 0.5
steps:
  - analysis: embed
    params:
      dimensions: 5
  - analysis: clusters
    from:
      embedding: embed/X_pca
outputs:
  - out/{section}.csv
"""


def read(tmp_path: Path, text: str) -> object:
    file = tmp_path / "run.yaml"
    file.write_text(text, encoding="utf-8")
    return read_recipe(file)


def test_a_good_recipe(tmp_path: Path) -> None:
    read(tmp_path, GOOD)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("recipe: 1", "recipe: 2", r"known version \(run.yaml, line 1\).*recipe: 1"),
        ("recipe: 1\n", "", "known version"),
        ("recipe: 1", "recipe: 1\nrecipe: 1", r"given twice \(run.yaml, line 2\)"),
        ("    um_per_px: 0.5", "    um_per_pix: 0.5", r"line 4.*id you mean um_per_px"),
        ("um_per_px: 0.5", "um_per_px: half", "line 4"),
        ("  - path: a.h5ad", "  - pat: a.h5ad", "line 3"),
        ("analysis: embed\n", "analysis: embd\n", r"analysis 'embd' .*line 6.*mean embed"),
        ("dimensions: 5", "dimension: 5", r"line 8, step 'embed'\).*mean dimensions"),
        ("dimensions: 5", "dimensions: many", r"line 8, step 'embed'\).*components"),
        ("dimensions: 5", "dimensions: 0", r"line 8, step 'embed'\)"),
        ("embedding: embed", "embeddin: embed", r"line 11, step 'clusters'\).*mean embedding"),
        ("embed/X_pca", "embd/X_pca", r"earlier step 'embd' .*line 11.*mean embed"),
        ("embed/X_pca", "embed/X_pcaa", r"no value 'X_pcaa' .*line 11.*mean X_pca"),
        ("from:", "scope: {filter: embed/X=a}\n    from:", "no value 'X'"),
        ("embed/X_pca", "clusters/X_pca", "earlier step 'clusters'"),
        ("analysis: clusters", "analysis: embed", "(?s)Two steps are called 'embed'.*line 9"),
        ("analysis: clusters", "analysis: clusters\n    live: {resolutio: 1}", "line 10, step"),
        ("analysis: embed\n", "analysis: embed\n    live: {x: 1}\n", "nothing live.*line"),
        ("analysis: embed\n", "analysis: embed\n    sections: many\n", "each section by itself"),
        ("analysis: embed\n", "analysis: embed\n    scope: {region: x}\n", "line 7.*mean regions"),
        ("analysis: embed\n", "analysis: embed\n    scope: {regions: x, filter: y}\n", "either"),
        ("analysis: embed\n", "analysis: embed\n    scope: some\n", "'whole'"),
        ("out/{section}.csv", "out/{section}.xls", "h5ad.*line 13"),
        ("  - out/{section}.csv", "  - {file: a.csv, steps: [embe]}", "line 13.*mean embed"),
        ("  - out/{section}.csv", "  - {file: a.h5ad, columns: [x]}", "holds all columns.*line 13"),
        ("  - out/{section}.csv", "  - {file: a.csv, names: {X: y}}", "for an .h5ad.*line 13"),
        ("  - path: a.h5ad", "  - path: a.h5ad\n    name: ../x", "'name' is not right.*line 4"),
        ("steps:", "steps: [", "not well-formed.*line"),
        ("steps:", "stages:", "line 5.*mean steps"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in GOOD
    with pytest.raises(StmlError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert re.search(said, str(caught.value)), str(caught.value)


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    with pytest.raises(StmlError, match="cannot be read"):
        read_recipe(tmp_path / "none.yaml")
    with pytest.raises(StmlError, match="list of sections"):
        read(tmp_path, "just words")
    with pytest.raises(StmlError, match="No module named"):
        read(tmp_path, "recipe: 1\nsections: [a]\nmodules: [no_such_module_here]\n")


def test_sections_have_names_of_their_own(tmp_path: Path) -> None:
    for place in ("one/counts.h5ad", "two/counts.h5ad", "two/other.h5ad"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    recipe = read(
        tmp_path,
        "recipe: 1\nsections:\n"
        "  - '*/*.h5ad'\n"
        "  - {path: s.zarr, choices: {section: left}}\n"
        "  - {path: s.zarr, choices: {section: right}, name: the other}\n"
        "  - https://host/x.zarr\n",
    )
    plans = sections_of(recipe)  # type: ignore[arg-type]
    assert [p.label for p in plans] == [
        "one-counts", "two-counts", "other", "s-left", "the other", "x",
    ]  # fmt: skip
    assert plans[-1].path == "https://host/x.zarr"
    assert [len(unit) for unit in units_of(plans)] == [1, 1, 1, 2, 1]


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ("['none/*.h5ad']", "No section is found"),
        ("[a.h5ad, ./a.h5ad]", "twice"),
        ("[{path: a.h5ad, name: x}, {path: b.h5ad, name: X}]", "same name"),
    ],
)
def test_sections_that_cannot_be_told_apart(tmp_path: Path, sections: str, said: str) -> None:
    recipe = read(tmp_path, f"recipe: 1\nsections: {sections}\n")
    with pytest.raises(StmlError, match=said):
        sections_of(recipe)  # type: ignore[arg-type]


def test_outputs_are_not_written_over_each_other(tmp_path: Path) -> None:
    from napari_stml.runs.recipe_run import follow

    recipe = read(tmp_path, "recipe: 1\nsections: [a.h5ad, b.h5ad]\noutputs: [all.csv]\n")
    with pytest.raises(StmlError, match="one file"):
        follow(recipe)  # type: ignore[arg-type]


def test_the_recipe_of_the_demo_can_be_followed() -> None:
    file = Path(__file__).parents[2] / "docs" / "recipes" / "demo.yaml"
    recipe = read_recipe(file)
    assert [p.label for p in sections_of(recipe)] == ["section1", "section2"]


def test_the_recipe_of_the_docs_can_be_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    read(tmp_path, page.partition("```yaml\n")[2].partition("```")[0])
