from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest

from napari_stml.core.errors import CannotSaveError
from napari_stml.demo import DEMO_VERSION, make_demo
from napari_stml.demo.genes import MARKERS, N_GENES, gene_names
from napari_stml.demo.make import _study, content_hash
from napari_stml.demo.section import SECTIONS, sections

LIMIT_BYTES = 60e6


def test_size(paths):
    assert sum(f.stat().st_size for f in paths.folder.rglob("*") if f.is_file()) < LIMIT_BYTES


def test_plain_spatialdata_finds_every_section(sdata):
    assert sorted(sdata.coordinate_systems) == ["section1", "section2", "section3"]
    assert set(sdata.tables) == {
        "section1_rna", "section2_rna", "section2_protein", "section3_protein",
    }  # fmt: skip
    table = sdata.tables["section1_rna"]
    assert 2300 < table.n_obs < 2700
    assert table.n_vars == N_GENES >= 2000
    assert table.X.min() >= 0
    assert (table.X.data == np.round(table.X.data)).all()
    assert set(table.obs["truth_domain"].unique()) == {
        "tumour", "stroma", "gland", "immune", "adipose",
    }  # fmt: skip
    assert np.allclose(table.obsm["truth_proportions"].sum(axis=1), 1, atol=1e-5)
    assert table.obsp["connectivity"].shape == (table.n_obs, table.n_obs)
    assert list(sdata.shapes["section1_spots"].index) == list(table.obs["barcode"])


@pytest.mark.parametrize("spec", SECTIONS, ids=lambda s: s.name)
def test_spots_lie_on_a_visium_lattice_in_the_pixels_of_the_picture(sdata, spec):
    from scipy.spatial import cKDTree

    shapes = sdata.shapes[f"{spec.name}_spots"]
    table = sdata.tables[f"{spec.name}_{'rna' if spec.rna else 'protein'}"]
    xy = np.stack([shapes.geometry.x, shapes.geometry.y], axis=1)
    assert np.allclose(xy, table.obsm["spatial"])
    nearest = cKDTree(xy).query(xy, k=2)[0][:, 1]
    assert np.isclose(100 / np.median(nearest), spec.um_per_px)
    assert np.allclose(shapes["radius"] * spec.um_per_px, 27.5)
    assert (table.obs["array_row"] % 2 == table.obs["array_col"] % 2).all()
    # spots under tissue are darker than glass
    picture = sdata.images[f"{spec.name}_he"]["scale0"]["image"].to_numpy()
    at = np.floor(xy).astype(int)
    under = picture[:, at[:, 1], at[:, 0]].mean(axis=0)
    fat = (table.obs["truth_domain"] == "adipose").to_numpy()
    assert (under[~fat] < 225).mean() > 0.85
    assert picture[:, :40, :40].min() > 225


def test_cells_of_the_picture_are_dark_where_they_are_said_to_be(sdata):
    cells = sdata.points["section1_cells"].compute()
    assert len(cells) > 50_000
    picture = sdata.images["section1_he"]["scale0"]["image"].to_numpy()
    xy = np.floor(cells[["x", "y"]].to_numpy()).astype(int)
    inside = (xy < picture.shape[1]).all(axis=1)
    red = picture[0, xy[inside, 1], xy[inside, 0]].astype(float)
    away = picture[0, xy[inside, 1], np.minimum(xy[inside, 0] + 25, picture.shape[2] - 1)]
    assert red.mean() < away.mean() - 25


def test_levels_are_halves(sdata):
    levels = [sdata.images["section1_he"][f"scale{i}"]["image"] for i in range(5)]
    for fine, coarse in itertools.pairwise(levels):
        assert fine.shape[1] == 2 * coarse.shape[1]
    fine, coarse = (level.to_numpy()[0].astype(float) for level in levels[2:4])
    halved = fine.reshape(coarse.shape[0], 2, coarse.shape[1], 2).mean(axis=(1, 3))
    assert np.abs(halved - coarse).max() <= 6


def test_same_seed_same_bits_other_seed_other_bits(attrs, grown):
    programs, tissues = grown
    assert attrs["version"] == DEMO_VERSION
    study = _study(0, programs.names, tuple(attrs["gwas_genes"]))
    assert content_hash(tissues, study) == attrs["hash"]
    _, others = sections(1)
    assert content_hash(others, study) != attrs["hash"]


def test_the_picture_is_the_same_however_it_is_cut(grown):
    from napari_stml.demo import render

    scene = grown[1][1].scene
    whole = render.tile(scene, 700, 800, 300, 300).astype(int)
    part = render.tile(scene, 800, 850, 100, 120).astype(int)
    # rounding may fall to the other side of a step, nothing more
    assert (whole[50:170, 100:200] != part).mean() < 0.01


def test_an_existing_demo_is_kept_and_another_seed_refused(paths):
    before = (paths.store / "zarr.json").stat().st_mtime_ns
    assert make_demo(paths.folder, 0) == paths
    assert (paths.store / "zarr.json").stat().st_mtime_ns == before
    with pytest.raises(CannotSaveError, match="something else"):
        make_demo(paths.folder, 1)


def test_a_foreign_folder_of_that_name_is_refused(tmp_path):
    (tmp_path / "demo.zarr").mkdir()
    (tmp_path / "demo.zarr" / "mine.txt").write_text("mine")
    with pytest.raises(CannotSaveError):
        make_demo(tmp_path)
    assert (tmp_path / "demo.zarr" / "mine.txt").read_text() == "mine"
    shutil.rmtree(tmp_path / "demo.zarr")


def test_gene_names_are_unique_and_hold_the_markers():
    names = gene_names()
    assert len(names) == len(set(names)) == N_GENES
    assert set().union(*MARKERS.values()) <= set(names)
    assert {"ERBB2", "COL1A1", "MS4A1", "MGP", "MLANA", "PMEL", "FABP4", "MT-CO1"} <= set(names)
