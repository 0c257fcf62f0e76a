"""CosMx flat files in the orientations and versions seen in exports."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fakes.cosmx import GENES, HEIGHT, PROBES, RADIUS, UM_PER_PX, WIDTH, write_cosmx

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers import cosmx_scale
from napari_stml.io.readers.cosmx import READER


def on_dark(contents, xy):
    """Share of points that lie on a dark pixel of any field's image."""
    hit = np.zeros(len(xy), dtype=bool)
    for placed in contents.images.values():
        slide = placed.slide
        pixels = slide.read(0, 0, 0, slide.width, slide.height)[..., 0]
        x, y = np.floor(placed.affine.inverse()(xy)).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < slide.width) & (y < slide.height)
        hit[inside] |= pixels[y[inside], x[inside]] < 100
    return hit.mean()


@pytest.mark.parametrize("flip_y", [True, False])
@pytest.mark.parametrize("global_up", [True, False])
@pytest.mark.parametrize("newer", [True, False])
def test_cells_lie_on_the_stitched_images(tmp_path, flip_y, global_up, newer):
    fake = write_cosmx(tmp_path, flip_y=flip_y, global_up=global_up, newer=newer)
    assert READER.claims(tmp_path)
    contents = READER.read(tmp_path)
    assert list(contents.images) == ["F001", "F002", "F003"]
    np.testing.assert_allclose(contents.observations.xy, fake.upright, atol=1e-6)
    assert on_dark(contents, contents.observations.xy) == 1.0
    assert contents.images["F001"].affine.is_identity
    assert contents.chosen["orientation"] == ("flip y" if flip_y else "as stored")
    assert any("lie on their label" in note for note in contents.notes)


def test_orientation_without_labels_is_assumed_aloud_and_can_be_given(tmp_path):
    fake = write_cosmx(tmp_path, flip_y=False, global_up=False, labels=False)
    contents = READER.read(tmp_path)
    assert any("is assumed" in note for note in contents.notes)
    contents = READER.read(tmp_path, orientation="as stored")
    np.testing.assert_allclose(contents.observations.xy, fake.upright, atol=1e-6)


def test_tables_hold_genes_and_controls_apart(tmp_path):
    fake = write_cosmx(tmp_path)
    contents = READER.read(tmp_path)
    assert list(contents.tables) == ["RNA", "controls"]
    rna = contents.tables["RNA"]
    assert rna.var_names.tolist() == GENES
    assert contents.tables["controls"].var_names.tolist() == PROBES
    values = pd.Series(rna.gene("EPCAM"), index=rna.obs_names)
    assert values[fake.cells["cell"]].tolist() == fake.counts[:, 1].tolist()
    assert contents.observations.names.tolist() == fake.cells["cell"].tolist()
    assert rna.column("fov")[fake.cells["cell"]].tolist() == fake.cells["fov"].astype(str).tolist()
    assert "1 rows of 'RNA' have no position" in contents.notes  # background, cell 0


def test_um_per_px_by_area_by_positions_by_size(tmp_path):
    write_cosmx(tmp_path)
    contents = READER.read(tmp_path)
    assert contents.um_per_px.x == pytest.approx(UM_PER_PX)
    assert "um per pixel from cell areas in um2 and pixels" in contents.notes
    cells, fields = pd.DataFrame(), pd.read_csv(tmp_path / "Run5_S1_fov_positions_file.csv.gz")
    by_positions, _, how = cosmx_scale.um_per_px(cells, fields, None)
    assert by_positions.x == pytest.approx(UM_PER_PX)
    assert "mm" in how
    assert cosmx_scale.um_per_px(cells, None, (5472, 3648))[0].x == 0.18
    assert cosmx_scale.um_per_px(cells, None, (4256, 4256))[0].x == 0.12028


def test_unknown_scale_stays_unknown_with_a_guess(tmp_path):
    write_cosmx(tmp_path, newer=False)
    contents = READER.read(tmp_path)
    assert contents.um_per_px is None
    assert contents.um_per_px_guess.x == 0.12028
    assert "um per pixel is stated nowhere" in contents.notes


def test_outlines_transcripts_and_labels(tmp_path):
    fake = write_cosmx(tmp_path)
    contents = READER.read(tmp_path)
    outlines = contents.observations.outlines()
    assert outlines.index.tolist() == fake.cells["cell"].tolist()
    np.testing.assert_allclose(outlines.area, (2 * RADIUS) ** 2)
    np.testing.assert_allclose(outlines.centroid.x, contents.observations.xy[:, 0], atol=1e-6)
    by_name = {element.name: element for element in contents.elements}
    transcripts = by_name["transcripts"]
    points = transcripts.load().compute()
    assert points["gene"].tolist() == fake.transcripts["target"].tolist()
    assert on_dark(contents, transcripts.affine(points[["x", "y"]])) > 0.95
    labels = by_name["F002 cells"]
    assert labels.kind == "labels"
    mask = labels.load()
    assert (mask.width, mask.height) == (WIDTH, HEIGHT)
    second = fake.cells["fov"] == 2
    x, y = np.floor(labels.affine.inverse()(fake.upright[second])).astype(int).T
    pixels = mask.read(0, 0, 0, WIDTH, HEIGHT)[..., 0]
    assert pixels[y, x].tolist() == fake.cells.loc[second, "cell_ID"].tolist()


def test_without_images_global_pixels(tmp_path):
    fake = write_cosmx(tmp_path, images=False)
    contents = READER.read(tmp_path)
    assert contents.images == {}
    expected = fake.cells[["CenterX_global_px", "CenterY_global_px"]]
    np.testing.assert_allclose(contents.observations.xy, expected)
    assert contents.um_per_px.x == pytest.approx(UM_PER_PX)


def test_metadata_alone(tmp_path):
    fake = write_cosmx(tmp_path)
    (tmp_path / "Run5_S1_exprMat_file.csv.gz").unlink()
    contents = READER.read(tmp_path, image="none")
    assert list(contents.tables) == ["cells"]
    assert len(contents.observations) == len(fake.cells)


def test_images_of_unknown_fields(tmp_path):
    write_cosmx(tmp_path, fields=2)
    folder = tmp_path / "CellComposite"
    for number in (1, 2):
        path = folder / f"CellComposite_F{number:03d}.jpg"
        path.rename(folder / f"CellComposite_F{number + 7:03d}.jpg")
    with pytest.raises(CannotOpenError, match="None of the images belongs"):
        READER.read(tmp_path)
