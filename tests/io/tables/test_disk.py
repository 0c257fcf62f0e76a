from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr
from table_samples import CELLS, GENES, dense_x, sample, write_old_h5ad, write_table

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.tables import lazy
from napari_stml.io.tables.disk import DiskTable
from napari_stml.io.tables.memory import MemoryTable

if TYPE_CHECKING:
    from pathlib import Path


def stored(adata: ad.AnnData, folder: Path, kind: str) -> Path:
    path = folder / f"table.{kind}"
    write_table(adata, path, zarr_format=2 if kind == "zarr2" else 3)
    return path


@pytest.mark.parametrize("kind", ["h5ad", "zarr2", "zarr3"])
@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "copy"])
def test_genes_and_rows_equal_the_matrix(
    tmp_path: Path, kind: str, layout: str, on_disk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STML_CACHE_HOME", str(tmp_path / "cache"))
    if on_disk:
        monkeypatch.setattr(lazy, "IN_MEMORY_VALUES", 0)
    adata = sample(layout=layout)
    table = DiskTable(stored(adata, tmp_path, kind))
    expected = dense_x(adata)
    for layer, factor in ((None, 1), ("columns", 2), ("dense", 3)):
        gene = table.gene("G7", layer)
        assert gene.dtype == np.float32
        np.testing.assert_array_equal(gene, factor * expected[:, 7])
        np.testing.assert_array_equal(
            table.genes(["G3", "G0"], layer), factor * expected[:, [3, 0]]
        )
        some = np.array([40, 2, 2, 59])
        np.testing.assert_array_equal(table.rows(some, layer).toarray(), factor * expected[some])
    made = tmp_path / "cache" / "genes"
    assert made.exists() == (on_disk and layout == "csr")
    assert table.rows(np.array([], dtype=int)).shape == (0, GENES)


@pytest.mark.parametrize("kind", ["h5ad", "zarr2", "zarr3"])
def test_the_other_parts(tmp_path: Path, kind: str) -> None:
    adata = sample()
    table = pickle.loads(pickle.dumps(DiskTable(stored(adata, tmp_path, kind))))
    assert table.shape == (CELLS, GENES)
    assert table.name == "RNA"
    assert list(table.obs_names) == list(adata.obs_names)
    assert set(table.columns) == {"domain", "number", "flag", "score", "words"}
    domain = table.column("domain")
    assert list(domain.cat.categories) == ["tumour", "stroma", "none"]
    assert domain.isna().sum() == 1
    assert table.column("number").isna().sum() == 1
    assert isinstance(table.column("words").dtype, pd.CategoricalDtype)
    assert table.obsm_names("types") == ("B", "T")
    assert table.obsm_names("spatial") == ("0", "1")
    np.testing.assert_array_equal(table.obsm("sparse"), adata.obsm["sparse"].toarray())
    assert table.obsm_names("sparse") == ("0", "1", "2", "3")
    assert table.uns("spatial/lib/scalefactors") == {"tissue_hires_scalef": 0.5}
    with pytest.raises(KeyError):
        table.uns("nothing")
    assert table.var()["gene_ids"].iloc[2] == "ENSG00002"


def test_to_anndata_gives_the_asked_rows(tmp_path: Path) -> None:
    adata = sample()
    table = DiskTable(stored(adata, tmp_path, "h5ad"))
    some = np.array([9, 4])
    part, whole = table.to_anndata(some), table.to_anndata()
    assert list(part.obs_names) == list(adata.obs_names[some])
    np.testing.assert_array_equal(part.X.toarray(), adata.X[some].toarray())
    assert part.obsp["near"].shape == (2, 2)
    assert part.obsm["types"].shape == (2, 2)
    assert list(part.obs["domain"].cat.categories) == ["tumour", "stroma", "none"]
    np.testing.assert_array_equal(whole.X.toarray(), adata.X.toarray())
    assert whole.uns["spatial"]["lib"]["scalefactors"]["tissue_hires_scalef"] == 0.5


def test_inner_keys_open_groups_and_closing(tmp_path: Path) -> None:
    adata = sample()
    with h5py.File(tmp_path / "two.h5mu", "w") as file:
        ad.io.write_elem(file, "mod/prot", adata)
    table = DiskTable(tmp_path / "two.h5mu", key="mod/prot")
    assert table.name == "prot"
    before = table.gene("G1")
    table.close()
    np.testing.assert_array_equal(table.gene("G1"), before)
    with h5py.File(tmp_path / "two.h5mu", "r") as file:
        by_group = DiskTable(file["mod/prot"])
    np.testing.assert_array_equal(by_group.gene("G1"), before)

    write_table(adata, tmp_path / "store.zarr", key="tables/rna")
    group = zarr.open_group(tmp_path / "store.zarr", mode="r")["tables/rna"]
    by_zarr = pickle.loads(pickle.dumps(DiskTable(group, name="RNA")))
    np.testing.assert_array_equal(by_zarr.gene("G1"), before)


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_a_store_behind_fsspec(tmp_path: Path) -> None:
    import fsspec

    adata = sample()
    path = stored(adata, tmp_path, "zarr3")
    zarr.consolidate_metadata(path)
    remote = fsspec.filesystem("memory", skip_instance_cache=True)
    remote.put(str(path), "/far/table.zarr", recursive=True)
    table = DiskTable("memory://far/table.zarr")
    np.testing.assert_array_equal(table.gene("G5"), dense_x(adata)[:, 5])
    assert "domain" in table.columns
    assert "columns" in table.layers
    remote.rm("/far", recursive=True)


def test_old_categories_and_raw(tmp_path: Path) -> None:
    adata = sample()
    write_old_h5ad(tmp_path / "old.h5ad", adata)
    old = DiskTable(tmp_path / "old.h5ad")
    pd.testing.assert_series_equal(
        old.column("domain"), adata.obs["domain"], check_index_type=False
    )
    np.testing.assert_array_equal(old.gene("G2"), dense_x(adata)[:, 2])

    adata.raw = adata
    few = adata[:, ["G4", "G1"]].copy()
    few.write_h5ad(tmp_path / "raw.h5ad")
    table = DiskTable(tmp_path / "raw.h5ad")
    assert "raw" in table.layers
    np.testing.assert_array_equal(table.gene("G9", "raw"), dense_x(adata)[:, 9])
    np.testing.assert_array_equal(
        table.rows(np.arange(CELLS), "raw").toarray(), dense_x(adata)[:, [4, 1]]
    )
    assert table.to_anndata().raw.shape == (CELLS, GENES)
    with pytest.raises(StmlError, match="no gene 'G9'"):
        table.gene("G9")


def test_a_run_table_has_no_genes(tmp_path: Path) -> None:
    adata = ad.AnnData(obs=sample().obs, var=pd.DataFrame(index=pd.Index([], dtype=object)))
    table = DiskTable(stored(adata, tmp_path, "zarr3"))
    assert table.shape == (CELLS, 0)
    assert table.column("score").notna().all()
    with pytest.raises(StmlError):
        table.gene("G1")


def test_repeated_symbols_become_unique(tmp_path: Path) -> None:
    adata = sample()
    adata.var_names = ["A", "B", "A", *adata.var_names[3:]]
    adata.write_h5ad(tmp_path / "t.h5ad")
    table = DiskTable(tmp_path / "t.h5ad")
    assert list(table.var_names[:3]) == ["A", "B", "A-1"]
    np.testing.assert_array_equal(table.gene("A-1"), dense_x(adata)[:, 2])


def test_memory_table_answers_the_same(tmp_path: Path) -> None:
    adata = sample()
    disk, memory = DiskTable(stored(adata, tmp_path, "h5ad")), MemoryTable(adata)
    for layer in (None, "columns", "dense"):
        np.testing.assert_array_equal(disk.gene("G6", layer), memory.gene("G6", layer))
        some = np.array([3, 1])
        np.testing.assert_array_equal(
            disk.rows(some, layer).toarray(), memory.rows(some, layer).toarray()
        )
    for column in disk.columns:
        pd.testing.assert_series_equal(
            disk.column(column), memory.column(column), check_index_type=False
        )
    assert sorted(memory.obsm_keys) == sorted(disk.obsm_keys)
    assert sp.issparse(memory.to_anndata(np.array([1])).X)


def _break(path: Path, how: str) -> None:
    with h5py.File(path, "r+") as file:
        if how == "no indptr":
            del file["X/indptr"]
        elif how == "no obs":
            del file["obs"]
        elif how == "no index":
            del file["obs/_index"]
        elif how == "short indptr":
            pointer = file["X/indptr"][:-3]
            del file["X/indptr"]
            file["X/indptr"] = pointer
        elif how == "short data":
            data = file["X/data"][:-3]
            del file["X/data"]
            file["X/data"] = data
        elif how == "text in X":
            del file["X"]
            file.create_dataset("X", data=np.full((CELLS, GENES), b"x"))
        elif how == "shape":
            file["X"].attrs["shape"] = (CELLS + 1, GENES)
        elif how == "unknown encoding":
            file["X"].attrs["encoding-type"] = "coo_matrix"
        elif how == "1-d X":
            del file["X"]
            file["X"] = np.zeros(CELLS)
        elif how == "very old obs":
            del file["obs"]
            file["obs"] = np.zeros(CELLS, dtype=[("index", "S4")])


BROKEN = (
    "no indptr",
    "no obs",
    "no index",
    "short indptr",
    "short data",
    "text in X",
    "shape",
    "unknown encoding",
    "1-d X",
    "very old obs",
)


@pytest.mark.parametrize("how", BROKEN)
def test_broken_h5ad_is_refused_when_opened(tmp_path: Path, how: str) -> None:
    path = tmp_path / "t.h5ad"
    sample().write_h5ad(path)
    _break(path, how)
    before = path.read_bytes()
    with pytest.raises(CannotOpenError) as caught:
        DiskTable(path)
    assert "t.h5ad" in caught.value.where
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no", b"\x89HDF\r\n\x1a\n" + b"\0" * 99])
def test_files_that_are_no_h5ad(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.h5ad"
    path.write_bytes(content)
    with pytest.raises(CannotOpenError):
        DiskTable(path)


def test_truncated_absent_and_empty(tmp_path: Path) -> None:
    path = tmp_path / "t.h5ad"
    sample().write_h5ad(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CannotOpenError, match="truncated"):
        DiskTable(path)
    with pytest.raises(CannotOpenError, match="no such"):
        DiskTable(tmp_path / "absent.h5ad")
    (tmp_path / "folder.zarr").mkdir()
    with pytest.raises(CannotOpenError):
        DiskTable(tmp_path / "folder.zarr")
    sample()[:0].copy().write_h5ad(tmp_path / "none.h5ad")
    with pytest.raises(CannotOpenError, match="no observations"):
        DiskTable(tmp_path / "none.h5ad")
    with pytest.raises(CannotOpenError, match="tables/no"):
        DiskTable(tmp_path / "none.h5ad", key="tables/no")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "a", "b"], "more than once"),
        (["a", "nan", "b"], "no name"),
        (["a", "", "b"], "no name"),
    ],
)
def test_bad_names(tmp_path: Path, names: list[str], message: str) -> None:
    adata = sample()[:3].copy()
    adata.write_h5ad(tmp_path / "t.h5ad")
    with h5py.File(tmp_path / "t.h5ad", "r+") as file:
        file["obs/_index"][...] = names
    table = DiskTable(tmp_path / "t.h5ad")
    with pytest.raises(CannotOpenError, match=message):
        _ = table.obs_names


def _first_gene(path: Path) -> None:
    table = DiskTable(path)
    try:
        table.gene("G1")
    finally:
        table.close()


def test_damage_inside_the_values(tmp_path: Path) -> None:
    path = tmp_path / "t.h5ad"
    sample().write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["X/indices"][0] = GENES + 5
    with pytest.raises(CannotOpenError, match="outside"):
        _first_gene(path)
    with h5py.File(path, "r+") as file:
        file["X/indptr"][5] = 10_000
    with pytest.raises(CannotOpenError, match="indptr"):
        DiskTable(path).rows(np.array([1]))
    zarr_path = stored(sample(), tmp_path, "zarr3")
    chunk = next(p for p in (zarr_path / "X" / "data" / "c").rglob("*") if p.is_file())
    chunk.write_bytes(b"garbage")
    with pytest.raises(CannotOpenError):
        DiskTable(zarr_path).gene("G1")
