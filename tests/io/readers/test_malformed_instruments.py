"""Damaged folders of instruments: an error that says what is wrong, and nothing changed on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from fakes.cosmx import write_cosmx
from fakes.fields import write_fields
from fakes.merscope import write_merscope
from fakes.pictures import write_rgb
from fakes.visium import write_visium
from fakes.visium_hd import write_visium_hd
from fakes.xenium import write_xenium

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers import cosmx, fov_folder, merscope, space_ranger, visium_hd, xenium

Damage = Callable[[Path], None]


def truncate(name: str, keep: float = 0.4) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / name
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])

    return damage


def overwrite(name: str, content: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(content)  # type: ignore[return-value]


def remove(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def edit_csv(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Damage:
    def damage(folder: Path) -> None:
        change(pd.read_csv(folder / name)).to_csv(folder / name, index=False)

    return damage


def edit_parquet(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Damage:
    def damage(folder: Path) -> None:
        change(pd.read_parquet(folder / name)).to_parquet(folder / name, index=False)

    return damage


def edit_json(name: str, **values: object) -> Damage:
    def damage(folder: Path) -> None:
        content = json.loads((folder / name).read_text()) | values
        kept = {key: value for key, value in content.items() if value is not None}
        (folder / name).write_text(json.dumps(kept))

    return damage


def first_missing(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column].astype(float).to_numpy().copy()
        values[0] = np.nan
        return frame.assign(**{column: values})

    return change


def twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[:1]])


SCALE = "spatial/scalefactors_json.json"
POSITIONS = "spatial/tissue_positions.csv"
MATRIX = "filtered_feature_bc_matrix.h5"
BIN = "binned_outputs/square_008um"

VISIUM = [
    (remove(SCALE), "scalefactors_json.json is missing"),
    (truncate(SCALE), "Not a complete JSON"),
    (overwrite(SCALE, b"[1, 2]"), "named values"),
    (edit_json(SCALE, tissue_hires_scalef=None), "'tissue_hires_scalef' is missing"),
    (edit_json(SCALE, tissue_hires_scalef="0.5"), "not a positive number"),
    (edit_json(SCALE, tissue_hires_scalef=5.0), "lie outside"),
    (overwrite(POSITIONS, b""), "No columns|Damaged"),
    (overwrite(POSITIONS, b"barcode,in_tissue\nA,1\n"), "array_row"),
    (overwrite(POSITIONS, b"AAA-1,1,2,3\nCCC-1,1,2,3\n"), "has 6 columns"),
    (overwrite(POSITIONS, b"\xff\xfe\x00\x01" * 20), "Damaged or not"),
    (edit_csv(POSITIONS, lambda f: f.iloc[:0]), "table is empty"),
    (edit_csv(POSITIONS, twice), "more than once"),
    (edit_csv(POSITIONS, first_missing("pxl_row_in_fullres")), "missing or infinite"),
    (edit_csv(POSITIONS, lambda f: f.assign(array_row="north")), "does not hold numbers"),
    (edit_csv(POSITIONS, lambda f: f.assign(pxl_col_in_fullres="left")), "not numbers"),
    (edit_csv(POSITIONS, lambda f: f.assign(in_tissue=0)), "under tissue"),
    (edit_csv(POSITIONS, lambda f: f.assign(barcode=f["barcode"] + "x")), "None of the"),
    (truncate(MATRIX), "filtered_feature_bc_matrix"),
    (overwrite(MATRIX, b"not HDF5 at all" * 50), "filtered_feature_bc_matrix"),
    (truncate("spatial/tissue_hires_image.png", 0.001), "tissue_hires_image"),
    (overwrite("spatial/tissue_hires_image.png", b"GIF?" * 30), "tissue_hires_image"),
]
VISIUM_HD = [
    (truncate(f"{BIN}/spatial/tissue_positions.parquet"), "Damaged"),
    (remove(f"{BIN}/spatial/tissue_positions.parquet"), "missing"),
    (edit_parquet(f"{BIN}/spatial/tissue_positions.parquet",
                  lambda f: f.drop(columns="array_col")), "array_col"),
    (edit_json(f"{BIN}/{SCALE}", bin_size_um=None), "'bin_size_um' is missing"),
    (edit_json(f"{BIN}/{SCALE}", microns_per_pixel=float("nan")), "not a positive number"),
    (truncate(f"{BIN}/{MATRIX}"), "filtered_feature_bc_matrix"),
]  # fmt: skip
XENIUM = [
    (truncate("experiment.xenium"), "Not a complete JSON"),
    (edit_json("experiment.xenium", pixel_size=None), "'pixel_size' is missing"),
    (remove("cells.parquet"), "cells.parquet and cells.csv.gz are missing"),
    (truncate("cells.parquet"), "Damaged"),
    (overwrite("cells.parquet", b"PAR1 but no more"), "Damaged"),
    (edit_parquet("cells.parquet", first_missing("x_centroid")), "missing or infinite"),
    (edit_parquet("cells.parquet", twice), "more than once"),
    (edit_parquet("cells.parquet", lambda f: f.iloc[:0]), "table is empty"),
    (edit_parquet("cells.parquet", lambda f: f.drop(columns="y_centroid")), "y_centroid"),
    (edit_parquet("cells.parquet", lambda f: f.assign(cell_id=f["cell_id"] + "9")), "None of the"),
    (truncate("transcripts.parquet"), "Damaged"),
    (truncate("cell_feature_matrix.h5"), "cell_feature_matrix"),
    (truncate("morphology_focus/morphology_focus_0000.ome.tif", 0.001), "morphology_focus_0000"),
    (overwrite("kidney_he_imagealignment.csv", b"1,0\n0,1\n"), "alignment matrix"),
]
COSMX = [
    (truncate("Run5_S1_metadata_file.csv.gz"), "Damaged"),
    (overwrite("Run5_S1_metadata_file.csv.gz", b"fov,cell_ID\n"), "Damaged"),
    (edit_csv("Run5_S1_metadata_file.csv.gz", lambda f: f.drop(columns="fov")), "Column fov"),
    (edit_csv("Run5_S1_metadata_file.csv.gz", twice), "more than once"),
    (edit_csv("Run5_S1_metadata_file.csv.gz", first_missing("CenterX_global_px")), "missing"),
    (truncate("Run5_S1_exprMat_file.csv.gz"), "Damaged"),
    (edit_csv("Run5_S1_exprMat_file.csv.gz", lambda f: f.assign(KRAS="many")), "count matrix"),
    (edit_csv("Run5_S1_exprMat_file.csv.gz", lambda f: f.iloc[:0]), "table is empty"),
    (edit_csv("Run5_S1_exprMat_file.csv.gz", lambda f: f.assign(fov=f["fov"] + 90)), "None of the"),
    (edit_csv("Run5_S1_exprMat_file.csv.gz", lambda f: f[["fov", "cell_ID"]]), "no gene column"),
    (edit_csv("Run5_S1_tx_file.csv", lambda f: f.drop(columns="target")), "Column target"),
]
MERSCOPE = [
    (overwrite("cell_metadata.csv", b""), "Damaged"),
    (edit_csv("cell_metadata.csv", lambda f: f.drop(columns="center_x")), "center_x"),
    (edit_csv("cell_metadata.csv", first_missing("center_y")), "missing or infinite"),
    (edit_csv("cell_by_gene.csv", lambda f: f.assign(Mbp=-1)), "missing or negative"),
    (edit_csv("cell_by_gene.csv", lambda f: f.assign(cell=f["cell"] + 10**6)), "None of the"),
    (truncate("images/mosaic_DAPI_z1.tif", 0.0001), "mosaic_DAPI_z1"),
]
FIELDS = [
    (truncate("fov2/fov2.h5ad"), "fov2"),
    (overwrite("fov2/fov2.h5ad", b"no"), "fov2"),
    (overwrite("fov1/CellComposite_F001.jpg", b"no picture"), "CellComposite_F001"),
]

CASES = [
    pytest.param(write, reader, damage, message, id=f"{reader.format.split()[0]}-{i}")
    for write, reader, cases in (
        (write_visium, space_ranger.READER, VISIUM),
        (write_visium_hd, visium_hd.READER, VISIUM_HD),
        (lambda folder: write_xenium(folder, he=True), xenium.READER, XENIUM),
        (write_cosmx, cosmx.READER, COSMX),
        (write_merscope, merscope.READER, MERSCOPE),
        (write_fields, fov_folder.READER, FIELDS),
    )
    for i, (damage, message) in enumerate(cases)
]


@pytest.mark.parametrize(("write", "reader", "damage", "message"), CASES)
def test_damage_is_told_and_nothing_is_changed(tmp_path, write, reader, damage, message):
    folder = tmp_path / "probe ñ"
    write(folder)
    damage(folder)
    before = fingerprint(folder)
    assert reader.claims(folder)
    with pytest.raises(CannotOpenError, match=message) as caught:
        reader.read(folder)
    assert caught.value.where
    assert fingerprint(folder) == before


def test_an_image_that_fits_no_scale_factor(tmp_path):
    write_visium(tmp_path)
    write_rgb(tmp_path / "huge.tif", np.zeros((300, 400), dtype=np.uint8))
    with pytest.raises(CannotOpenError, match="does not fit"):
        space_ranger.READER.read(tmp_path, image="huge.tif")
    with pytest.raises(CannotOpenError, match=r"no image 'gone\.tif'") as caught:
        space_ranger.READER.read(tmp_path, image="gone.tif")
    assert "huge.tif" in caught.value.do


def test_outlines_are_checked_when_asked(tmp_path):
    write_xenium(tmp_path)
    truncate("cell_boundaries.parquet")(tmp_path)
    with pytest.raises(CannotOpenError, match="Damaged"):
        xenium.READER.read(tmp_path).observations.outlines()


def test_segmentation_without_cells(tmp_path):
    write_visium_hd(tmp_path)
    path = tmp_path / "segmented_outputs" / "cell_segmentations.geojson"
    for content, message in (
        ('{"features": []}', "no cells"),
        ('{"features": [{"properties": {}}]}', "no polygon or no cell_id"),
        ('{"features": [', "JSON"),
    ):
        path.write_text(content)
        with pytest.raises(CannotOpenError, match=message):
            visium_hd.READER.read(tmp_path, bin_size="cells")


def test_field_table_without_positions(tmp_path):
    write_fields(tmp_path)
    path = tmp_path / "fov1" / "fov1.h5ad"
    table = ad.read_h5ad(path)
    table.obs = table.obs.drop(columns=["cx", "cy"])
    table.write_h5ad(path)
    with pytest.raises(CannotOpenError, match="No positions are common"):
        fov_folder.READER.read(tmp_path)


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
