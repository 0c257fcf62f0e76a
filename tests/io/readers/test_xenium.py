"""Xenium folders of old and new versions."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from fakes.xenium import PIXEL_SIZE, write_xenium

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.xenium import READER
from napari_stml.io.readers.xenium_matrix import cell_ids_of


def brightness(contents, image, xy):
    """Values of the first channel under points of the reference image."""
    placed = contents.images[image]
    slide = placed.slide
    pixels = slide.read(0, 0, 0, slide.width, slide.height)[..., 0]
    x, y = np.floor(placed.affine.inverse()(xy)).astype(int).T
    return pixels[y, x]


@pytest.mark.parametrize(
    ("ids", "tables"), [("text", "parquet"), ("bytes", "parquet"), ("numbers", "csv")]
)
def test_cells_lie_on_their_nuclei(tmp_path, ids, tables):
    fake = write_xenium(tmp_path, ids=ids, tables=tables)
    assert READER.claims(tmp_path)
    contents = READER.read(tmp_path)
    assert contents.name == "kidney"
    observations = contents.observations
    assert observations.names.tolist() == fake.cells["name"].tolist()
    expected = fake.cells[["x_centroid", "y_centroid"]] / PIXEL_SIZE
    np.testing.assert_allclose(observations.xy, expected)
    assert (brightness(contents, "DAPI", observations.xy) > 200).all()
    assert contents.um_per_px.x == PIXEL_SIZE
    outlines = pickle.loads(pickle.dumps(observations.outlines))()
    assert outlines.index.tolist() == fake.cells["name"].tolist()
    np.testing.assert_allclose(outlines.area, (2 * fake.half / PIXEL_SIZE) ** 2)
    np.testing.assert_allclose(outlines.centroid.x, observations.xy[:, 0])


@pytest.mark.parametrize("ids", ["text", "numbers"])
@pytest.mark.parametrize("matrix", ["h5", "mtx", "zarr"])
def test_counts_in_all_forms(tmp_path, matrix, ids):
    fake = write_xenium(tmp_path, matrix=matrix, ids=ids)
    contents = READER.read(tmp_path)
    table = contents.tables["RNA"]
    assert next(iter(contents.tables)) == "RNA"
    assert table.shape == (len(fake.cells), 20)
    assert table.obs_names.tolist() == fake.cells["name"].tolist()
    np.testing.assert_array_equal(table.gene("GENE7"), fake.matrix.counts[:, 7])
    assert len(contents.tables) == 3  # genes, negative controls, the cells' columns


def test_columns_of_the_cells_file_are_offered(tmp_path):
    fake = write_xenium(tmp_path)
    cells = READER.read(tmp_path).tables["cells"]
    assert cells.columns == ("transcript_counts", "cell_area", "segmentation_method")
    assert cells.column("transcript_counts").tolist() == fake.cells["transcript_counts"].tolist()
    assert cells.column("segmentation_method").dtype.name == "category"


@pytest.mark.parametrize(("ids", "tables"), [("bytes", "parquet"), ("text", "csv")])
def test_transcripts_are_lazy_points(tmp_path, ids, tables):
    fake = write_xenium(tmp_path, ids=ids, tables=tables)
    contents = READER.read(tmp_path)
    element = next(e for e in contents.elements if e.name == "transcripts")
    assert element.kind == "points"
    assert element.count == (len(fake.transcripts) if tables == "parquet" else None)
    lazy = element.load()
    assert hasattr(lazy, "dask")
    points = lazy.compute()
    expected = [n.decode() if isinstance(n, bytes) else n for n in fake.transcripts["feature_name"]]
    assert points["gene"].tolist() == expected
    np.testing.assert_allclose(points["x"], fake.transcripts["x_location"])
    at = element.affine(points[["x", "y"]])
    np.testing.assert_allclose(at[:, 1], fake.transcripts["y_location"] / PIXEL_SIZE)


def test_nuclei_are_an_element_of_their_own(tmp_path):
    fake = write_xenium(tmp_path)
    element = next(e for e in READER.read(tmp_path).elements if e.name == "nuclei")
    frame = element.load()
    assert frame["cell_id"].tolist() == fake.cells["name"].tolist()
    assert frame.index.is_unique
    np.testing.assert_allclose(frame.area, fake.half**2)
    assert element.affine.length_factor == pytest.approx(1 / PIXEL_SIZE)


@pytest.mark.parametrize(
    ("morphology", "names"),
    [
        ("four", ["DAPI", "ATP1A1-CD45-E-Cadherin", "18S", "AlphaSMA-Vimentin"]),
        ("named", ["DAPI", "ch0001_atp1a1_cd45_e-cadherin"]),
        ("mip", ["morphology_mip"]),
    ],
)
def test_morphology_images_are_channels(tmp_path, morphology, names):
    write_xenium(tmp_path, morphology=morphology)
    contents = READER.read(tmp_path)
    assert list(contents.images) == names
    assert {placed.role for placed in contents.images.values()} == {"channels"}
    assert (brightness(contents, names[0], contents.observations.xy) > 200).all()


def test_aligned_slide_lies_on_the_morphology(tmp_path):
    write_xenium(tmp_path, he=True)
    contents = READER.read(tmp_path)
    assert list(contents.images)[-1] == "kidney_he_image"
    assert contents.images["kidney_he_image"].role == "brightfield"
    assert (brightness(contents, "kidney_he_image", contents.observations.xy) < 100).all()


def test_slide_without_alignment_is_noted(tmp_path):
    write_xenium(tmp_path, he=True)
    (tmp_path / "kidney_he_imagealignment.csv").unlink()
    contents = READER.read(tmp_path)
    assert "kidney_he_image" not in contents.images
    assert any("kidney_he_imagealignment.csv is missing" in note for note in contents.notes)


def test_without_images_positions_are_um(tmp_path):
    fake = write_xenium(tmp_path, morphology="none")
    contents = READER.read(tmp_path)
    assert contents.images == {}
    assert contents.um_per_px.x == 1.0
    np.testing.assert_allclose(contents.observations.xy, fake.cells[["x_centroid", "y_centroid"]])


def test_cells_without_matrix(tmp_path):
    write_xenium(tmp_path, matrix="none")
    contents = READER.read(tmp_path)
    assert list(contents.tables) == ["cells"]
    assert any("no cell_feature_matrix" in note for note in contents.notes)


def test_cell_ids_as_documented():
    pairs = np.array([[1437536272, 1], [0, 1]], dtype=np.uint32)
    assert cell_ids_of(pairs).tolist() == ["ffkpbaba-1", "aaaaaaaa-1"]
    assert cell_ids_of(np.array([4, 5])).tolist() == ["4", "5"]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"pixel_size": None}, "'pixel_size' is missing"), ({"pixel_size": "big"}, "'big'"),
     ({"pixel_size": -1}, "not a positive number")],
)  # fmt: skip
def test_manifest_without_a_usable_pixel_size(tmp_path, change, message):
    write_xenium(tmp_path)
    path = tmp_path / "experiment.xenium"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CannotOpenError, match=message):
        READER.read(tmp_path)
