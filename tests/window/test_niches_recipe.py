"""The recipe of the niches, as the documentation has it, on a small demo with the same names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_demo import write_small_demo

from napari_stml import Section
from napari_stml.cli import main
from napari_stml.core.needs import Column
from napari_stml.runs.section_run import SectionSpec, open_inputs

RECIPE = Path(__file__).parents[2] / "docs" / "recipes" / "niches.yaml"
CHOICES: dict[str, dict[str, str]] = {
    "section1": {"section": "section1"},
    "section2": {"section": "section2", "observations": "section2_rna"},
}


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_small_demo(tmp_path_factory.mktemp("niches"))
    shutil.copy(RECIPE, folder / RECIPE.name)
    assert main(["recipe", str(folder / RECIPE.name)]) == 0
    return folder


def test_each_section_has_its_table_and_the_four_figures(followed: Path) -> None:
    from PIL import Image

    for name in CHOICES:
        for what in ("niches", "components", "co-localisation", "network"):
            with Image.open(followed / "taken-out" / f"{name}-{what}.png") as figure:
                pixels = np.asarray(figure.convert("L"))
            assert pixels.std() > 5, f"{name}, {what}: nothing is drawn"
        head = (followed / "taken-out" / f"{name}-niches.csv").read_text().splitlines()[0]
        assert {"niches-1/niches", "niches-1/perplexity"} <= set(head.split(","))


def test_sections_of_one_store_share_niches_and_read_their_own(followed: Path) -> None:
    found = {}
    for name, choices in CHOICES.items():
        with Section.open(followed / "demo.zarr", **choices) as section:
            shelf, observed = section.shelf, section.observations
            assert shelf is not None
            assert observed is not None
            found[name] = shelf.part("niches-1", "niches")
            spec = SectionSpec(
                path=str(followed / "demo.zarr"), choices=choices, store=str(shelf.store)
            )
            opened = open_inputs({"labels": Column("niches-1/niches")}, spec)
            read: Any = opened.resolved.inputs["labels"]
            opened.section.close()
            assert len(observed.names) == len(found[name].codes)
            np.testing.assert_array_equal(read.codes, found[name].codes)
    assert found["section1"].categories == found["section2"].categories
    assert len(found["section1"].codes) != len(found["section2"].codes)


def test_following_it_again_computes_nothing(
    followed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipe", str(followed / RECIPE.name), "--dry-run"]) == 0
    assert "would run" not in capsys.readouterr().out
