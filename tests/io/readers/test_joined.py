from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.section import Section

if TYPE_CHECKING:
    from pathlib import Path

N = 40


def table(kind: str, names: list[str], positions: bool = False, **obs: Any) -> ad.AnnData:
    rng = np.random.default_rng(len(kind))
    adata = ad.AnnData(rng.poisson(3, (len(names), 3)).astype(np.float32))
    adata.obs_names = names
    adata.var_names = [f"{kind}_{i}" for i in range(3)]
    for key, values in obs.items():
        adata.obs[key] = values
    if positions:
        adata.obsm["spatial"] = rng.uniform(0, 100, (len(names), 2))
    return adata


NAMES = [f"AAAC{i}-1" for i in range(N)]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    rna = table("rna", NAMES, positions=True, leiden=pd.Categorical(["0", "1"] * (N // 2)))
    rna.write_h5ad(tmp_path / "sample_rna.h5ad")
    protein = table("adt", [*NAMES[5:][::-1], "other-1"], clonal=1)
    protein.obs["positive"] = True
    protein.write_h5ad(tmp_path / "sample_ADT.h5ad")
    return tmp_path / "sample_rna.h5ad", tmp_path / "sample_ADT.h5ad"


def check(section: Section, files: tuple[Path, Path], protein: str = "protein") -> None:
    with section:
        assert set(section.tables) >= {"RNA", protein}
        observed = section.observations
        assert observed is not None
        assert list(observed.names) == NAMES
        own = ad.read_h5ad(files[1])
        expected = own.to_df()["adt_1"].reindex(NAMES).to_numpy()
        np.testing.assert_array_equal(section.gene("adt_1"), expected)
        assert np.isnan(section.gene("adt_1")[:5]).all()
        assert section.values("positive").isna().sum() == 5
        assert list(section.values("leiden")) == ["0", "1"] * (N // 2)
        notes = " ".join(section.notes)
        assert f"5 of 40 observations have no row in '{protein}'" in notes
        assert f"1 rows of '{protein}' have no position" in notes


def test_list_of_tables(pair: tuple[Path, Path]) -> None:
    check(Section.open(list(pair)), pair)


def test_order_does_not_decide_who_has_positions(pair: tuple[Path, Path]) -> None:
    section = Section.open([pair[1], str(pair[0])])
    assert next(iter(section.tables)) == "protein"
    check(section, pair)


def test_folder_with_different_modalities(pair: tuple[Path, Path]) -> None:
    check(Section.open(pair[0].parent), pair)


def test_folder_of_sections_is_not_joined(tmp_path: Path) -> None:
    for name in ("s1_rna", "s2_rna"):
        table("rna", NAMES, positions=True).write_h5ad(tmp_path / f"{name}.h5ad")
    with pytest.raises(CannotOpenError, match=r"s1_rna\.h5ad.*s2_rna\.h5ad"):
        Section.open(tmp_path)
    for name in ("s1_rna", "s2_rna"):
        (tmp_path / f"{name}.h5ad").rename(tmp_path / f"{name.removesuffix('_rna')}.h5ad")
    with pytest.raises(CannotOpenError, match="nothing says that they are one section"):
        Section.open(tmp_path)


def test_nothing_in_common(pair: tuple[Path, Path], tmp_path: Path) -> None:
    table("adt", ["x", "y"]).write_h5ad(pair[1])
    with pytest.raises(CannotOpenError, match="None of the 2 names of the table 'protein'"):
        Section.open(list(pair))


def test_no_positions_in_any(pair: tuple[Path, Path]) -> None:
    table("rna", NAMES).write_h5ad(pair[0])
    with pytest.raises(CannotOpenError, match=r"No positions found.*positions"):
        Section.open(list(pair))
    with pytest.raises(CannotOpenError, match="None of the tables has positions 'X_other'"):
        Section.open(list(pair), positions="X_other")


def test_feature_types_name_the_modality(pair: tuple[Path, Path]) -> None:
    adata = ad.read_h5ad(pair[1])
    adata.var["feature_types"] = "Antibody Capture"
    renamed = pair[1].with_name("second.h5ad")
    adata.write_h5ad(renamed)
    check(Section.open([pair[0], renamed]), (pair[0], renamed))


def mudata(
    files: tuple[Path, Path], path: Path, *, whole: bool = False, header: bool = False
) -> None:
    """Write with mudata; its text header before the HDF5 part is kept only on request."""
    mu = pytest.importorskip("mudata")
    h5py = pytest.importorskip("h5py")
    with mu.set_options(pull_on_update=False):
        mdata = mu.MuData({"rna": ad.read_h5ad(files[0]), "prot": ad.read_h5ad(files[1])})
        mdata.obs["joint"] = pd.Categorical(["j"] * mdata.n_obs)
        if whole:
            mdata.obsm["spatial"] = np.zeros((mdata.n_obs, 2)) + np.arange(mdata.n_obs)[:, None]
            del mdata.mod["rna"].obsm["spatial"]
        mdata.write(path)
    if not header:
        whole_path = path.rename(path.with_suffix(".with_header"))
        with h5py.File(whole_path) as stored, h5py.File(path, "w") as plain:
            plain.attrs.update(stored.attrs)
            for key in stored:
                stored.copy(key, plain)


def test_h5mu(pair: tuple[Path, Path], tmp_path: Path) -> None:
    mudata(pair, tmp_path / "both.h5mu")
    section = Section.open(tmp_path / "both.h5mu")
    assert section.format == "MuData"
    assert list(section.tables) == ["RNA", "protein", "joint"]
    assert (section.values("joint") == "j").all()
    check(section, pair)


def test_h5mu_with_positions_of_the_whole_file(pair: tuple[Path, Path], tmp_path: Path) -> None:
    mudata(pair, tmp_path / "both.h5mu", whole=True)
    with Section.open(tmp_path / "both.h5mu") as section:
        assert section.observations is not None
        assert len(section.observations) == N + 1
        assert np.isnan(section.gene("rna_1")).sum() == 1


def test_h5mu_as_mudata_writes_it(pair: tuple[Path, Path], tmp_path: Path) -> None:
    mudata(pair, tmp_path / "both.h5mu", header=True)
    check(Section.open(tmp_path / "both.h5mu"), pair)


@pytest.mark.parametrize("case", ["text", "no modalities"])
def test_malformed_h5mu(tmp_path: Path, case: str) -> None:
    import h5py

    path = tmp_path / "x.h5mu"
    if case == "text":
        path.write_text("no")
    else:
        with h5py.File(path, "w") as file:
            file.create_group("mod")
    expected = {"text": "not an HDF5 file", "no modalities": "no modalities"}
    with pytest.raises(CannotOpenError, match=expected[case]):
        Section.open(path)
