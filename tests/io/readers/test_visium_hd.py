"""Visium HD: bins of a chosen size and segmented cells."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from fakes.visium_hd import HIRES, UM_PER_PX, write_visium_hd

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import ScaleSource
from napari_stml.io.readers.visium_hd import READER


def test_bins_of_8_um_are_the_default(tmp_path):
    fake = write_visium_hd(tmp_path / "sample" / "outs")
    contents = READER.read(tmp_path / "sample")
    assert contents.name == "sample"
    assert contents.chosen["bin_size"] == "8um"
    assert contents.choices["bin_size"] == ("8um", "16um", "cells")
    truth = fake.bins[8]
    truth = truth[truth["in_tissue"] == 1]
    observations = contents.observations
    assert observations.kind == "bins"
    assert observations.names.tolist() == truth["barcode"].tolist()
    np.testing.assert_allclose(observations.xy[:, 0], truth["pxl_col_in_fullres"] * HIRES)
    np.testing.assert_allclose(observations.xy[:, 1], truth["pxl_row_in_fullres"] * HIRES)
    assert observations.radius_px == pytest.approx(8 / UM_PER_PX * HIRES / 2)
    assert observations.lattice.rows.tolist() == truth["array_row"].tolist()
    assert not observations.lattice.hexagonal
    assert contents.um_per_px.x == pytest.approx(UM_PER_PX / HIRES)
    assert contents.um_per_px.source == ScaleSource.READER


@pytest.mark.parametrize("asked", ["16", 16, 16.0, "016um", "square_016um", "16um"])
def test_bin_size_in_any_writing(tmp_path, asked):
    fake = write_visium_hd(tmp_path, cells=False)
    contents = READER.read(tmp_path, bin_size=asked)
    assert contents.chosen["bin_size"] == "16um"
    assert contents.tables["RNA"].shape[0] == fake.bins[16]["in_tissue"].sum()
    assert contents.observations.lattice.pitch_px == pytest.approx(16 / UM_PER_PX * HIRES)


def test_an_absent_bin_size_lists_those_there(tmp_path):
    write_visium_hd(tmp_path)
    with pytest.raises(CannotOpenError, match="8um, 16um, cells"):
        READER.read(tmp_path, bin_size=2)


def test_one_bin_folder_alone_and_all_bins(tmp_path):
    fake = write_visium_hd(tmp_path)
    folder = tmp_path / "binned_outputs" / "square_016um"
    assert READER.claims(folder)
    contents = READER.read(folder, in_tissue="all")
    assert len(contents.observations) == len(fake.bins[16])
    assert contents.chosen == {"bin_size": "16um", "image": "hires", "in_tissue": "all"}


def test_full_resolution_image_is_the_reference(tmp_path):
    fake = write_visium_hd(tmp_path, full_image=True)
    contents = READER.read(tmp_path)
    assert contents.chosen["image"] == "microscope.tif"
    tissue = fake.bins[8]["in_tissue"] == 1
    np.testing.assert_allclose(
        contents.observations.xy[:, 0], fake.bins[8].loc[tissue, "pxl_col_in_fullres"]
    )
    assert contents.um_per_px.x == pytest.approx(UM_PER_PX)


def test_cells_have_outlines_on_their_nuclei(tmp_path):
    fake = write_visium_hd(tmp_path)
    contents = READER.read(tmp_path, bin_size="cells")
    observations = contents.observations
    assert observations.kind == "cells"
    np.testing.assert_allclose(observations.xy, fake.cells[["x", "y"]] * HIRES)
    outlines = pickle.loads(pickle.dumps(observations.outlines))()
    assert outlines.index.tolist() == observations.names.tolist() == fake.cells.index.tolist()
    np.testing.assert_allclose(outlines.area, (2 * 18 * HIRES) ** 2)
    np.testing.assert_allclose(outlines.centroid.x, observations.xy[:, 0])
    slide = contents.images["hires"].slide
    pixels = slide.read(0, 0, 0, slide.width, slide.height)[..., 0]
    x, y = np.floor(observations.xy).astype(int).T
    assert (pixels[y, x] < 100).all()
    assert contents.tables["RNA"].obs_names.tolist() == fake.cells.index.tolist()


def test_missing_microns_per_pixel_names_the_key(tmp_path):
    write_visium_hd(tmp_path)
    path = tmp_path / "binned_outputs/square_008um/spatial/scalefactors_json.json"
    content = json.loads(path.read_text())
    del content["microns_per_pixel"]
    path.write_text(json.dumps(content))
    with pytest.raises(CannotOpenError, match="'microns_per_pixel' is missing"):
        READER.read(tmp_path)


def test_no_bin_under_tissue(tmp_path):
    fake = write_visium_hd(tmp_path)
    path = tmp_path / "binned_outputs/square_008um/spatial/tissue_positions.parquet"
    fake.bins[8].assign(in_tissue=0).to_parquet(path)
    with pytest.raises(CannotOpenError, match="in_tissue=all"):
        READER.read(tmp_path)
