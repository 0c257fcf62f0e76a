"""Drawn regions in print: outlines in the colours of their classes, as vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
import shapely

from napari_stml import Section
from napari_stml.core.errors import StmlError
from napari_stml.figures.tissue import Print, tissue_figure
from napari_stml.io.regions import RegionKeeper
from napari_stml.io.regions.keeper import Snapshot
from napari_stml.regions.region import Drawn

if TYPE_CHECKING:
    from pathlib import Path

BAD = '<script>alert(1)</script>"/><a href="javascript:alert(3)">' + "x" * 5000


@pytest.fixture
def section(tmp_path: Path) -> Section:
    import anndata as ad
    import numpy as np
    import pandas as pd

    names = pd.Index([f"s{i}" for i in range(30)], dtype=object)
    table = ad.AnnData(np.ones((30, 2), np.float32), obs=pd.DataFrame(index=names))
    table.obsm["spatial"] = np.column_stack([np.arange(30) % 6, np.arange(30) // 6]) * 20.0
    table.write_h5ad(tmp_path / "one.h5ad")
    return Section.open(tmp_path / "one.h5ad", um_per_px=0.5)


def test_regions_are_vectors_in_the_colours_of_their_classes(
    section: Section, tmp_path: Path
) -> None:
    with pytest.raises(StmlError, match="No region is drawn"):
        tissue_figure(section, "regions")
    keeper = RegionKeeper(section)
    drawing = keeper.load()
    drawing.listeners.append(keeper.note)
    hole = shapely.box(0, 0, 80, 80).difference(shapely.box(20, 20, 40, 40))
    drawing.add(Drawn.new(hole, kind="Tumour"), Drawn.new(shapely.box(60, 0, 90, 30), kind=BAD),
                Drawn.new(shapely.box(0, 60, 30, 90), kind="Hidden", hidden=True))  # fmt: skip
    drawing.edit_classes("red", drawing.classes.changed("Tumour", colour="#ff0102"))
    keeper.save(Snapshot(drawing.regions, drawing.classes, keeper.latest))
    keeper.close()
    drawn = tissue_figure(section, "regions", Print(width_mm=160, dpi=100))
    for ending in ("svg", "pdf", "png", "tif"):
        drawn.save(tmp_path / f"regions.{ending}")
    text = (tmp_path / "regions.svg").read_text()
    assert "#ff0102" in text
    assert "Hidden" not in text
    root = ElementTree.fromstring(text)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "a", "foreignObject", "iframe"}
    said = ["".join(e.itertext()) for e in root.iter() if e.tag.endswith("}text")]
    assert "Tumour" in said
    assert any(t.startswith("<script>") for t in said)
    section.close()
