from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.slides import DamagedTileError, open_slide


def fingerprint(folder):
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in folder.rglob("*")
        if p.is_file()
    }


def read_all(path):
    slide = open_slide(path, background=False)
    return slide.read(0, 0, 0, slide.width, slide.height)


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def header_only(path):
    path.write_bytes(path.read_bytes()[:12])


def zeros(path):
    path.write_bytes(bytes(5000))


def empty(path):
    path.write_bytes(b"")


def wrong_magic(path):
    path.write_bytes(b"PK\3\4" + path.read_bytes()[4:])


def noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(4000))


def directory_at_a_wild_offset(path):
    data = bytearray(path.read_bytes())
    data[4:8] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)


def tag_count_overflow(path):
    data = bytearray(path.read_bytes())
    ifd = int.from_bytes(data[4:8], "little")
    data[ifd : ifd + 2] = b"\xff\xff"
    path.write_bytes(data)


@pytest.mark.parametrize(
    "harm",
    [truncated, header_only, zeros, empty, wrong_magic, noise, directory_at_a_wild_offset,
     tag_count_overflow],
)  # fmt: skip
@pytest.mark.parametrize("name", ["s.tif", "s.svs", "s.ndpi"])
def test_tiff(tmp_path, jpeg_slide, harm, name):
    path = jpeg_slide(700, 500, (1,), name=name)
    harm(path)
    before = fingerprint(tmp_path)
    with pytest.raises(StmlError) as error:
        read_all(path)
    assert str(path) in str(error.value)
    assert fingerprint(tmp_path) == before


@pytest.mark.parametrize("harm", [truncated, header_only, zeros, empty, wrong_magic, noise])
@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.bmp"])
def test_pictures(tmp_path, picture, harm, name):
    path = tmp_path / name
    Image.fromarray(picture(300, 200)).save(path)
    harm(path)
    before = fingerprint(tmp_path)
    with pytest.raises(StmlError) as error:
        read_all(path)
    assert str(path) in str(error.value)
    assert fingerprint(tmp_path) == before


def patch_tag(path, code, value):
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags[code].overwrite(value)


def test_unknown_compression(tmp_path, jpeg_slide):
    path = jpeg_slide(700, 500, (1,))
    patch_tag(path, 259, 54321)
    with pytest.raises(CannotOpenError, match="compress"):
        open_slide(path)


def test_odd_number_of_bits(tmp_path, picture):
    path = tmp_path / "bits.tif"
    tifffile.imwrite(path, picture(300, 200, 1)[:, :, 0], tile=(256, 256))
    patch_tag(path, 258, 77)
    with pytest.raises(StmlError):
        read_all(path)


def test_complex_pixels(tmp_path):
    path = tmp_path / "complex.tif"
    tifffile.imwrite(path, np.zeros((64, 64), "complex64"))
    with pytest.raises(CannotOpenError, match="complex64"):
        open_slide(path)


@pytest.mark.parametrize("what", ["bytes", "offset"])
def test_one_damaged_tile_is_named_and_the_others_are_read(tmp_path, jpeg_slide, what):
    path = jpeg_slide(1024, 768, (1,))
    good = open_slide(path)
    expected = good.read(512, 512, 0, 256, 256).copy()
    place = good._opened[1][0].planes[0]
    data = bytearray(path.read_bytes())
    if what == "bytes":
        offset = int(place.offsets[6])
        data[offset : offset + 200] = bytes(200)
        path.write_bytes(data)
    else:
        offsets = [int(o) for o in place.offsets]
        offsets[6] = 1 << 30
        patch_tag(path, 324, offsets)
    slide = open_slide(path)
    np.testing.assert_array_equal(slide.read(512, 512, 0, 256, 256), expected)
    for _ in range(2):  # an error is not cached as a tile
        with pytest.raises(DamagedTileError, match="row 1, column 2"):
            slide.read(500, 300, 0, 300, 100)


def test_missing_file_and_plain_folder(tmp_path):
    with pytest.raises(CannotOpenError, match="No such file"):
        open_slide(tmp_path / "none.tif")
    with pytest.raises(CannotOpenError, match="no OME-Zarr image"):
        open_slide(tmp_path)
    with pytest.raises(CannotOpenError, match="over the network"):
        open_slide("https://127.0.0.1/slide.svs")


def test_arrays_that_are_no_images():
    for bad in (np.zeros(5), np.zeros((2, 3, 4, 5)), np.zeros((0, 5)), np.array([["a"]])):
        with pytest.raises(CannotOpenError):
            open_slide(bad)


@pytest.fixture
def store(tmp_path, picture):
    path = tmp_path / "i.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    data = np.moveaxis(picture(700, 500), -1, 0)
    for i in range(2):
        group.create_array(f"s{i}", data=data[:, :: i + 1, :: i + 1], chunks=(3, 256, 256))
    axes = [{"name": a} for a in "cyx"]
    datasets = [{"path": f"s{i}"} for i in range(2)]
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": datasets}]}
    assert open_slide(path).rgb
    return path


def edit(path, change):
    file = path / "zarr.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def first(content):
    return content["attributes"]["ome"]["multiscales"][0]


ZARR_HARMS = {
    "no multiscales": lambda p: edit(p, lambda c: c["attributes"]["ome"].pop("multiscales")),
    "empty multiscales": lambda p: edit(p, lambda c: c["attributes"]["ome"].update(multiscales=[])),
    "no datasets": lambda p: edit(p, lambda c: first(c).pop("datasets")),
    "datasets empty": lambda p: edit(p, lambda c: first(c).update(datasets=[])),
    "datasets a number": lambda p: edit(p, lambda c: first(c).update(datasets=3)),
    "axes without x": lambda p: edit(
        p, lambda c: first(c).update(axes=[{"name": a} for a in "czy"])
    ),
    "axes too few": lambda p: edit(p, lambda c: first(c).update(axes=[{"name": a} for a in "yx"])),
    "axes nameless": lambda p: edit(p, lambda c: first(c).update(axes=[{}, {}, {}])),
    "level gone": lambda p: shutil.rmtree(p / "s1"),
    "level is a group": lambda p: (
        shutil.rmtree(p / "s1"),
        zarr.open_group(str(p / "s1"), mode="w"),
    ),
    "level truncated": lambda p: (p / "s0" / "zarr.json").write_text('{"shape": [3,'),
    "root truncated": lambda p: (p / "zarr.json").write_text("{"),
    "root empty": lambda p: (p / "zarr.json").write_text(""),
    "text pixels": lambda p: (
        shutil.rmtree(p / "s0"),
        zarr.create_array(str(p / "s0"), shape=(3, 50, 70), dtype="complex64"),
    ),
    "levels of two types": lambda p: (
        shutil.rmtree(p / "s1"),
        zarr.create_array(str(p / "s1"), shape=(3, 250, 350), dtype="float32"),
    ),
    "codec unknown": lambda p: edit(
        p / "s0", lambda c: c.update(codecs=[{"name": "nobody", "configuration": {}}])
    ),
}


@pytest.mark.parametrize("harm", ZARR_HARMS)
def test_zarr(store, harm):
    ZARR_HARMS[harm](store)
    before = fingerprint(store)
    with pytest.raises(StmlError) as error:
        read_all(store)
    assert str(store) in str(error.value)
    assert fingerprint(store) == before


@pytest.mark.parametrize("chunk", [b"", b"rubbish" * 9])
def test_damaged_chunk(store, chunk):
    (store / "s0" / "c" / "0" / "1" / "2").write_bytes(chunk)
    slide = open_slide(store)
    assert slide.read(0, 0, 0, 256, 256).shape == (256, 256, 3)
    with pytest.raises(DamagedTileError, match="level s0, row 1, column 2"):
        slide.read(500, 200, 0, 200, 100)


def test_a_slide_that_disappears(jpeg_slide):
    path = jpeg_slide(700, 500, (1,))
    slide = open_slide(path)
    slide.close()
    os.remove(path)
    with pytest.raises(CannotOpenError, match="gone"):
        slide.read(0, 0, 0, 10, 10)
