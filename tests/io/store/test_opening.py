from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings

import pytest
import spatialdata as sd

from napari_stml.core.errors import CannotOpenError, CannotSaveError
from napari_stml.io.store import Store, StoreBusyError, schema

HOLD = """
import sys
from pathlib import Path
from napari_stml.io.store.lock import Lock
lock = Lock.acquire(Path(sys.argv[1]), "the other program")
print("held", flush=True)
sys.stdin.read()
"""


def edit_root(path, change):
    root = json.loads((path / "zarr.json").read_text())
    change(root["attributes"])
    (path / "zarr.json").write_text(json.dumps(root))


def test_a_second_program_is_told_who_writes_and_may_read(foreign):
    (foreign / ".stml").mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(foreign / ".stml" / "lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert other.stdout.readline() == "held\n"
    with pytest.raises(StoreBusyError, match=f"the other program .process {other.pid} "):
        Store.open(foreign)
    reading = Store.open(foreign, read_only=True)
    assert reading.runs() == ()
    with pytest.raises(CannotSaveError, match="opened read-only"):
        reading.set_attr("styling", 1)
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    with Store.open(foreign) as store:
        store.set_attr("styling", 1)


def test_one_program_cannot_open_a_store_twice(store):
    with pytest.raises(StoreBusyError, match="this program itself"):
        Store.open(store.path)


def test_a_closed_store_writes_nothing(foreign):
    store = Store.open(foreign)
    store.close()
    with pytest.raises(CannotSaveError, match="closed"):
        store.set_attr("styling", 1)


def test_a_store_of_version_0_is_migrated(foreign, publish, read_by_all):
    with Store.open(foreign) as store:
        run_id = publish(store, note="kept")

    def age(attributes):
        own = attributes["stml"]
        del own["schema"], own["elements"]
        own["runs"] = {k: json.loads(v) for k, v in own["runs"].items()}

    edit_root(foreign, age)
    with Store.open(foreign) as store:
        assert store.attr("schema") == schema.SCHEMA
        run = store.runs()[0]
        assert json.loads(run.record) == {"note": "kept"}
        assert run.elements == (f"tables/stml.{run_id}",)
        assert run.state == "saved"
    read_by_all(foreign)


def test_every_older_version_has_a_way_up():
    assert set(schema.MIGRATIONS) == set(range(schema.SCHEMA))


def test_a_newer_store_is_read_but_never_written(foreign, publish, digests):
    with Store.open(foreign) as store:
        publish(store)
    edit_root(foreign, lambda attributes: attributes["stml"].update(schema=schema.SCHEMA + 1))
    root = (foreign / "zarr.json").read_bytes()
    with Store.open(foreign) as store:
        assert len(store.runs()) == 1
        assert "newer version" in store.read_only
        with pytest.raises(CannotSaveError, match="newer version"):
            store.undo("leiden-1")
    assert (foreign / "zarr.json").read_bytes() == root


def test_what_is_no_store_of_the_present_format_is_refused(tmp_path):
    with pytest.raises(CannotOpenError, match="not a SpatialData"):
        Store.open(tmp_path)
    (tmp_path / "zarr.json").write_text('{"attributes": {}, "node_type": "group"}')
    with pytest.raises(CannotOpenError, match="not a SpatialData"):
        Store.open(tmp_path)
    (tmp_path / "zarr.json").write_text("{ truncated")
    with pytest.raises(CannotOpenError):
        Store.open(tmp_path)


def test_old_attributes_written_back_by_others_do_not_cost_a_run(foreign, publish, read_by_all):
    stale = sd.read_zarr(foreign)
    with Store.open(foreign) as store:
        run_id = publish(store, note="kept")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stale.write_attrs()
    assert "stml" not in json.loads((foreign / "zarr.json").read_text())["attributes"]
    with Store.open(foreign) as store:
        assert [(r.run_id, r.record) for r in store.runs()] == [(run_id, '{"note": "kept"}')]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stale.write_attrs()
        second = publish(store)
        assert {r.run_id for r in store.runs()} == {run_id, second}
    assert read_by_all(foreign).attrs["theirs"] == {"a": [1, 2]}


def test_elements_named_like_ours_in_a_store_written_by_others_are_left_alone(foreign, tmp_path):
    with Store.open(foreign) as store:
        staging = store.stage("tissue-1")
        import numpy as np

        staging.add_labels("mask", np.ones((3, 3), np.int32))
        staging.finish()
        store.publish(staging, "{}")
    data = sd.read_zarr(foreign)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sd.SpatialData(labels=dict(data.labels)).write(tmp_path / "theirs.zarr")
    with Store.open(tmp_path / "theirs.zarr") as store:
        assert "labels/stml.tissue-1.mask" in store.elements
        assert store.runs() == ()


def test_changes_by_another_program_are_noticed_once_and_ours_not(store, publish, regions):
    publish(store)
    store.replace("shapes", "stml.regions", regions())
    store.set_attr("styling", 1)
    assert store.changes() == ()
    data = sd.read_zarr(store.path)
    data.shapes["theirs"] = data.shapes["spots"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.write_element("theirs")
    publish(store)
    assert {(c.path, c.what) for c in store.changes()} == {
        ("", "changed"),
        ("shapes/theirs", "new"),
    }
    assert store.changes() == ()
    data.delete_element_from_disk("theirs")
    assert ("shapes/theirs", "gone") in {(c.path, c.what) for c in store.changes()}


def test_attributes_that_others_add_meanwhile_are_kept(store, publish):
    edit_root(store.path, lambda attributes: attributes.update(new_of_theirs=2))
    publish(store)
    attributes = json.loads((store.path / "zarr.json").read_text())["attributes"]
    assert attributes["new_of_theirs"] == 2
    assert attributes["theirs"] == {"a": [1, 2]}
