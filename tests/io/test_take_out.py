from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from napari_stml.core.errors import CannotSaveError, StmlError
from napari_stml.io.contents import Lattice, Observations
from napari_stml.io.tables.disk import DiskTable
from napari_stml.io.tables.memory import MemoryTable
from napari_stml.io.take_out import ImageForSpots, h5ad, to_csv, to_h5ad, to_parquet

if TYPE_CHECKING:
    from pathlib import Path

ROWS, COLS = 8, 9
N = ROWS * COLS


@pytest.fixture
def observations() -> Observations:
    rows, cols = np.divmod(np.arange(N), COLS)
    cols = 2 * cols + rows % 2
    xy = np.stack([cols * 50.0, rows * 50.0 * 3**0.5], axis=1) + 20
    names = np.array([f"spot{i:02d}-1" for i in range(N)], dtype=object)
    return Observations("spots", names, xy, 27.5, Lattice(rows, cols, hexagonal=True, pitch_px=100))


def adata_of(names: np.ndarray, genes: int = 20, seed: int = 0) -> ad.AnnData:
    rng = np.random.default_rng(seed)
    counts = sp.csr_matrix(rng.poisson(0.7, (len(names), genes)).astype(np.float32))
    obs = pd.DataFrame(
        {"region": pd.Categorical(rng.choice(["a", "b"], len(names)))},
        index=pd.Index(names, dtype=object),
    )
    obs["words"] = pd.Series(["x", None] * (len(names) // 2), index=obs.index, dtype=object)
    symbols = pd.Index([f"G{i}" for i in range(genes)], dtype=object)
    adata = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=symbols))
    adata.layers["double"] = counts * 2
    adata.obsm["X_pca"] = rng.random((len(names), 3))
    return adata


@pytest.fixture
def table(observations: Observations) -> MemoryTable:
    """In another order than the observations, and without the last two."""
    return MemoryTable(adata_of(observations.names[:-2][::-1]))


@pytest.mark.filterwarnings("ignore:.*is not a valid key:SyntaxWarning")  # squidpy's docstrings
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # the same
def test_h5ad_is_ready_for_scanpy_and_squidpy(
    tmp_path: Path,
    observations: Observations,
    table: MemoryTable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(h5ad, "BLOCK_ROWS", 13)
    run = pd.DataFrame(
        {
            "clusters": pd.Categorical(["1", "2"] * (N // 2)),
            "region": np.arange(N),
            "when": pd.date_range("2024-01-01", periods=N),
            "note": ["ok", None] * (N // 2),
        },
        index=observations.names,
    )
    pixels = np.full((60, 90, 3), 200, dtype=np.uint8)
    seen: list[float] = []
    done = to_h5ad(
        tmp_path / "out.h5ad",
        observations,
        {"RNA": table},
        columns=run,
        embeddings={"latent": np.arange(2 * N).reshape(N, 2)},
        library="S1",
        image=ImageForSpots(pixels, 0.1),
        um_per_px=0.5,
        report=seen.append,
    )
    assert (done.observations, done.variables, done.left_out) == (N - 2, 20, 2)
    assert "2 observations" in done.notes[0]
    assert seen[-1] == 1.0

    import scanpy as sc
    import squidpy as sq

    back = sc.read_h5ad(tmp_path / "out.h5ad")
    assert list(back.obs_names) == list(observations.names[:-2])
    for layer, factor in ((None, 1), ("double", 2)):
        matrix = back.X if layer is None else back.layers[layer]
        np.testing.assert_array_equal(
            matrix.toarray(), factor * table.rows(np.arange(N - 2)[::-1]).toarray()
        )
    np.testing.assert_array_equal(back.obsm["spatial"], observations.xy[:-2])
    np.testing.assert_array_equal(back.obsm["latent"][:, 0], 2 * np.arange(N - 2))
    assert list(back.obs["region"]) == list(range(N - 2))
    assert isinstance(back.obs["note"].dtype, pd.CategoricalDtype)
    assert back.obs["note"].isna().sum() == (N - 2) // 2
    assert back.obs["words"].isna().sum() == (N - 2) // 2
    assert back.obs["when"].iloc[0] == "2024-01-01"
    library = back.uns["spatial"]["S1"]
    np.testing.assert_array_equal(library["images"]["hires"], pixels)
    assert library["scalefactors"] == {"tissue_hires_scalef": 0.1, "spot_diameter_fullres": 55.0}
    assert library["metadata"]["um_per_px"] == 0.5

    sq.gr.spatial_neighbors(back, coord_type="grid", n_neighs=6)
    degrees = np.asarray((back.obsp["spatial_connectivities"] > 0).sum(axis=1)).ravel()
    assert degrees.max() == 6
    sc.pp.normalize_total(back)
    sc.pp.log1p(back)


def test_selection_names_of_others_and_protein(
    tmp_path: Path, observations: Observations, table: MemoryTable
) -> None:
    protein = MemoryTable(adata_of(observations.names[4:], genes=3, seed=1), name="protein")
    wide = MemoryTable(adata_of(observations.names, genes=2_500, seed=1), name="ATAC")
    done = to_h5ad(
        tmp_path / "out.h5ad",
        observations,
        {"RNA": table, "protein": protein, "ATAC": wide},
        selection=observations.names[[9, 3, 5]],
        columns=pd.DataFrame({"a/b": 1.0}, index=observations.names),
        names={"X": "layers/count", "obs/region": "domain", "obsm/X_pca": "emb"},
    )
    assert "'ATAC' (2,500 variables) was left out" in done.notes[0]
    back = ad.read_h5ad(tmp_path / "out.h5ad")
    assert list(back.obs_names) == list(observations.names[[9, 3, 5]])
    np.testing.assert_array_equal(back.layers["count"].toarray(), back.X.toarray())
    assert {"domain", "a_b"} <= set(back.obs.columns)
    assert "emb" in back.obsm
    assert back.obsm["protein"].shape == (3, 3)
    assert back.obsm["protein"].iloc[1].isna().all()
    assert back.obsm["protein"].iloc[0].notna().all()
    with pytest.raises(CannotSaveError, match="both be written"):
        to_h5ad(tmp_path / "two.h5ad", observations, {"RNA": table}, names={"obs/region": "words"})
    assert not (tmp_path / "two.h5ad").exists()


def test_from_disk_without_table_and_of_cells(tmp_path: Path, observations: Observations) -> None:
    adata_of(observations.names).write_h5ad(tmp_path / "in.h5ad")
    source = DiskTable(tmp_path / "in.h5ad")
    to_h5ad(tmp_path / "out.h5ad", observations, {"RNA": source})
    again = DiskTable(tmp_path / "out.h5ad")
    np.testing.assert_array_equal(again.gene("G3"), source.gene("G3"))
    cells = Observations("cells", observations.names, observations.xy)
    done = to_h5ad(tmp_path / "bare.h5ad", cells, {})
    assert (done.observations, done.variables) == (N, 0)
    library = ad.read_h5ad(tmp_path / "bare.h5ad").uns["spatial"]["section"]
    assert library["scalefactors"]["spot_diameter_fullres"] == pytest.approx(100.0)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("few", [64, 0], ids=["by gene", "by rows"])
def test_flat_tables(
    tmp_path: Path,
    observations: Observations,
    table: MemoryTable,
    kind: str,
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_stml.io.take_out import flat

    monkeypatch.setattr(flat, "FEW_GENES", few)
    monkeypatch.setattr(flat, "BLOCK_CELLS", 100)
    write = to_csv if kind == "csv" else to_parquet
    path = tmp_path / f"out.{kind}"
    run = pd.DataFrame({"ward": ["p", "q"] * (N // 2)}, index=observations.names)
    done = write(path, observations, table, columns=run, genes=["G2", "G0"], um_per_px=2.0)
    assert "2 observations are not in the table" in done.notes[0]
    back = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path)
    assert list(back.columns) == [
        "barcode",
        "x",
        "y",
        "x_um",
        "y_um",
        "region",
        "words",
        "ward",
        "G2",
        "G0",
    ]
    assert list(back["barcode"]) == list(observations.names)
    np.testing.assert_allclose(back["x_um"], 2 * observations.xy[:, 0])
    assert back["G2"].isna().sum() == 2
    np.testing.assert_array_equal(back["G2"][:-2], table.gene("G2")[::-1])
    assert list(back["ward"][:2]) == ["p", "q"]
    with pytest.raises(StmlError, match="no gene"):
        write(tmp_path / "no", observations, table, genes=["nothing"])
    assert os.listdir(tmp_path) == [path.name]


def test_nothing_is_overwritten_or_left_half(
    tmp_path: Path,
    observations: Observations,
    table: MemoryTable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "out.h5ad"
    path.write_text("precious")
    for write in (to_csv, to_parquet):
        with pytest.raises(CannotSaveError, match="exists already"):
            write(path, observations, table)
    with pytest.raises(CannotSaveError, match="exists already"):
        to_h5ad(path, observations, {"RNA": table})
    assert path.read_text() == "precious"

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(h5ad, "_write_matrices", full)
        with pytest.raises(CannotSaveError, match="No space left"):
            to_h5ad(path, observations, {"RNA": table}, overwrite=True)
    assert path.read_text() == "precious"
    assert os.listdir(tmp_path) == ["out.h5ad"]
    to_h5ad(path, observations, {"RNA": table}, overwrite=True)
    assert ad.read_h5ad(path).n_obs == N - 2
    with pytest.raises(CannotSaveError, match="no such folder"):
        to_csv(tmp_path / "absent" / "t.csv", observations)


def test_wrong_wishes(tmp_path: Path, observations: Observations, table: MemoryTable) -> None:
    out = tmp_path / "t.csv"
    with pytest.raises(CannotSaveError, match="Nothing is selected"):
        to_csv(out, observations, selection=np.zeros(N, dtype=bool))
    with pytest.raises(CannotSaveError, match="no observation 'x'"):
        to_csv(out, observations, selection=["x"])
    with pytest.raises(CannotSaveError, match="need a table"):
        to_csv(out, observations, genes=["G1"])
    with pytest.raises(CannotSaveError, match="none of the selected"):
        to_h5ad(out, observations, {"RNA": table}, selection=[N - 1])
    with pytest.raises(ValueError, match="2000 px"):
        to_h5ad(
            out,
            observations,
            {"RNA": table},
            image=ImageForSpots(np.zeros((2001, 3, 3), np.uint8), 1.0),
        )
    assert os.listdir(tmp_path) == []
