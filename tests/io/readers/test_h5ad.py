from __future__ import annotations

import hashlib
import os
import pickle
import warnings
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from napari_stml.core.errors import CannotOpenError, MissingScaleError, StmlError
from napari_stml.core.geometry import ScaleSource
from napari_stml.io.section import Section

if TYPE_CHECKING:
    from pathlib import Path

N = 70


def hexagonal(pitch: float = 20.0) -> tuple[Any, Any, Any]:
    row, half = np.divmod(np.arange(N), 7)
    col = 2 * half + row % 2
    return row, col, np.column_stack([col * pitch / 2, row * pitch * np.sqrt(3) / 2]) + 15


def square(pitch: float = 20.0) -> tuple[Any, Any, Any]:
    row, col = np.divmod(np.arange(N), 7)
    return row, col, np.column_stack([col * pitch, row * pitch]) + 15.0


def table(xy: Any = None, **obs: Any) -> ad.AnnData:
    rng = np.random.default_rng(0)
    adata = ad.AnnData(rng.poisson(2, (N, 4)).astype(np.float32))
    adata.obs_names = [f"b{i}" for i in range(N)]
    adata.var_names = ["ERBB2", "COL1A1", "erc1", "CD3"]
    adata.obs["label"] = pd.Categorical(["tumour", "stroma"] * (N // 2))
    for key, values in obs.items():
        adata.obs[key] = values
    if xy is not None:
        adata.obsm["spatial"] = np.asarray(xy)
    return adata


def visium(xy: Any, libraries: tuple[str, ...] = ("lib",), **factors: Any) -> dict[str, Any]:
    pixels = np.full((100, 120, 3), 0.8, dtype=np.float32)
    stored = {"tissue_hires_scalef": 0.5, "tissue_lowres_scalef": 0.2, **factors}
    return {
        name: {
            "images": {"hires": pixels, "lowres": pixels[::2, ::2]},
            "scalefactors": {k: v for k, v in stored.items() if v is not None},
        }
        for name in libraries
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "counts.h5ad"


def jpeg(path: Path, size: tuple[int, int] = (200, 240)) -> None:
    Image.new("RGB", size, (230, 200, 220)).save(path)


def test_folder_with_one_table_and_one_image(tmp_path: Path, file: Path) -> None:
    row, col, xy = square()
    table(xy, array_x=col, array_y=row).write_h5ad(file)
    jpeg(tmp_path / "image.jpg")
    (tmp_path / "meta.json").write_text("{}")
    with Section.open(tmp_path) as section:
        assert section.name == tmp_path.name
        assert list(section.images) == ["image.jpg"]
        assert section.images["image.jpg"].role == "brightfield"
        assert section.notes == ("not read: meta.json",)
        observed = section.observations
        assert observed is not None
        np.testing.assert_allclose(observed.xy, xy)
        assert observed.lattice is not None
        assert not observed.lattice.hexagonal
        assert section.um_per_px is None
        assert section.um_per_px_guess is None
        with pytest.raises(MissingScaleError, match="um_per_px"):
            section.require_um_per_px()
        assert section.with_um_per_px(0.7).require_um_per_px().source is ScaleSource.USER
        assert "label" in section.columns()
    with Section.open(tmp_path, image="none", um_per_px=(0.5, 0.6)) as section:
        assert section.images == {}
        assert section.require_um_per_px().y == pytest.approx(0.6)


@pytest.mark.parametrize(("image", "scale"), [(None, 0.5), ("lowres", 0.2), ("none", 1.0)])
def test_library_image_brings_its_scale(file: Path, image: str | None, scale: float) -> None:
    row, col, xy = hexagonal()
    adata = table(xy, array_row=row, array_col=col)
    adata.uns["spatial"] = visium(xy, spot_diameter_fullres=13.0)
    adata.write_h5ad(file)
    with Section.open(file, **({"image": image} if image else {})) as section:
        observed = section.observations
        assert observed is not None
        np.testing.assert_allclose(observed.xy, xy * scale)
        assert section.um_per_px is not None
        assert section.um_per_px.source is ScaleSource.PITCH
        assert section.um_per_px.mean == pytest.approx(100 / (20 * scale), rel=1e-6)
        assert observed.radius_px == pytest.approx(27.5 / section.um_per_px.mean)
        assert section.contents.chosen["image"] == (image or "hires")
        if section.images:
            pixels = section.images[image or "hires"].slide.read(0, 0, 0, 1, 1)
            assert pixels.ravel().tolist() == [204, 204, 204]


def test_weak_scales_are_only_guesses(file: Path) -> None:
    _, _, xy = hexagonal()
    table(xy).write_h5ad(file)
    with Section.open(file) as section:
        assert section.um_per_px is None
        assert section.um_per_px_guess is not None
        assert section.um_per_px_guess.mean == pytest.approx(5.0)
    adata = table(np.random.default_rng(1).uniform(0, 99, (N, 2)))
    adata.uns["spatial"] = visium(None, spot_diameter_fullres=130.0)
    adata.write_h5ad(file)
    with Section.open(file) as section:
        assert section.um_per_px is None
        assert section.um_per_px_guess is not None
        assert section.um_per_px_guess.source is ScaleSource.SPOT_DIAMETER
        assert section.um_per_px_guess.mean == pytest.approx(1.0)
    adata.uns["spatial"] = visium(None, microns_per_pixel=0.3)
    adata.write_h5ad(file)
    with Section.open(file, um_per_px=0.7) as section:
        assert section.require_um_per_px().mean == pytest.approx(0.7)
        assert any("0.6" in note and "0.7" in note for note in section.notes)


def test_scale_that_our_own_export_stores(file: Path) -> None:
    _, _, xy = square()
    adata = table(xy)
    adata.uns["spatial"] = visium(xy)
    adata.uns["spatial"]["lib"]["metadata"] = {"um_per_px": 0.7}
    adata.write_h5ad(file)
    with Section.open(file) as section:
        assert section.require_um_per_px().mean == pytest.approx(1.4)
        assert section.require_um_per_px().source is ScaleSource.STORED


def test_positions_by_choice(file: Path) -> None:
    _, _, xy = square()
    adata = table(None, x_um=xy[:, 0], y_um=xy[:, 1])
    adata.obsm["X_other"] = np.column_stack([xy * 2, np.repeat([1.0, 2.0], N // 2)])
    adata.obsm["X_pca"] = np.zeros((N, 30))
    adata.write_h5ad(file)
    with pytest.raises(CannotOpenError, match=r"No positions found.*X_other.*x_um.*positions"):
        Section.open(file)
    with Section.open(file, positions="x_um, y_um") as section:
        assert section.observations is not None
        np.testing.assert_allclose(section.observations.xy, xy)
    with Section.open(file, positions="X_other") as section:
        assert section.contents.choices["z"] == ("all", "side by side", "1", "2")
    with Section.open(file, positions="X_other", z="2") as section:
        assert section.observations is not None
        np.testing.assert_allclose(section.observations.xy, xy[N // 2 :] * 2)
    for wrong in ("X_pcaa", "label,x_um", "nothing,x_um"):
        with pytest.raises(CannotOpenError, match="positions"):
            Section.open(file, positions=wrong)
    with pytest.raises(CannotOpenError, match="Choose z from: all, side by side, 1, 2"):
        Section.open(file, positions="X_other", z="3")


def test_guessed_columns_are_stated(file: Path) -> None:
    _, _, xy = square()
    table(None, imagecol=xy[:, 0], imagerow=xy[:, 1], x=0.0, y=0.0).write_h5ad(file)
    with Section.open(file) as section:
        assert section.contents.chosen["positions"] == "imagecol,imagerow"
        assert section.contents.choices["positions"] == ("imagecol,imagerow", "x,y")
        assert section.observations is not None
        np.testing.assert_allclose(section.observations.xy, xy)


def test_several_libraries_are_sections(file: Path) -> None:
    _, _, xy = square()
    adata = table(xy, which=pd.Categorical(["B"] * 30 + ["A"] * 40))
    adata.uns["spatial"] = visium(xy, ("A", "B"))
    adata.write_h5ad(file)
    with Section.open(file) as first, Section.open(file, section="B") as second:
        assert first.contents.choices["section"] == ("A", "B", "side by side")
        assert first.contents.chosen["section"] == "A"
        assert first.observations is not None
        assert second.observations is not None
        assert (len(first.observations), len(second.observations)) == (40, 30)
        np.testing.assert_allclose(second.observations.xy, xy[:30] * 0.5)
        np.testing.assert_array_equal(first.gene("CD3"), adata[30:, "CD3"].X.ravel())
    with pytest.raises(CannotOpenError, match="A, B"):
        Section.open(file, section="C")


def test_several_libraries_stand_side_by_side(file: Path) -> None:
    _, _, xy = square()
    adata = table(xy, which=pd.Categorical(["B"] * 30 + ["A"] * 40))
    adata.uns["spatial"] = visium(xy, ("A", "B"))
    adata.write_h5ad(file)
    with Section.open(file, section="side by side") as both:
        assert both.observations is not None
        assert both.contents.chosen["section"] == "side by side"
        assert not both.images
        assert len(both.observations) == 70
        found = both.observations.xy
        one, other = found[30:], found[:30]
        apart = (one.max(axis=0) < other.min(axis=0)) | (other.max(axis=0) < one.min(axis=0))
        assert apart.any()
        np.testing.assert_allclose(np.diff(one, axis=0), np.diff(xy[30:], axis=0))
        assert any("2 sections side by side, in the order A, B" in note for note in both.notes)
        assert both.observations.radius_px


def test_planes_of_z_stand_side_by_side(file: Path) -> None:
    _, _, xy = square()
    z = np.repeat([0.0, 1.0], [35, 35])
    same = np.column_stack([np.tile(xy[:35], (2, 1)), z])
    table(same).write_h5ad(file)
    with Section.open(file, z="side by side") as section:
        assert section.observations is not None
        found = section.observations.xy
        away = found[35:] - found[:35]  # what lay at one place lies at one place of the cells
        np.testing.assert_allclose(away, np.broadcast_to(away[0], away.shape))
        assert np.abs(away[0]).max() > np.ptp(xy[:35], axis=0).min()
        assert section.contents.choices["z"] == ("all", "side by side", "0", "1")


def test_missing_positions_are_dropped_with_a_note(file: Path) -> None:
    _, _, xy = square()
    xy[[3, 7]] = np.nan
    adata = table(xy)
    adata.write_h5ad(file)
    with Section.open(file) as section:
        assert section.observations is not None
        assert len(section.observations) == N - 2
        assert "2 of 70 observations have no position" in section.notes
        assert "b3" not in section.observations.names
        np.testing.assert_array_equal(section.gene("CD3")[3], adata.X[4, 3])
    xy[:] = np.nan
    table(xy).write_h5ad(file)
    with pytest.raises(CannotOpenError, match="No observation has a position in 'spatial'"):
        Section.open(file)


def test_an_image_that_does_not_fit_is_not_taken(tmp_path: Path, file: Path) -> None:
    _, _, xy = square()
    table(xy * 50).write_h5ad(file)
    jpeg(tmp_path / "lowres.png")
    with Section.open(file) as section:
        assert section.images == {}
        assert any("lowres.png" in n and 'image="lowres.png"' in n for n in section.notes)
    with Section.open(file, image="lowres.png") as section:
        assert list(section.images) == ["lowres.png"]
    with Section.open(file, image=str(tmp_path / "lowres.png")) as section:
        assert len(section.images) == 1


def test_zarr_table(tmp_path: Path) -> None:
    _, _, xy = square()
    with ad.settings.override(zarr_write_format=3), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what anndata announces for its next version
        table(xy).write_zarr(tmp_path / "table.zarr")
    with Section.open(tmp_path / "table.zarr") as section:
        assert section.format == "AnnData"
        assert section.observations is not None
        assert len(section.observations) == N


def test_pickle_keeps_path_choices_and_the_users_scale(file: Path) -> None:
    _, _, xy = square()
    table(xy, other_x=xy[:, 0] * 3, other_y=xy[:, 1]).write_h5ad(file)
    section = Section.open(file, positions="other_x,other_y", um_per_px=0.25)
    again = pickle.loads(pickle.dumps(section))
    np.testing.assert_array_equal(again.observations.xy[:, 0], xy[:, 0] * 3)
    assert again.um_per_px == section.um_per_px
    for opened in (section, again):
        opened.close()


def no_rows(path: Path) -> None:
    table(square()[2])[:0].copy().write_h5ad(path)


def duplicated(path: Path) -> None:
    adata = table(square()[2])
    names = list(adata.obs_names)
    adata.obs_names = [*names[:-1], "b0"]
    adata.write_h5ad(path)


def no_scale_factor(path: Path) -> None:
    adata = table(square()[2])
    adata.uns["spatial"] = visium(None, tissue_hires_scalef=None)
    adata.write_h5ad(path)


def nan_scale_factor(path: Path) -> None:
    adata = table(square()[2])
    adata.uns["spatial"] = visium(None, tissue_hires_scalef=float("nan"))
    adata.write_h5ad(path)


def flat_image(path: Path) -> None:
    adata = table(square()[2])
    adata.uns["spatial"] = visium(None)
    adata.uns["spatial"]["lib"]["images"]["hires"] = np.zeros(5)
    adata.write_h5ad(path)


def text_positions(path: Path) -> None:
    table(None, x=pd.Categorical(["a"] * N), y=1.0).write_h5ad(path)


def cut_off(path: Path) -> None:
    table(square()[2]).write_h5ad(path)
    path.write_bytes(path.read_bytes()[:3000])


def other_hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["x"] = 1


MALFORMED: dict[str, tuple[Any, str]] = {
    "text": (lambda p: p.write_text("hello"), "not an HDF5 file"),
    "empty file": (lambda p: p.write_bytes(b""), "not an HDF5 file"),
    "cut off": (cut_off, "cannot be read"),
    "another HDF5": (other_hdf5, "not an AnnData table"),
    "no rows": (no_rows, "no observations"),
    "duplicate barcodes": (duplicated, "1 barcodes occur more than once, for example b0"),
    "no positions": (lambda p: table(None).write_h5ad(p), "positions"),
    "positions are text": (text_positions, "does not hold numbers"),
    "no scale factor": (no_scale_factor, "tissue_hires_scalef"),
    "scale factor NaN": (nan_scale_factor, "tissue_hires_scalef"),
    "image has one axis": (flat_image, "shape"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(file: Path, case: str) -> None:
    make, message = MALFORMED[case]
    make(file)
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(StmlError, match=message):
        Section.open(file)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(CannotOpenError, match="There is nothing at this path"):
        Section.open(tmp_path / "absent.h5ad")
    with pytest.raises(CannotOpenError, match="an empty folder"):
        Section.open(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(CannotOpenError, match=r"a folder with notes\.txt.*SpatialData.*AnnData"):
        Section.open(tmp_path)
    with pytest.raises(CannotOpenError, match="a file of 1 bytes"):
        Section.open(tmp_path / "notes.txt")
    with pytest.raises(CannotOpenError, match="No file was given"):
        Section.open([])


def test_names_of_any_script_in_a_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "Größe 样本"
    folder.mkdir()
    table(square()[2]).write_h5ad(folder / "größe.h5ad")
    os.chmod(folder, 0o555)
    try:
        with Section.open(folder) as section:
            assert section.name == "Größe 样本"
            assert np.isfinite(section.gene("ERBB2")).all()
    finally:
        os.chmod(folder, 0o755)
