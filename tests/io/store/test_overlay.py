from __future__ import annotations

import shutil

import pytest

from napari_stml.core.errors import CannotOpenError, CannotSaveError
from napari_stml.io.store import Store, StoreBusyError, store_for
from napari_stml.io.store.overlay import accept_change


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("STML_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def slide(tmp_path):
    path = tmp_path / "Müller 12 (H&E).svs"
    path.write_bytes(bytes(range(256)) * 2000)
    return path


def test_a_writable_store_keeps_its_own_runs(foreign, home):
    kept = store_for(foreign)
    assert not kept.locally
    assert kept.store.path == foreign
    kept.store.close()
    assert not home.exists()


def test_a_slide_gets_an_overlay_and_finds_it_again(slide, publish, read_by_all):
    before = slide.read_bytes()
    kept = store_for(slide)
    assert kept.locally
    assert kept.store.path.name.startswith("M_ller_12_H_E")
    run_id = publish(kept.store)
    kept.store.close()
    again = store_for(slide)
    assert [r.run_id for r in again.store.runs()] == [run_id]
    assert not again.changed
    assert f"stml.{run_id}" in read_by_all(again.store.path).tables
    again.store.close()
    assert slide.read_bytes() == before
    assert [p.name for p in slide.parent.iterdir() if "stml" in p.name] == []


def test_a_moved_file_is_found_by_its_content_and_a_copy_is_not(slide, tmp_path):
    kept = store_for(slide)
    kept.store.set_attr("styling", "mine")
    kept.store.close()
    copy = shutil.copy(slide, tmp_path / "copy.svs")
    other = store_for(copy)
    assert other.store.attr("styling") is None
    other.store.close()
    moved = slide.rename(tmp_path / "elsewhere.svs")
    found = store_for(moved)
    assert found.store.attr("styling") == "mine"
    assert found.moved_from == str(slide)
    found.store.close()
    assert store_for(moved).moved_from == ""


def test_a_changed_source_is_noticed_until_accepted(slide):
    store_for(slide).store.close()
    slide.write_bytes(slide.read_bytes()[:-1] + b"x")
    kept = store_for(slide)
    assert kept.changed
    assert not accept_change(kept).changed
    kept.store.close()
    assert not store_for(slide).changed


def test_folders_and_addresses_get_overlays_of_their_own(tmp_path):
    folder = tmp_path / "outs"
    folder.mkdir()
    (folder / "matrix.h5").write_bytes(b"1")
    addresses = ["s3://bucket/section.zarr", "https://host/section.zarr/", str(folder)]
    stores = [store_for(a).store for a in addresses]
    assert len({s.path for s in stores}) == 3
    with pytest.raises(StoreBusyError):
        store_for("https://host/section.zarr")


def test_a_store_that_may_not_be_written_is_kept_locally(foreign, monkeypatch):
    def refuse(cls, path, **_):
        if path == foreign:
            raise CannotSaveError("no") from PermissionError(13, "Permission denied")
        return opened(path)

    opened = Store.open
    monkeypatch.setattr(Store, "open", classmethod(refuse))
    kept = store_for(foreign)
    assert kept.locally
    assert kept.source.content


def test_nothing_at_a_place_is_an_error(tmp_path):
    with pytest.raises(CannotOpenError, match="nothing"):
        store_for(tmp_path / "absent.svs")
