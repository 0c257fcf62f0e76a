"""Full disks, forbidden folders: an error that says what is unsaved, and work goes on."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from napari_stml.core.errors import CannotSaveError
from napari_stml.io.store import Store, files


class FullDisk:
    """Every flush fails from the ``after``-th on until there is room again."""

    def __init__(self, monkeypatch, after=1):
        self.left, self.full = after, True
        self._real = os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, handle):
        self.left -= 1
        if self.full and self.left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._real(handle)


def failure_of(act, *args):
    """What the user reads; None when it succeeded."""
    try:
        act(*args)
    except CannotSaveError as error:
        return str(error)
    return None


@pytest.mark.parametrize("after", range(1, 9, 2))
def test_a_failed_publication_is_taken_back_and_can_be_repeated(
    store, clusters, read_by_all, monkeypatch, after
):
    staging = store.stage("leiden-1")
    staging.add_table("", clusters(), region="spots")
    staging.add_labels("mask", np.ones((3, 4), np.int32))
    staging.finish()
    disk = FullDisk(monkeypatch, after)
    message = failure_of(store.publish, staging, "{}")
    assert message is None or "results of leiden-1 are not saved: the disk is full" in message
    disk.full = False
    if not store.runs():
        assert "stml.leiden-1" not in read_by_all(store.path).tables
        store.publish(staging, "{}")
    assert store.runs()[0].state == "saved"
    assert "stml.leiden-1" in read_by_all(store.path).tables


@pytest.mark.parametrize("after", range(1, 16, 4))
def test_a_failed_replacement_leaves_old_or_new(store, read_by_all, monkeypatch, after):
    old, new = np.ones((40, 50), np.int32), np.full((70, 80), 2, np.int32)
    store.replace("labels", "stml.mask", old)
    disk = FullDisk(monkeypatch, after)
    message = failure_of(store.replace, "labels", "stml.mask", new)
    assert message is None or "latest state of stml.mask is not saved: the disk is full" in message
    found = np.asarray(read_by_all(store.path)["stml.mask"])
    assert any(np.array_equal(found, whole) for whole in (old, new))
    disk.full = False
    store.replace("labels", "stml.mask", new)
    np.testing.assert_array_equal(np.asarray(read_by_all(store.path)["stml.mask"]), new)
    store.close()
    with Store.open(store.path) as again:
        assert "labels/stml.mask" in again.elements


@pytest.mark.parametrize("after", range(1, 6, 2))
def test_a_failed_undo_can_be_repeated_or_redone(store, publish, read_by_all, monkeypatch, after):
    run_id = publish(store)
    disk = FullDisk(monkeypatch, after)
    message = failure_of(store.undo, run_id)
    assert message is None or f"undo of {run_id} is not saved: the disk is full" in message
    disk.full = False
    read_by_all(store.path)
    if store.runs():
        store.undo(run_id)
    store.redo(run_id)
    assert store.runs()[0].state == "saved"
    assert f"stml.{run_id}" in read_by_all(store.path).tables


def fill(path):
    with open(path, "wb", 0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def test_a_really_full_disk(foreign, tmp_path, clusters, read_by_all):
    """A file system of 3 MB in memory, where this computer lets us make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if not mount or os.getuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here; the injected errors cover it")
    try:
        path = disk / "section.zarr"
        shutil.copytree(foreign, path)
        with Store.open(path) as store:
            store.set_attr("styling", "before")
            filling = disk / "filling"
            fill(filling)
            staging = store.stage("leiden-1")
            with pytest.raises(CannotSaveError, match="leiden-1 are not saved: the disk is full"):
                staging.add_table("", clusters(), region="spots")
            with pytest.raises(CannotSaveError, match="styling is not saved: the disk is full"):
                store.set_attr("styling", "x" * 10_000)
            assert store.attr("styling") == "before"
            read_by_all(path)
            filling.unlink()
            staging.add_table("", clusters(), region="spots")
            staging.finish()
            store.publish(staging, "{}")
        assert "stml.leiden-1" in read_by_all(path).tables
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_forbidden_folders_are_named(store, monkeypatch):
    def forbidden(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", forbidden)
    with pytest.raises(CannotSaveError, match=r"may not be written \(.*Save as"):
        store.set_attr("styling", 1)


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not exchanged on Windows")
def test_exchange_swaps_folders_or_says_no(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    if files.exchange(tmp_path / "a", tmp_path / "b"):
        assert (tmp_path / "a" / "b").read_text() == "b"
        assert (tmp_path / "b" / "a").read_text() == "a"
    with pytest.raises(FileNotFoundError):
        files.exchange(tmp_path / "a", tmp_path / "absent")
