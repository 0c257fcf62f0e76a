from __future__ import annotations

import json
import pickle
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import spatialdata as sd

from napari_stml.core.errors import CannotSaveError
from napari_stml.core.geometry import Affine
from napari_stml.io.store import Store


def test_a_published_run_is_found_by_every_reader_and_by_us(store, clusters, read_by_all):
    run_id = store.new_run_id("Leiden clusters")
    assert run_id == "leiden-clusters-1"
    staging = pickle.loads(pickle.dumps(store.stage(run_id)))
    table = clusters()
    staging.add_table("", table, region="spots")
    staging.add_labels("mask", np.arange(12, dtype=np.uint16).reshape(3, 4))
    staging.add_image("heat", np.full((1, 8, 9), 0.5, "f4"), affine=Affine.scaling(4))
    staging.add_points("tiles", pd.DataFrame({"x": [1.0], "y": [2.0], "CD8+": [3.0]}))
    staging.finish()
    record = json.dumps({"analysis": "leiden", "parents": []})
    run = store.publish(staging, record)

    data = read_by_all(store.path)
    saved = data.tables["stml.leiden-clusters-1"]
    assert saved.obs["clusters"].isna().tolist() == table.obs["clusters"].isna().tolist()
    assert saved.obs["clusters"].dropna().tolist() == table.obs["clusters"].dropna().tolist()
    np.testing.assert_array_equal(saved.obsm["feature_spa"], table.obsm["feature_spa"])
    assert list(data.get_annotated_regions(saved)) == ["spots"]
    assert np.asarray(data["stml.leiden-clusters-1.mask"])[2, 3] == 11
    assert data["stml.leiden-clusters-1.tiles"].compute()["CD8+"].tolist() == [3.0]
    assert data.attrs["theirs"] == {"a": [1, 2]}
    assert data.attrs["stml"]["runs"] == {run_id: record}
    assert store.runs() == (run,)
    assert run.state == "saved"
    assert not list((store.path / ".stml").glob("new-*"))


def test_the_users_files_stay_byte_for_byte(store, digests, publish, read_by_all):
    before = digests(store.path)
    run_id = publish(store)
    store.undo(run_id)
    assert digests(store.path) == before
    store.redo(run_id)
    assert {k: v for k, v in digests(store.path).items() if "stml." not in k} == before
    store.undo(run_id)
    store.discard_undone(run_id)
    assert digests(store.path) == before
    assert not store.undone()
    read_by_all(store.path)


def test_undo_and_redo_survive_closing(foreign, publish, read_by_all):
    with Store.open(foreign) as store:
        first, second = publish(store), publish(store)
        store.undo(first)
        assert f"stml.{first}" not in read_by_all(foreign).tables
    with Store.open(foreign) as store:
        assert store.undone() == (first,)
        assert store.new_run_id("leiden") == "leiden-3"
        store.redo(first)
        assert [r.run_id for r in store.runs()] == [second, first]
    assert f"stml.{first}" in read_by_all(foreign).tables


def test_runs_that_used_a_run_are_listed(store, publish):
    a = publish(store)
    b = publish(store, "markers", parents=[a])
    c = publish(store, "figure", parents=[b])
    publish(store, "other")
    assert store.dependents(a) == (b, c)
    store.undo(a)
    assert [r.state for r in store.runs()] == ["saved"] * 3
    assert store.runs()[0].parents == (a,)


def test_a_run_whose_element_another_program_deleted_is_lost(store, publish, read_by_all):
    run_id = publish(store)
    data = sd.read_zarr(store.path)
    data.delete_element_from_disk(f"stml.{run_id}")
    assert store.runs()[0].state == "lost"
    store.undo(run_id)
    assert store.runs() == ()
    read_by_all(store.path)


def test_a_run_may_live_in_its_record_alone(store, read_by_all):
    staging = store.stage("qc-1")
    staging.finish()
    store.publish(staging, '{"chart": [1, 2]}')
    read_by_all(store.path)
    assert store.runs()[0].elements == ()
    store.undo("qc-1")
    store.redo("qc-1")
    assert store.runs()[0].state == "saved"


def test_what_is_not_finished_is_not_published(store, clusters):
    staging = store.stage("leiden-1")
    staging.add_table("", clusters(), region="spots")
    with pytest.raises(CannotSaveError, match="not complete"):
        store.publish(staging, "{}")
    staging.finish()
    with pytest.raises(CannotSaveError, match="JSON"):
        store.publish(staging, "not json")
    store.publish(staging, "{}")


def test_ids_are_reserved_and_unique(store, publish):
    store.stage("leiden-1")
    assert store.new_run_id("leiden") == "leiden-2"
    with pytest.raises(CannotSaveError, match="taken"):
        store.stage("leiden-1")
    for bad in ("Leiden-1", "leiden", "a b-1", "../x-1"):
        with pytest.raises(CannotSaveError, match="not the id"):
            store.stage(bad)


def test_a_store_without_consolidated_block_stays_without(foreign, publish, read_by_all):
    root = json.loads((foreign / "zarr.json").read_text())
    del root["consolidated_metadata"]
    (foreign / "zarr.json").write_text(json.dumps(root))
    with Store.open(foreign) as store:
        run_id = publish(store)
        assert f"stml.{run_id}" in read_by_all(foreign).tables
        store.undo(run_id)
    assert f"stml.{run_id}" not in read_by_all(foreign).tables
    assert "consolidated_metadata" not in json.loads((foreign / "zarr.json").read_text())


def test_the_block_is_what_zarr_would_write(store, publish, regions):
    import zarr

    publish(store)
    store.replace("shapes", "stml.regions", regions())
    ours = json.loads((store.path / "zarr.json").read_text())["consolidated_metadata"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # consolidated metadata are no part of zarr 3's text yet
        zarr.consolidate_metadata(str(store.path))
    theirs = json.loads((store.path / "zarr.json").read_text())["consolidated_metadata"]
    assert ours == theirs
    assert list(ours["metadata"]) == list(theirs["metadata"])


def test_what_others_left_half_written_is_not_listed(store, publish, read_by_all):
    partial = store.path / "tables" / "half"
    partial.mkdir()
    (partial / "zarr.json").write_text('{"attributes": {}, "zarr_format": 3, "node_type": "group"}')
    publish(store)
    assert "half" not in read_by_all(store.path).tables


def test_the_writer_thread_keeps_the_order(store, publish):
    futures = [store.later(store.set_attr, "styling", i) for i in range(5)]
    futures.append(store.later(publish, store))
    store.close()
    assert [f.exception() for f in futures] == [None] * 6
    with Store.open(store.path) as again:
        assert again.attr("styling") == 4
        assert len(again.runs()) == 1


def test_asking_for_something_later_does_not_wait_for_what_is_being_written(store):
    written, asked = threading.Event(), threading.Event()

    def write() -> bool:
        with store._writing("A slow write is"):
            written.set()
            return asked.wait(10)

    slow = store.later(write)
    assert written.wait(10)
    after = store.later(store.set_attr, "styling", 1)  # every stroke does this on the main thread
    asked.set()
    assert slow.result(10), "whoever asked waited for the writer"
    after.result(10)
    assert store.attr("styling") == 1
