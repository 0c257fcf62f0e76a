from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from napari_stml import Section
from napari_stml.core.errors import StmlError
from napari_stml.io.contents import Contents, Observations
from napari_stml.io.tables.memory import MemoryTable

if TYPE_CHECKING:
    from napari_stml.io.slides import Slide

NAMES = np.array(["a", "b", "c", "d"], dtype=object)


def table(names: list[str], genes: list[str], modality: str, **obs: Any) -> MemoryTable:
    values = np.arange(len(names) * len(genes), dtype=np.float32).reshape(len(names), -1) + 1
    adata = ad.AnnData(values, layers={"half": values / 2})
    adata.obs_names, adata.var_names = names, genes
    adata.obsm["X_pca"] = values[:, :2].copy()
    for key, column in obs.items():
        adata.obs[key] = column
    return MemoryTable(adata, name=modality)


@pytest.fixture
def section() -> Section:
    rna = table(
        ["d", "c", "b", "a"], ["ERBB2", "COL1A1", "Erbin", "MERB"], "RNA",
        label=pd.Categorical(["x", None, "y", "x"], categories=["x", "y"]),
        total=[4, 3, 2, 1],
    )  # fmt: skip
    protein = table(
        ["c", "a", "zz"], ["CD3", "ERBB2"], "protein",
        gate=[True, False, True],
        kind=pd.Categorical(["p", "q", "p"]),
        count=pd.array([1, None, 3], dtype="Int64"),
    )  # fmt: skip
    observations = Observations("spots", NAMES, np.zeros((4, 2)))
    contents = Contents(
        "s", "test", observations=observations, tables={"RNA": rna, "protein": protein}
    )
    return Section(Path("nowhere"), contents, {})


def test_values_come_in_the_order_of_the_observations(section: Section) -> None:
    np.testing.assert_array_equal(section.gene("ERBB2"), [13, 9, 5, 1])
    np.testing.assert_array_equal(section.gene("ERBB2", layer="half"), [6.5, 4.5, 2.5, 0.5])
    values = section.values("total")
    assert list(values.index) == list(NAMES)
    assert list(values) == [1, 2, 3, 4]
    assert values.dtype.kind == "i"
    np.testing.assert_array_equal(section.obsm("X_pca")[:, 0], [13, 9, 5, 1])


def test_what_a_table_lacks_is_missing_never_zero(section: Section) -> None:
    np.testing.assert_array_equal(section.gene("CD3"), [3, np.nan, 1, np.nan])
    np.testing.assert_array_equal(section.gene("ERBB2", table="protein"), [4, np.nan, 2, np.nan])
    np.testing.assert_array_equal(section.values("gate"), [0, np.nan, 1, np.nan])
    np.testing.assert_array_equal(section.values("count"), [np.nan, np.nan, 1, np.nan])
    assert list(section.values("kind").cat.codes) == [1, -1, 0, -1]
    assert list(section.values("label").cat.codes) == [0, 1, -1, 0]
    assert np.isnan(section.obsm("X_pca", table="protein")[1]).all()


def test_columns_and_search(section: Section) -> None:
    assert section.columns() == ("label", "total", "gate", "kind", "count")
    assert section.columns("protein") == ("gate", "kind", "count")
    assert section.search("erb") == ["ERBB2", "Erbin", "MERB"]
    assert section.search("ERB", limit=1) == ["ERBB2"]
    assert section.search("co") == ["count", "COL1A1"]
    assert section.search("nothing") == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.values("ERBB3"), "no column or gene 'ERBB3'.*ERBB2"),
        (lambda s: s.column("labl"), "no column 'labl'.*label"),
        (lambda s: s.obsm("X_pc"), "no embedding 'X_pc'.*X_pca"),
        (lambda s: s.gene("CD3", table="RNAs"), "no table 'RNAs'.*RNA"),
        (lambda s: s.gene("CD3", layer="none"), "layer"),
        (lambda s: s.with_um_per_px(-1), "positive"),
        (lambda s: s.with_um_per_px("x"), "positive"),
    ],
)
def test_errors_name_what_there_is(section: Section, call: Any, message: str) -> None:
    with pytest.raises(StmlError, match=message):
        call(section)


def test_unusual_scale_is_a_note(section: Section) -> None:
    assert section.with_um_per_px(50).notes == ("50 um per pixel is unusual for a slide",)


def share_on_tissue(slide: Slide, xy: Any) -> float:
    """Say how many positions lie on pixels that are neither white, grey nor masked black."""
    found = []
    for x, y in np.floor(xy).astype(int):
        pixel = slide.read(x - 2, y - 2, 0, 5, 5).astype(float).mean(axis=(0, 1))
        saturation = (pixel.max() - pixel.min()) / max(pixel.max(), 1.0)
        found.append(saturation > 0.07 and 25 < pixel.mean() < 240)
    return float(np.mean(found))


@pytest.mark.parametrize(("name", "spots"), [("C2", 187), ("A1", 346)])
def test_real_sections_lie_on_their_tissue(real_data: Path, name: str, spots: int) -> None:
    with Section.open(real_data / "her2st" / name) as section:
        observed = section.observations
        assert observed is not None
        assert len(observed) == spots
        assert observed.kind == "spots"
        assert {"label", "authors_cluster"} <= set(section.columns())
        labels = section.values("label")
        assert labels.notna().sum() == (0 if name == "C2" else labels.size)
        assert section.um_per_px is None  # a square array: Visium's pitch says nothing
        guess = section.um_per_px_guess
        assert guess is not None
        assert guess.mean == pytest.approx({"C2": 0.688, "A1": 3.19}[name], rel=0.01)
        slide = next(iter(section.images.values())).slide
        assert share_on_tissue(slide, observed.xy) >= 0.97
        assert share_on_tissue(slide, observed.xy[:, ::-1]) < 0.9
        total = section.values("total_counts").to_numpy()
        assert (total > 0).all()
        assert section.gene("ERBB2").sum() > 0
