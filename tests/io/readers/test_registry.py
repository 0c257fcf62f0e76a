from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.core.geometry import ScaleSource
from napari_stml.io.readers import Reader, accepted_choices, is_url, normalised, readers
from napari_stml.io.section import Section


def test_every_reader_keeps_the_contract() -> None:
    found = list(readers())
    assert len({r.format for r in found}) == len(found)
    for reader in found:
        assert isinstance(reader, Reader)
        parameters = inspect.signature(reader.read).parameters
        for choice in accepted_choices(reader):
            assert parameters[choice].default is not inspect.Parameter.empty, reader.format


@pytest.mark.parametrize("name", ["empty", "folder.zarr", "note.txt", "broken.zarr"])
def test_no_reader_claims_what_it_cannot_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".txt"):
        path.write_text("x")
    else:
        path.mkdir()
    if name == "broken.zarr":
        (path / "zarr.json").write_text("{")
    with pytest.raises(CannotOpenError):
        Section.open(path)


def test_paths_and_urls() -> None:
    assert is_url("https://host/a.zarr")
    assert is_url("s3://bucket/a.zarr/")
    assert not is_url("file:///data/a.zarr")
    assert not is_url(Path("a"))
    assert normalised("s3://bucket/a.zarr/") == "s3://bucket/a.zarr"
    assert normalised("file:///data/a.zarr") == Path("/data/a.zarr")
    assert normalised(["/a.h5ad"]) == Path("/a.h5ad")


def test_importing_section_stays_light() -> None:
    heavy = [
        "anndata",
        "pandas",
        "dask",
        "zarr",
        "spatialdata",
        "scanpy",
        "geopandas",
        "shapely",
        "h5py",
        "napari",
    ]
    code = f"import sys, napari_stml.io.section;print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tiff_with_a_scale(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    path = tmp_path / "slide.tif"
    tifffile.imwrite(
        path, pixels, tile=(64, 64), photometric="rgb",
        resolution=(20000, 20000), resolutionunit="CENTIMETER",
    )  # fmt: skip
    with Section.open(path) as section:
        assert (section.name, section.format) == ("slide", "slide")
        assert section.observations is None
        assert section.images["slide"].role == "brightfield"
        assert section.um_per_px is not None
        assert section.um_per_px.mean == pytest.approx(0.5)
        np.testing.assert_array_equal(
            section.images["slide"].slide.read(10, 20, 0, 30, 40), pixels[20:60, 10:40]
        )
        with pytest.raises(StmlError, match="no observations"):
            section.values("ERBB2")
    with Section.open(path, um_per_px=0.25) as section:
        assert section.um_per_px is not None
        assert section.um_per_px.source is ScaleSource.USER


def test_folder_with_one_image(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "scan.png")
    (tmp_path / "readme.txt").write_text("x")
    with Section.open(tmp_path) as section:
        assert list(section.images) == ["scan"]


def test_ome_zarr(tmp_path: Path) -> None:
    import zarr

    group = zarr.open_group(tmp_path / "slide.ome.zarr", mode="w", zarr_format=3)
    array = group.create_array("0", shape=(3, 60, 80), chunks=(3, 32, 32), dtype="uint8")
    array[:] = 7
    axes = [
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    steps = [{"type": "scale", "scale": [1, 0.4, 0.4]}]
    datasets = [{"path": "0", "coordinateTransformations": steps}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    with Section.open(tmp_path / "slide.ome.zarr") as section:
        assert section.name == "slide"
        assert section.um_per_px is not None
        assert section.um_per_px.mean == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("name", "content"),
    [("slide.svs", b"hello"), ("image.png", b"\x89PNG\r\n"), ("x.tif", b""), ("y.ndpi", b"abc")],
)
def test_broken_slides(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CannotOpenError):
        Section.open(path)
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == [name]
