from __future__ import annotations

import os
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from table_samples import dense_x, sample, write_table

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.tables import gene_cache, lazy, matrix
from napari_stml.io.tables.disk import DiskTable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every table counts as big, and is streamed in many small blocks."""
    monkeypatch.setenv("STML_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(lazy, "IN_MEMORY_VALUES", 0)
    blocks = matrix.SparseOnDisk.spans
    monkeypatch.setattr(matrix.SparseOnDisk, "spans", lambda self, values=37: blocks(self, values))
    return tmp_path / "cache" / "genes"


def copies(cache: Path) -> list[Path]:
    return sorted(cache.iterdir()) if cache.exists() else []


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_built_once_reopened_and_made_anew_when_the_table_changes(
    tmp_path: Path, cache: Path, kind: str
) -> None:
    adata = sample()
    path = tmp_path / f"t.{kind}"
    write_table(adata, path)
    table, seen = DiskTable(path), []
    assert not table.genes_ready()
    table.prepare_genes(report=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    for j in range(adata.n_vars):
        np.testing.assert_array_equal(table.gene(f"G{j}"), dense_x(adata)[:, j])
    (only,) = copies(cache)
    written = (only / "rows.npy").stat().st_mtime_ns
    again = DiskTable(path)
    assert again.genes_ready()
    again.gene("G1")
    again.close()
    table.close()
    assert (only / "rows.npy").stat().st_mtime_ns == written

    other = sample(seed=5)
    write_table(other, path)
    np.testing.assert_array_equal(DiskTable(path).gene("G3"), dense_x(other)[:, 3])
    assert len(copies(cache)) == 2


def test_a_damaged_copy_is_made_again(tmp_path: Path, cache: Path) -> None:
    adata = sample()
    adata.write_h5ad(tmp_path / "t.h5ad")
    DiskTable(tmp_path / "t.h5ad").gene("G1")
    (only,) = copies(cache)
    for damage in (b"", (only / "rows.npy").read_bytes()[:-40]):
        (only / "rows.npy").write_bytes(damage)
        np.testing.assert_array_equal(
            DiskTable(tmp_path / "t.h5ad").gene("G1"), dense_x(adata)[:, 1]
        )
    assert copies(cache) == [only]


def test_without_room_the_gene_is_still_read(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adata = sample()
    adata.write_h5ad(tmp_path / "t.h5ad")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gene_cache, "_reserve", full)
    table = DiskTable(tmp_path / "t.h5ad")
    for j in (0, 11):
        np.testing.assert_array_equal(table.gene(f"G{j}"), dense_x(adata)[:, j])
    assert copies(cache) == []


def test_the_oldest_copies_go_first(tmp_path: Path, cache: Path) -> None:
    for i in range(3):
        sample(seed=i).write_h5ad(tmp_path / f"{i}.h5ad")
        before = set(copies(cache))
        DiskTable(tmp_path / f"{i}.h5ad").gene("G1")
        (new,) = set(copies(cache)) - before
        os.utime(new, (i, i))
    size = sum(f.stat().st_size for f in copies(cache)[0].iterdir())
    newest = max(copies(cache), key=lambda f: f.stat().st_mtime)
    gene_cache.evict(int(1.5 * size))
    assert copies(cache) == [newest]


def test_a_lost_chunk_is_noticed(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "t.h5ad"
    sample().write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["X/indices"][...] = 0  # what zarr returns for a chunk that is gone
    with pytest.raises(CannotOpenError, match="chunk is missing"):
        DiskTable(path).gene("G1")
    assert copies(cache) == []


def test_scan_equals_the_column(tmp_path: Path, cache: Path) -> None:
    adata = sample()
    adata.write_h5ad(tmp_path / "t.h5ad")
    with h5py.File(tmp_path / "t.h5ad") as file:
        on_disk = matrix.matrix_on_disk(file["X"], adata.shape, "t")
        rows, values = lazy.scan(on_disk, 4)
    out = np.zeros(adata.n_obs)
    out[rows] = values
    np.testing.assert_array_equal(out, dense_x(adata)[:, 4])
