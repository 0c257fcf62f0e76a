"""A folder laid out like HEST-1k."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest
from PIL import Image

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.readers.hest import samples
from napari_stml.io.section import Section

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [
    ("INT1", "Kidney", "Homo sapiens", "Visium", "Cancer", "P1", "0.5"),
    ("INT2", "Bowel", "Homo sapiens", "Visium", "Healthy", "P2", "0.25"),
    ("INT3", "Bowel", "Mus musculus", "Xenium", "Cancer", "", ""),
    ("GONE", "Skin", "Homo sapiens", "Visium", "Cancer", "P9", "0.5"),
]


@pytest.fixture
def hest(tmp_path: Path) -> Path:
    head = "id,organ,species,st_technology,disease_state,patient,pixel_size_um_estimated"
    text = "\n".join([head, *(",".join(r) for r in ROWS)])
    (tmp_path / "HEST_v1_3_0.csv").write_text(text + "\n")
    for folder in ("st", "wsis"):
        (tmp_path / folder).mkdir()
    rng = np.random.default_rng(0)
    for name, *_ in ROWS[:3]:
        adata = ad.AnnData(rng.poisson(2, (50, 3)).astype(np.float32))
        adata.obs_names = [f"b{i}" for i in range(50)]
        adata.obsm["spatial"] = rng.uniform(20, 180, (50, 2))
        adata.write_h5ad(tmp_path / "st" / f"{name}.h5ad")
        if name != "INT3":
            Image.fromarray(np.full((200, 200, 3), 220, np.uint8)).save(
                tmp_path / "wsis" / f"{name}.tif"
            )
    return tmp_path


def test_a_sample_opens_on_its_slide_with_the_tables_scale(hest: Path) -> None:
    section = Section.open(hest)
    assert section.format == "HEST-1k"
    assert section.name == "P1-INT1"
    assert section.contents.choices["section"] == ("INT1", "INT2", "INT3")
    assert section.contents.choices["organ"] == ("Kidney", "Bowel")
    assert section.observations is not None
    assert len(section.observations) == 50
    (placed,) = section.images.values()
    assert placed.slide.width == 200
    assert section.um_per_px is not None
    assert section.um_per_px.mean == 0.5
    one = Section.open(hest / "st" / "INT2.h5ad")
    assert (one.name, one.contents.chosen["section"]) == ("P2-INT2", "INT2")


def test_filters_choose_in_any_case(hest: Path) -> None:
    def names(**asked: str) -> tuple[str, ...]:
        return Section.open(hest, **asked).contents.choices["section"]

    assert names(organ="bowel") == ("INT2", "INT3")
    assert names(organ="Colorectal", disease="cancer") == ("INT3",)
    assert names(technology="visium", species="homo sapiens") == ("INT1", "INT2")
    assert names(patient="p2") == ("INT2",)
    assert names(patient="INT3") == ("INT3",)
    assert Section.open(hest, organ="Bowel", section="INT3").name == "INT3-INT3"


def test_what_is_not_there_is_answered_with_what_is(hest: Path) -> None:
    with pytest.raises(CannotOpenError, match="organ Heart") as told:
        Section.open(hest, organ="Heart")
    assert "Kidney, Bowel" in str(told.value)
    with pytest.raises(StmlError, match="no sample 'INT1' among"):
        Section.open(hest, organ="Bowel", section="INT1")
    lonely = Section.open(hest, section="INT3")
    assert not lonely.images
    assert any("no slide" in n for n in lonely.contents.notes)
    assert [s.patient for s in samples(hest)] == ["P1", "P2", "INT3"]
