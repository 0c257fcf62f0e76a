from __future__ import annotations

import anndata as ad
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from scipy import sparse

from napari_stml.core.errors import CannotSaveError
from napari_stml.core.geometry import Affine
from napari_stml.io.store import Raster
from napari_stml.io.store.raster import write_raster
from napari_stml.io.store.tables import storable


@pytest.fixture
def saved(store):
    """Publish one table and read it back with anndata."""

    def save(table, **options):
        staging = store.stage(store.new_run_id("values"))
        name = staging.add_table("", table, **options)
        staging.finish()
        store.publish(staging, "{}")
        return ad.read_zarr(store.path / "tables" / name)

    return save


def test_columns_of_every_kind_come_back_with_their_gaps(saved):
    frame = pd.DataFrame(
        {
            "text": ["a", None, "nan"],
            "pandas text": pd.array(["x", pd.NA, "y"], dtype="string"),
            "category": pd.Categorical(["b", None, "a"], categories=["b", "a", "unused"]),
            "ordered": pd.Categorical([2, 1, 2], categories=[2, 1], ordered=True),
            "number": [1.5, np.nan, 3.0],
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "mixed": ["a", 1, None],
            "time": pd.to_datetime(["2024-01-02", None, "2024-01-03"]),
        },
        index=pd.Index(["a", "b", "c"], dtype="string"),
    ).rename(columns={"pandas text": "pandas_text"})
    before = frame.copy(deep=True)
    obs = saved(ad.AnnData(obs=frame.copy())).obs
    pd.testing.assert_frame_equal(frame, before)
    known = [True, False, True]
    assert obs["text"].notna().tolist() == known
    assert obs["text"].tolist()[2] == "nan"
    assert obs["pandas_text"].notna().tolist() == known
    assert obs["category"].cat.categories.tolist() == ["b", "a", "unused"]
    assert obs["ordered"].cat.ordered
    assert obs["number"].isna().tolist() == [False, True, False]
    assert obs["whole"].dtype == "Int64"
    assert obs["flag"].isna().tolist() == [False, True, False]
    assert obs["mixed"].tolist()[:2] == ["a", "1"]
    assert obs["time"].tolist()[0].startswith("2024-01-02")


def test_matrices_graphs_and_notes_come_back(saved):
    rng = np.random.default_rng(0)
    graph = sparse.random(4, 4, 0.5, format="csr", random_state=0)
    table = ad.AnnData(
        X=sparse.csr_matrix(rng.random((4, 3)).astype("f4")),
        obsp={"neighbours": graph},
        varm={"loadings": rng.random((3, 2))},
        obsm={"shares": pd.DataFrame({"B": [1.0] * 4}, index=list("0123"))},
        uns={"note": "{}"},
    )
    back = saved(table)
    np.testing.assert_array_equal(back.X.toarray(), table.X.toarray())
    np.testing.assert_array_equal(back.obsp["neighbours"].toarray(), graph.toarray())
    np.testing.assert_array_equal(back.varm["loadings"], table.varm["loadings"])
    assert list(back.obsm["shares"].columns) == ["B"]
    assert back.uns["note"] == "{}"


def test_numbered_instances_stay_numbers(saved):
    table = ad.AnnData(obs=pd.DataFrame(index=["a", "b"]))
    back = saved(table, region="cells", instances=[7, 9])
    assert back.obs["instance_id"].tolist() == [7, 9]
    assert back.obs["instance_id"].dtype.kind in "iu"
    assert back.uns["spatialdata_attrs"]["region"] == "cells"


@pytest.mark.parametrize(
    "broken",
    [
        {"obs": pd.DataFrame({"CD8+": [1]}, index=["a"])},
        {"obs": pd.DataFrame({"a b": [1]}, index=["a"])},
        {"obs": pd.DataFrame({"x": [1], "X": [2]}, index=["a"])},
        {"obs": pd.DataFrame({"_index": [1]}, index=["a"])},
        {"obs": pd.DataFrame(index=["a"]), "obsm": {"a/b": np.ones((1, 2))}},
        {"obs": pd.DataFrame(index=["a"]), "uns": {"__x": 1}},
        {"obs": pd.DataFrame(index=["a"]), "uns": {"a": {1: 2}}},
        {"obs": pd.DataFrame(index=["a"]), "uns": {"a": (1, 2)}},
        {"obs": pd.DataFrame(index=["a", "a"])},
    ],
)
@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_what_readers_would_stumble_over_is_refused(broken):
    with pytest.raises(CannotSaveError, match=r"stml\.x-1"):
        storable(ad.AnnData(**broken), "stml.x-1")


def test_parts_have_one_name_each(store):
    staging = store.stage("x-1")
    staging.add_labels("mask", np.ones((2, 2), np.int32))
    with pytest.raises(CannotSaveError, match="already"):
        staging.add_labels("Mask", np.ones((2, 2), np.int32))
    with pytest.raises(CannotSaveError, match="cannot be a name"):
        staging.add_labels("CD8+", np.ones((2, 2), np.int32))


def test_outlines_keep_holes_and_any_column(store, read_by_all):
    ring = shapely.Polygon(shapely.box(0, 0, 9, 9).exterior, [shapely.box(2, 2, 4, 4).exterior])
    frame = gpd.GeoDataFrame({"geometry": [ring], "CD8+ share": [None]})
    staging = store.stage("x-1")
    staging.add_shapes("", frame)
    staging.finish()
    store.publish(staging, "{}")
    assert frame.attrs == {}
    back = read_by_all(store.path)["stml.x-1"]
    assert back.geometry.iloc[0].equals(ring)
    assert list(back.columns) == ["geometry", "CD8+ share"]


@pytest.mark.parametrize("kind", ["colour", "channels", "mask"])
def test_rasters_are_what_spatialdata_itself_would_write(tmp_path, kind, read_by_all):
    import json

    import spatialdata as sd
    from spatialdata.models import Image2DModel, Labels2DModel

    rng = np.random.default_rng(0)
    if kind == "mask":
        pixels = rng.integers(0, 9, (1100, 900), dtype=np.int32)
        ours, group = Raster.of_mask(pixels), "labels"
        theirs = Labels2DModel.parse(pixels, dims=("y", "x"), scale_factors=[2, 2])
    else:
        count, dtype = (3, np.uint8) if kind == "colour" else (2, np.uint16)
        pixels = rng.integers(0, 255, (count, 1100, 900), dtype=dtype)
        names = ["r", "g", "b"][:count]
        ours, group = Raster.of_image(pixels, names), "images"
        theirs = Image2DModel.parse(
            pixels, dims=("c", "y", "x"), c_coords=names, scale_factors=[2, 2]
        )
    sd.SpatialData(**{group: {"x": theirs}}).write(tmp_path / "theirs.zarr")
    target = tmp_path / "theirs.zarr" / group / "x"
    metadata = json.loads((target / "zarr.json").read_text())
    level = json.loads((target / "s1" / "zarr.json").read_text())
    target.rename(tmp_path / "gone")
    write_raster(target, ours, affine=Affine())
    found = json.loads((target / "zarr.json").read_text())
    # spatialdata marks masks of one level only; other OME-Zarr readers look for the mark
    found["attributes"]["ome"].pop("image-label", None)
    for entry in (metadata, found):
        entry["attributes"]["ome"]["multiscales"][0].pop("name")
    assert found == metadata
    written = json.loads((target / "s1" / "zarr.json").read_text())
    assert written["chunk_grid"]["configuration"]["chunk_shape"] == {
        "colour": [3, 512, 512], "channels": [1, 512, 512], "mask": [512, 512],
    }[kind]  # fmt: skip
    assert {**written, "chunk_grid": 0} == {**level, "chunk_grid": 0}
