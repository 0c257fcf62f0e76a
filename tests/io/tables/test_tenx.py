from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.io import mmwrite
from table_samples import write_tenx

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.tables import lazy
from napari_stml.io.tables.tenx import open_tenx_h5, open_tenx_mtx

if TYPE_CHECKING:
    from pathlib import Path

FEATURES = [
    ("ENSG1", "A", "Gene Expression"),
    ("ENSG2", "B", "Gene Expression"),
    ("CD3", "CD3", "Antibody Capture"),
    ("ENSG3", "A", "Gene Expression"),
    ("CD8", "CD8", "Antibody Capture"),
]
BARCODES = [f"ACGTACGTACGT{i}-1" for i in range(7)]
COUNTS = sp.csr_matrix(np.random.default_rng(0).poisson(1.0, (7, 5)).astype(np.int32))


def write_folder(folder: Path, zipped: bool = True, old: bool = False, **change: object) -> Path:
    folder.mkdir(exist_ok=True)
    mmwrite(folder / "matrix.mtx", change.get("counts", COUNTS).T)
    lines = ["\t".join(f[: 2 if old else 3]) for f in FEATURES]
    (folder / ("genes.tsv" if old else "features.tsv")).write_text("\n".join(lines) + "\n")
    (folder / "barcodes.tsv").write_text("\n".join(change.get("barcodes", BARCODES)) + "\n")
    if zipped:
        for file in list(folder.iterdir()):
            (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    return folder


@pytest.mark.parametrize("on_disk", [False, True])
def test_version_3_splits_modalities(
    tmp_path: Path, on_disk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if on_disk:
        monkeypatch.setattr(lazy, "IN_MEMORY_VALUES", 0)
    write_tenx(tmp_path / "m.h5", version=3, features=FEATURES, counts=COUNTS, barcodes=BARCODES)
    tables = open_tenx_h5(tmp_path / "m.h5")
    assert list(tables) == ["Gene Expression", "Antibody Capture"]
    rna, protein = tables.values()
    assert (rna.name, protein.name) == ("RNA", "protein")
    assert list(rna.var_names) == ["A", "B", "A-1"]
    assert list(rna.var()["gene_ids"]) == ["ENSG1", "ENSG2", "ENSG3"]
    assert list(rna.obs_names) == BARCODES
    dense = COUNTS.toarray()
    np.testing.assert_array_equal(rna.gene("A-1"), dense[:, 3])
    np.testing.assert_array_equal(protein.genes(["CD8", "CD3"]), dense[:, [4, 2]])
    some = protein.rows(np.array([5, 0])).toarray()
    np.testing.assert_array_equal(some, dense[[5, 0]][:, [2, 4]])
    rna.close()
    np.testing.assert_array_equal(protein.gene("CD3"), dense[:, 2])
    assert rna.to_anndata(np.array([1])).shape == (1, 3)


def test_version_2(tmp_path: Path) -> None:
    write_tenx(tmp_path / "m.h5", version=2, features=FEATURES, counts=COUNTS, barcodes=BARCODES)
    (table,) = open_tenx_h5(tmp_path / "m.h5").values()
    assert table.shape == (7, 5)
    np.testing.assert_array_equal(table.gene("CD8"), COUNTS.toarray()[:, 4])


@pytest.mark.parametrize(("zipped", "old"), [(True, False), (False, False), (False, True)])
def test_folders(tmp_path: Path, zipped: bool, old: bool) -> None:
    tables = open_tenx_mtx(write_folder(tmp_path / "m", zipped, old))
    if old:
        assert list(tables) == ["Gene Expression"]
        assert tables["Gene Expression"].shape == (7, 5)
        return
    np.testing.assert_array_equal(tables["Antibody Capture"].gene("CD3"), COUNTS.toarray()[:, 2])
    assert list(tables["Gene Expression"].var_names) == ["A", "B", "A-1"]


def test_real_visium(real_data: Path) -> None:
    tables = open_tenx_mtx(real_data / "visium_small" / "filtered_feature_bc_matrix")
    table = tables["Gene Expression"]
    assert table.shape == (2898, 19465)
    assert table.rows(np.arange(2898)).nnz == 1_069_459


@pytest.mark.parametrize("lost", ["barcodes", "indptr", "shape", "data"])
def test_h5_without_a_part(tmp_path: Path, lost: str) -> None:
    path = tmp_path / "m.h5"
    write_tenx(path, version=3, features=FEATURES, counts=COUNTS, barcodes=BARCODES)
    with h5py.File(path, "r+") as file:
        del file[f"matrix/{lost}"]
    with pytest.raises(CannotOpenError):
        open_tenx_h5(path)


def test_h5_of_another_kind_wrong_shape_and_empty(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(CannotOpenError, match="not a 10x"):
        open_tenx_h5(tmp_path / "other.h5")
    path = tmp_path / "m.h5"
    write_tenx(path, version=3, features=FEATURES, counts=COUNTS, barcodes=BARCODES)
    with h5py.File(path, "r+") as file:
        file["matrix/shape"][...] = [5, 8]
    with pytest.raises(CannotOpenError, match="7 barcodes"):
        open_tenx_h5(path)
    write_tenx(path, version=3, features=FEATURES, counts=COUNTS[:0], barcodes=[])
    with pytest.raises(CannotOpenError, match="empty"):
        open_tenx_h5(path)


def test_broken_folders(tmp_path: Path) -> None:
    with pytest.raises(CannotOpenError, match=r"matrix\.mtx"):
        open_tenx_mtx(tmp_path)
    with pytest.raises(CannotOpenError, match="more than once"):
        open_tenx_mtx(write_folder(tmp_path / "a", barcodes=[BARCODES[0]] * 7))
    with pytest.raises(CannotOpenError, match="6 barcodes"):
        open_tenx_mtx(write_folder(tmp_path / "b", barcodes=BARCODES[:6]))
    folder = write_folder(tmp_path / "c", zipped=False)
    text = (folder / "matrix.mtx").read_text()
    (folder / "matrix.mtx").write_text(text[: len(text) // 2])
    with pytest.raises(CannotOpenError):
        open_tenx_mtx(folder)
    folder = write_folder(tmp_path / "d")
    zipped = (folder / "barcodes.tsv.gz").read_bytes()
    (folder / "barcodes.tsv.gz").write_bytes(zipped[:-9])
    with pytest.raises(CannotOpenError):
        open_tenx_mtx(folder)
