"""Visium folders of all versions, on synthesised and on real files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from fakes.pictures import DARK, LIGHT, discs, write_rgb
from fakes.visium import HEIGHT, HIRES, LOWRES, PITCH, WIDTH, write_visium
from scipy.spatial import cKDTree

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import ScaleSource
from napari_stml.io.readers.space_ranger import READER

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.io.contents import Contents


def on_dark(contents: Contents) -> float:
    """Share of spots whose pixel in the reference image is dark."""
    placed = next(iter(contents.images.values()))
    slide = placed.slide
    pixels = slide.read(0, 0, 0, slide.width, slide.height)[..., 0]
    x, y = np.floor(contents.observations.xy).astype(int).T
    return float((pixels[y, x] < (DARK + LIGHT) / 2).mean())


def positions_by_name(contents: Contents) -> pd.DataFrame:
    observations = contents.observations
    return pd.DataFrame(observations.xy, index=observations.names, columns=["x", "y"])


@pytest.mark.parametrize("version", ["v1", "v1 header", "txt", "v2", "parquet"])
def test_positions_of_all_versions_by_barcode(tmp_path, version):
    fake = write_visium(tmp_path / "sample" / "outs", version=version)
    assert READER.claims(fake.outs)
    contents = READER.read(fake.outs)
    truth = fake.tissue.set_index("barcode")
    found = positions_by_name(contents).loc[truth.index]
    expected = truth[["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy(float) * HIRES
    np.testing.assert_allclose(found, expected)
    assert len(contents.observations) == len(truth) < len(fake.positions)
    assert contents.name == "sample"
    lattice = contents.observations.lattice
    assert lattice.hexagonal
    by_name = dict(zip(contents.observations.names, lattice.rows, strict=True))
    assert by_name == truth["array_row"].to_dict()


def test_spots_lie_on_tissue_in_every_image(tmp_path):
    fake = write_visium(tmp_path, full_image=1)
    for image in ("slide.tif", "hires", "lowres"):
        contents = READER.read(tmp_path, image=image)
        assert on_dark(contents) == 1.0
        assert contents.chosen["image"] == image
    assert list(READER.read(tmp_path).images) == ["slide"]
    assert len(READER.read(tmp_path, in_tissue="all").observations) == len(fake.positions)


@pytest.mark.parametrize("given", [".", "..", "spatial"])
def test_folder_its_parent_and_its_spatial_folder(tmp_path, given):
    write_visium(tmp_path / "sample" / "outs")
    path = (tmp_path / "sample" / "outs" / given).resolve()
    assert READER.claims(path)
    contents = READER.read(path)
    assert contents.name == "sample"
    assert set(contents.tables) == {"RNA"}


def test_scale_comes_from_the_pitch_and_spots_are_55_um(tmp_path):
    write_visium(tmp_path)
    contents = READER.read(tmp_path)
    assert contents.um_per_px.source == ScaleSource.PITCH
    assert contents.um_per_px.x == pytest.approx(100 / PITCH / HIRES, rel=0.004)
    assert contents.observations.radius_px == pytest.approx(27.5 / contents.um_per_px.x)
    assert not any("um per pixel" in note for note in contents.notes)


def test_a_wrong_spot_diameter_is_noted_and_not_used(tmp_path):
    write_visium(tmp_path)
    change_scale_factors(tmp_path, spot_diameter_fullres=55 * PITCH / 100)
    contents = READER.read(tmp_path)
    assert contents.um_per_px.x == pytest.approx(100 / PITCH / HIRES, rel=0.004)
    assert any("um per pixel" in note and "spot diameter" in note for note in contents.notes)


def test_slide_twice_the_full_resolution_scales_positions(tmp_path):
    fake = write_visium(tmp_path, full_image=2)
    contents = READER.read(tmp_path)
    truth = fake.tissue.set_index("barcode")
    found = positions_by_name(contents).loc[truth.index, "x"]
    np.testing.assert_allclose(found, truth["pxl_col_in_fullres"] * 2)
    assert on_dark(contents) == 1.0
    assert contents.um_per_px.x == pytest.approx(50 / PITCH, rel=0.004)
    assert any("2 times" in note for note in contents.notes)


def test_an_image_of_another_size_is_passed_over_with_a_note(tmp_path):
    write_visium(tmp_path)
    write_rgb(tmp_path / "other.jpg", np.full((700, 1000), 200, dtype=np.uint8))
    contents = READER.read(tmp_path)
    assert contents.chosen["image"] == "hires"
    assert any("other.jpg is not shown" in note for note in contents.notes)
    with pytest.raises(CannotOpenError, match="1000 x 700 does not fit"):
        READER.read(tmp_path, image="other.jpg")


def test_an_image_elsewhere_may_be_given(tmp_path):
    fake = write_visium(tmp_path / "run")
    path = tmp_path / "elsewhere" / "scan.tif"
    write_rgb(path, discs(WIDTH, HEIGHT, fake.xy, 30))
    contents = READER.read(tmp_path / "run", image=str(path))
    assert on_dark(contents) == 1.0


def test_only_lowres_then_only_detected_tissue(tmp_path):
    write_visium(tmp_path)
    (tmp_path / "spatial" / "tissue_hires_image.png").unlink()
    contents = READER.read(tmp_path)
    assert contents.chosen["image"] == "lowres"
    assert contents.um_per_px.x == pytest.approx(100 / PITCH / LOWRES, rel=0.004)
    lowres = tmp_path / "spatial" / "tissue_lowres_image.png"
    lowres.rename(tmp_path / "elsewhere.png")
    size = (int(WIDTH * HIRES), int(HEIGHT * HIRES))
    write_rgb(tmp_path / "spatial" / "detected_tissue_image.jpg", discs(*size, [], 1))
    contents = READER.read(tmp_path)
    assert contents.chosen["image"] == "detected_tissue"
    assert any("detected_tissue_image.jpg is taken" in note for note in contents.notes)


def test_without_image_full_resolution_pixels_with_their_scale(tmp_path):
    fake = write_visium(tmp_path)
    contents = READER.read(tmp_path, image="none")
    assert contents.images == {}
    assert contents.um_per_px.x == pytest.approx(100 / PITCH, rel=0.004)
    found = positions_by_name(contents).loc[fake.tissue["barcode"]]
    np.testing.assert_allclose(found, fake.xy)


@pytest.mark.parametrize("kind", ["h5", "mtx"])
def test_genes_and_proteins_are_joined_by_barcode(tmp_path, kind):
    fake = write_visium(tmp_path, matrix=kind, protein=5)
    contents = READER.read(tmp_path)
    assert list(contents.tables) == ["RNA", "protein"]
    table = contents.tables["protein"]
    assert table.shape == (len(fake.tissue), 5)
    values = dict(zip(table.obs_names, table.gene(str(table.var_names[2])), strict=True))
    column = fake.matrix.counts[:, -3]
    truth = dict(zip(fake.matrix.barcodes, column, strict=True))
    assert all(values[b] == truth[b] for b in contents.observations.names)


def test_all_spots_take_the_raw_matrix(tmp_path):
    fake = write_visium(tmp_path, raw=True)
    contents = READER.read(tmp_path, in_tissue="all")
    assert contents.chosen["matrix"] == "raw"
    assert contents.tables["RNA"].shape[0] == len(fake.positions)
    assert READER.read(tmp_path).chosen["matrix"] == "filtered"
    assert READER.read(tmp_path).choices["matrix"] == ("filtered", "raw")


def test_unmatched_barcodes_are_counted(tmp_path):
    fake = write_visium(tmp_path)
    path = tmp_path / "spatial" / "tissue_positions.csv"
    frame = pd.read_csv(path)
    lost = fake.tissue["barcode"].iloc[:4]
    frame[~frame["barcode"].isin(lost)].to_csv(path, index=False)
    contents = READER.read(tmp_path)
    assert "4 rows of 'RNA' have no position" in contents.notes


def test_loose_csv_with_barcodes_becomes_columns(tmp_path):
    fake = write_visium(tmp_path, matrix="none")
    frame = pd.DataFrame(
        {"score": np.arange(len(fake.tissue)), "barcode": fake.tissue["barcode"], "type": "a"}
    )
    frame.iloc[::-1].to_csv(tmp_path / "spatial" / "scores.csv", index=False)
    (tmp_path / "spatial" / "no_barcodes.csv").write_text("a,b\n1,2\n")
    contents = READER.read(tmp_path)
    assert list(contents.tables) == ["scores"]
    table = contents.tables["scores"]
    assert table.columns == ("score", "type")
    expected = frame.set_index("barcode")["score"]
    assert table.column("score").to_dict() == expected.to_dict()
    assert any("scores.csv" in note for note in contents.notes)


def test_cytassist_and_unicode_path(tmp_path):
    folder = tmp_path / "Größe 組織" / "outs"
    write_visium(folder)
    write_rgb(folder / "spatial" / "cytassist_image.tiff", discs(90, 90, [], 1))
    contents = READER.read(folder)
    assert contents.format == "Visium (CytAssist)"
    assert contents.name == "Größe 組織"
    assert on_dark(contents) == 1.0


def test_claims_nothing_else(tmp_path):
    assert not READER.claims(tmp_path)
    assert not READER.claims("https://example.org/store.zarr")
    assert not READER.claims((tmp_path, tmp_path))
    (tmp_path / "image.png").write_bytes(b"")
    assert not READER.claims(tmp_path / "image.png")


def change_scale_factors(folder: Path, **values: object) -> None:
    path = folder / "spatial" / "scalefactors_json.json"
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def test_real_visium_small(real_data):
    contents = READER.read(real_data / "visium_small")
    assert len(contents.observations) == 2898
    assert contents.chosen["image"] == "lowres"
    assert contents.um_per_px.source == ScaleSource.PITCH
    assert contents.um_per_px.x * 0.2 == pytest.approx(4.68, abs=0.01)
    assert contents.tables["RNA"].shape == (2898, 19465)
    assert any("um per pixel" in note for note in contents.notes)
    slide = contents.images["lowres"].slide
    pixels = slide.read(0, 0, 0, 600, 600)[..., :3].astype(int)
    coloured = pixels.max(axis=2) - pixels.min(axis=2)
    x, y = np.floor(contents.observations.xy).astype(int).T
    assert coloured[y, x].mean() > 3 * np.median(coloured)


def test_real_counts_join_positions_by_barcode(real_data):
    """Moran's I over neighbouring spots, as Space Ranger itself computed it."""
    contents = READER.read(real_data / "visium_small")
    table, observations = contents.tables["RNA"], contents.observations
    values = pd.Series(table.gene("Col2a1"), index=table.obs_names)[observations.names]
    totals = pd.Series(
        np.asarray(table.rows(np.arange(table.shape[0])).sum(axis=1)).ravel(),
        index=table.obs_names,
    )[observations.names]
    level = np.log1p((values / totals * totals.median()).to_numpy())
    level -= level.mean()
    pairs = cKDTree(observations.xy).query_pairs(
        1.2 * observations.lattice.pitch_px, output_type="ndarray"
    )
    moran = (level[pairs[:, 0]] * level[pairs[:, 1]]).mean() / (level**2).mean()
    published = pd.read_csv(real_data / "visium_small" / "spatial" / "spatial_enrichment.csv")
    expected = published.set_index("Feature Name").loc["Col2a1", "I"]
    assert moran == pytest.approx(expected, abs=0.15)


def test_real_dlpfc_without_matrix(real_data):
    contents = READER.read(real_data / "dlpfc_151507_gsmap")
    assert contents.chosen["image"] == "lowres"
    table = contents.tables["spots_gsmap_height"]
    assert len(contents.observations) == 4226  # under tissue; five of them without a score
    assert table.shape[0] == 4221
    truth = pd.read_csv(
        real_data / "dlpfc_151507_gsmap" / "spots_gsmap_height.csv", index_col="barcode"
    )
    found = positions_by_name(contents)
    np.testing.assert_allclose(
        found.loc[truth.index], truth[["pxl_col", "pxl_row"]] * 0.045004502, atol=1e-6
    )
    score = table.column("gsmap_height_neglog10p")
    assert score.loc[truth.index].tolist() == truth["gsmap_height_neglog10p"].tolist()
    assert set(table.column("layer").cat.categories) == set(truth["layer"].dropna())
