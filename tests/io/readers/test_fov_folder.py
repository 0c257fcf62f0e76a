"""Sets of fields of view as one section."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fakes.fields import CELLS, GENES, HEIGHT, WIDTH, write_fields

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.fov_folder import READER


def on_own_image(contents):
    """Share of cells on a dark pixel of the image of their own field."""
    table = contents.tables["RNA"]
    field = table.column("FOV")[contents.observations.names]
    shares = []
    for name, placed in contents.images.items():
        xy = contents.observations.xy[(field == name).to_numpy()]
        pixels = placed.slide.read(0, 0, 0, WIDTH, HEIGHT)[..., 0]
        x, y = np.floor(placed.affine.inverse()(xy)).astype(int).T
        shares.append((pixels[y, x] < 100).mean())
    return float(np.mean(shares))


@pytest.mark.parametrize("keys", ["obs", "obsm"])
def test_fields_go_on_a_grid_in_the_order_of_their_numbers(tmp_path, keys):
    fake = write_fields(tmp_path, keys=keys)
    assert READER.claims(tmp_path)
    contents = READER.read(tmp_path)
    assert list(contents.images) == ["fov1", "fov2", "fov10"]
    assert contents.chosen["layout"] == "grid"
    assert contents.choices["layout"] == ("grid",)
    assert len(contents.observations) == 3 * CELLS
    assert on_own_image(contents) == 1.0
    np.testing.assert_allclose(contents.observations.xy[:CELLS], fake.local[0])
    origins = np.array([p.affine([0, 0]) for p in contents.images.values()])
    step = WIDTH * 1.05
    np.testing.assert_allclose(origins, [[0, 0], [step, 0], [0, HEIGHT + 0.05 * WIDTH]])


def test_one_table_with_a_field_column(tmp_path):
    fake = write_fields(tmp_path)
    contents = READER.read(tmp_path)
    table = contents.tables["RNA"]
    assert table.shape == (3 * CELLS, len(GENES))
    assert table.column("FOV").tolist() == ["fov1"] * CELLS + ["fov2"] * CELLS + ["fov10"] * CELLS
    np.testing.assert_array_equal(table.gene("EPCAM"), np.vstack(fake.counts)[:, 1])
    assert table.obs_names[CELLS] == "fov2_cell0"
    assert any("repeat between fields" in note for note in contents.notes)
    assert set(table.column("merge_cell_type").cat.categories) == {"tumour", "T cell"}


def test_unique_names_stay(tmp_path):
    write_fields(tmp_path, unique=True)
    assert READER.read(tmp_path).observations.names[0] == "f1_cell0"


@pytest.mark.parametrize("globals_", ["obs", "file"])
def test_stitched_by_global_positions(tmp_path, globals_):
    fake = write_fields(tmp_path, globals_=globals_)
    contents = READER.read(tmp_path, layout="stitched")
    assert contents.choices["layout"] == ("grid", "stitched")
    assert contents.chosen["layout"] == "stitched"
    truth = np.vstack([xy + place for xy, place in zip(fake.local, fake.places, strict=True)])
    np.testing.assert_allclose(contents.observations.xy, truth - fake.places[0], atol=1e-6)
    assert on_own_image(contents) == 1.0
    assert READER.read(tmp_path).chosen["layout"] == "grid"


def test_stitching_needs_positions(tmp_path):
    write_fields(tmp_path)
    with pytest.raises(CannotOpenError, match="Choose one of: grid"):
        READER.read(tmp_path, layout="stitched")


def test_positions_are_a_choice(tmp_path):
    write_fields(tmp_path)
    assert READER.read(tmp_path).chosen["positions"] == "cx,cy"
    with pytest.raises(CannotOpenError, match="cx,cy"):
        READER.read(tmp_path, positions="spatial")


def test_genes_that_are_not_everywhere_are_counted(tmp_path):
    write_fields(tmp_path)
    import anndata as ad

    path = tmp_path / "fov2" / "fov2.h5ad"
    ad.read_h5ad(path)[:, 1:].copy().write_h5ad(path)
    contents = READER.read(tmp_path)
    assert contents.tables["RNA"].var_names.tolist() == GENES[1:]
    assert any("1 genes are not in all fields" in note for note in contents.notes)


def test_a_mask_beside_the_image_is_passed_over(tmp_path):
    write_fields(tmp_path)
    (tmp_path / "fov1" / "CellLabels_F001.tif").write_bytes(b"not looked at")
    assert len(READER.read(tmp_path).images) == 3


def test_missing_image_or_two_tables_name_the_field(tmp_path):
    write_fields(tmp_path)
    image = tmp_path / "fov2" / "CellComposite_F002.jpg"
    image.rename(tmp_path / "away.jpg")
    with pytest.raises(CannotOpenError, match="one image, here: none") as caught:
        READER.read(tmp_path)
    assert "fov2" in caught.value.where
    (tmp_path / "away.jpg").rename(image)
    (tmp_path / "fov1" / "other.h5ad").write_bytes(b"")
    with pytest.raises(CannotOpenError, match=r"fov1\.h5ad, other\.h5ad"):
        READER.read(tmp_path)


def test_positions_missing_for_a_cell(tmp_path):
    write_fields(tmp_path)
    import anndata as ad

    path = tmp_path / "fov2" / "fov2.h5ad"
    table = ad.read_h5ad(path)
    table.obs["cx"] = pd.Series(np.r_[np.nan, table.obs["cx"][1:]], index=table.obs_names)
    table.write_h5ad(path)
    with pytest.raises(CannotOpenError, match="missing or infinite"):
        READER.read(tmp_path)
