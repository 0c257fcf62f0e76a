from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from spatialdata.models import ShapesModel
from spatialdata.transformations import Translation, get_transformation

from napari_stml.core.errors import CannotSaveError
from napari_stml.core.geometry import Affine
from napari_stml.io.store import ChangedElsewhereError, Store, files

NAME = "stml.regions"


def test_regions_are_replaced_and_come_back(store, regions, read_by_all):
    for seed in range(3):
        store.replace("shapes", NAME, regions(seed, count=seed + 2))
        assert len(read_by_all(store.path)[NAME]) == seed + 2
    assert store.generations("shapes", NAME) == (1, 2)
    store.restore("shapes", NAME, 1)
    assert set(read_by_all(store.path)[NAME]["class"]) == {"class 0"}
    assert store.generations("shapes", NAME) == (1, 2, 3)
    store.remove("shapes", NAME)
    assert NAME not in read_by_all(store.path).shapes
    store.restore("shapes", NAME, 3)
    assert set(read_by_all(store.path)[NAME]["class"]) == {"class 2"}


def test_only_the_last_generations_are_kept(store, regions):
    for seed in range(13):
        store.replace("shapes", NAME, regions(seed))
    assert store.generations("shapes", NAME) == tuple(range(3, 13))


@pytest.mark.parametrize("exchange", [True, False])
def test_a_mask_of_another_size_replaces_the_old(store, exchange, monkeypatch, read_by_all):
    if not exchange:
        monkeypatch.setattr(files, "exchange", lambda a, b: False)
    store.replace("labels", "stml.mask", np.ones((40, 50), np.int32))
    big = np.arange(600 * 700, dtype=np.int32).reshape(600, 700)
    store.replace("labels", "stml.mask", big, affine=Affine.translation(3, 4))
    data = read_by_all(store.path)
    np.testing.assert_array_equal(np.asarray(data["stml.mask"]["scale0"]["image"]), big)
    assert not (store.path / ".stml" / "journal.json").exists()
    assert not list((store.path / ".stml").glob("new-*"))


def test_regions_with_another_place_replace_the_old(store, regions, read_by_all):
    store.replace("shapes", NAME, regions(0))
    moved = ShapesModel.parse(
        regions(1), transformations={"global": Translation([7.0, 0.0], axes=("x", "y"))}
    )
    store.replace("shapes", NAME, moved)
    found = read_by_all(store.path)[NAME]
    assert get_transformation(found).to_affine_matrix(("x", "y"), ("x", "y"))[0, 2] == 7
    assert set(found["class"]) == {"class 1"}


def test_restoring_does_not_tie_the_store_to_its_backup(store, regions):
    store.replace("shapes", NAME, regions(0))
    store.replace("shapes", NAME, regions(1))
    store.restore("shapes", NAME, 1)
    live = store.path / "shapes" / NAME / "shapes.parquet"
    backup = store.path / ".stml" / "backups" / "shapes" / NAME / "000001" / "shapes.parquet"
    assert live.read_bytes() == backup.read_bytes()
    assert live.stat().st_ino != backup.stat().st_ino


@pytest.mark.parametrize("name", ["spots", "stml.leiden-1", "stml.a b", "stml.leiden-1.mask"])
def test_the_users_elements_and_runs_cannot_be_replaced(store, regions, name, digests):
    before = digests(store.path)
    with pytest.raises(CannotSaveError):
        store.replace("shapes", name, regions())
    with pytest.raises(CannotSaveError):
        store.remove("shapes", name)
    assert digests(store.path) == before


def test_what_another_program_changed_is_not_overwritten_unasked(store, regions, read_by_all):
    store.replace("shapes", NAME, regions(0))
    parquet = store.path / "shapes" / NAME / "shapes.parquet"
    theirs = gpd.read_parquet(parquet)
    theirs["class"] = "theirs"
    theirs.to_parquet(parquet)
    with pytest.raises(ChangedElsewhereError, match="not saved"):
        store.replace("shapes", NAME, regions(1))
    assert set(read_by_all(store.path)[NAME]["class"]) == {"theirs"}
    store.replace("shapes", NAME, regions(1), even_if_changed=True)
    assert set(read_by_all(store.path)[NAME]["class"]) == {"class 1"}
    kept = store.path / ".stml" / "backups" / "shapes" / NAME / "000001" / "shapes.parquet"
    assert set(gpd.read_parquet(kept)["class"]) == {"theirs"}


def test_reopening_knows_what_was_there(foreign, regions):
    with Store.open(foreign) as store:
        store.replace("shapes", NAME, regions(0))
    with Store.open(foreign) as store:
        store.replace("shapes", NAME, regions(1))


@pytest.mark.parametrize(
    ("kind", "name"),
    [("images", "he"), ("labels", "nuclei"), ("shapes", "spots"), ("points", "tx")],
)
def test_an_alignment_changes_only_the_stored_affine(store, kind, name, read_by_all, digests):
    before = digests(store.path)
    affine = Affine.rotation(30, about=(5, 6))
    store.set_transformation(kind, name, affine)
    store.set_transformation(kind, name, Affine.scaling(0.5), "um")
    after = digests(store.path)
    assert {k for k in after if after[k] != before[k]} == {f"{kind}/{name}/zarr.json"}
    found = get_transformation(read_by_all(store.path)[name], get_all=True)
    assert set(found) == {"global", "um"}
    matrix = found["global"].to_affine_matrix(("x", "y"), ("x", "y"))
    np.testing.assert_allclose(matrix, affine.matrix)
    store.set_transformation(kind, name, Affine())
    found = get_transformation(read_by_all(store.path)[name])
    np.testing.assert_allclose(found.to_affine_matrix(("x", "y"), ("x", "y")), np.eye(3))


def test_styling_comes_back_beside_the_attributes_of_others(foreign, read_by_all):
    with Store.open(foreign) as store:
        store.set_attr("styling", {"clusters": {"1": "#ff0000"}})
        store.set_attr("scratch", [1])
        store.set_attr("scratch", None)
        with pytest.raises(ValueError, match="runs"):
            store.set_attr("runs", {})
    with Store.open(foreign) as store:
        assert store.attr("styling") == {"clusters": {"1": "#ff0000"}}
        assert store.attr("scratch") is None
    assert read_by_all(foreign).attrs["theirs"] == {"a": [1, 2]}


def test_a_table_of_categories_can_be_replaced(store, clusters, read_by_all):
    for seed in range(2):
        store.replace("tables", "stml.classes", clusters(seed))
        saved = read_by_all(store.path).tables["stml.classes"]
        pd.testing.assert_series_equal(
            saved.obs["score"], clusters(seed).obs["score"], check_names=False
        )
