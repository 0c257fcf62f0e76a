from __future__ import annotations

import os
import pickle
import threading

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_stml.io.slides import open_slide, opening
from napari_stml.io.slides.levels import halve
from napari_stml.io.slides.pyramid_store import prune, pyramid_folder


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(opening, "SMALL_PX", 1 << 18)


def all_levels(slide):
    return [slide.read(0, 0, i, lv.width, lv.height).copy() for i, lv in enumerate(slide.levels)]


@pytest.mark.parametrize("ending", ["png", "bmp", "webp"])
def test_pictures(tmp_path, picture, ending):
    pixels = picture(1500, 700)
    path = tmp_path / f"p.{ending}"
    Image.fromarray(pixels).save(path, **({"lossless": True} if ending == "webp" else {}))
    slide = open_slide(path)
    assert slide.rgb
    assert slide.um_per_px is None
    got = all_levels(slide)
    np.testing.assert_array_equal(got[0], pixels)
    np.testing.assert_array_equal(got[1], halve(pixels))
    assert not pyramid_folder().exists()  # small: nothing on disk
    other = pickle.loads(pickle.dumps(slide))
    np.testing.assert_array_equal(other.read(5, 6, 0, 600, 300), pixels[6:306, 5:605])


def test_jpeg_keeps_its_stored_orientation(tmp_path, picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "p.jpg"
    Image.fromarray(picture(300, 200)).save(path, exif=exif)
    slide = open_slide(path)
    assert (slide.width, slide.height) == (300, 200)
    with Image.open(path) as plain:
        np.testing.assert_array_equal(slide.read(0, 0, 0, 300, 200), np.asarray(plain))


def test_transparency_of_a_png_is_white(tmp_path, picture):
    pixels = np.dstack([picture(300, 200), np.full((200, 300), 255, np.uint8)])
    pixels[:50, :, 3] = 0
    path = tmp_path / "p.png"
    Image.fromarray(pixels).save(path)
    got = open_slide(path).read(0, 0, 0, 300, 200)
    assert (got[:50] == 255).all()
    np.testing.assert_array_equal(got[50:], pixels[50:, :, :3])


def test_arrays(picture):
    pixels = picture(1500, 900)
    slide = open_slide(pixels, um_per_px=0.5)
    assert np.shares_memory(slide.read(0, 0, 0, 512, 512), pixels)
    np.testing.assert_array_equal(slide.read(500, 500, 0, 100, 100), pixels[500:600, 500:600])
    np.testing.assert_array_equal(slide.read(0, 0, 1, 750, 450), halve(pixels))
    pixels[0, 0] = 1  # the array stays the caller's
    floats = open_slide(pixels.astype("float32") / 255)
    assert floats.rgb
    np.testing.assert_array_equal(floats.read(0, 0, 0, 1500, 900), pixels)
    assert open_slide(np.zeros((50, 60), np.uint16)).channels == ("grey",)


def write_large(path, picture):
    pixels = picture(2311, 1701)
    if path.suffix == ".png":
        Image.fromarray(pixels).save(path, compress_level=1)
    else:
        tiled = {"tile": (256, 256)} if path.stem == "tiled" else {"rowsperstrip": 100}
        tifffile.imwrite(path, pixels, photometric="rgb", compression="zstd", **tiled)
    return pixels


@pytest.mark.parametrize("name", ["flat.png", "tiled.tif", "strips.tif"])
@pytest.mark.usefixtures("everything_is_large")
def test_background_pyramid_has_the_same_pixels_and_is_found_again(tmp_path, picture, name):
    path = tmp_path / name
    pixels = write_large(path, picture)
    before = all_levels(open_slide(path, background=False))
    np.testing.assert_array_equal(before[0], pixels)
    np.testing.assert_array_equal(before[1], halve(pixels))
    parts = []
    slide = open_slide(path, report=parts.append)
    assert slide.pyramid.wait(120)
    assert parts == sorted(parts)
    assert parts[-1] == 1
    assert [p.suffix for p in pyramid_folder().iterdir()] == [".zarr"]
    again = open_slide(path, background=False)
    assert again.pyramid.ready
    for level, expected in enumerate(before):
        stored = again.pyramid.tile(level, 0, 0, 0)
        if stored is not None:
            np.testing.assert_array_equal(stored, expected[: len(stored), : stored.shape[1]])
    assert again.pyramid.tile(len(before) - 1, 0, 0, 0) is not None
    for got, expected in zip(all_levels(again), before, strict=True):
        np.testing.assert_array_equal(got, expected)
    copied = pickle.loads(pickle.dumps(slide))
    np.testing.assert_array_equal(all_levels(copied)[-1], before[-1])
    moved = path.rename(tmp_path / f"moved{path.suffix}")
    assert open_slide(moved, background=False).pyramid.ready  # same content, other name
    os.utime(moved, ns=(5, 5))
    assert not open_slide(moved, background=False).pyramid.ready  # may be another content


@pytest.mark.usefixtures("everything_is_large")
def test_readable_while_the_pyramid_is_made_and_closing_stops_it(tmp_path, picture):
    path = tmp_path / "tiled.tif"
    pixels = write_large(path, picture)
    reached, go = threading.Event(), threading.Event()

    def report(part):
        reached.set()
        assert go.wait(60)

    slide = open_slide(path, report=report)
    assert reached.wait(60)
    np.testing.assert_array_equal(slide.read(0, 0, 1, 900, 700), halve(pixels)[:700, :900])
    assert not slide.pyramid.ready
    slide.pyramid._stop.set()
    go.set()
    slide.close()
    assert list(pyramid_folder().iterdir()) == []
    assert slide.tile(0, 0, 0).shape == (256, 256, 3)


@pytest.mark.usefixtures("everything_is_large")
def test_a_damaged_pyramid_is_passed_over(tmp_path, picture):
    path = tmp_path / "tiled.tif"
    pixels = write_large(path, picture)
    slide = open_slide(path)
    assert slide.pyramid.wait(120)
    chunks = sorted((slide.pyramid.path / "1" / "c").rglob("*/*/0"))
    chunks[0].unlink()
    chunks[1].write_bytes(b"rubbish")
    again = open_slide(path, background=False)
    np.testing.assert_array_equal(all_levels(again)[1], halve(pixels))


def test_old_pyramids_give_way(tmp_path):
    for i, name in enumerate(["old", "new"]):
        folder = tmp_path / f"{name}.zarr"
        folder.mkdir()
        (folder / "chunk").write_bytes(b"x" * 1000)
        os.utime(folder, (1000 + i, 1000 + i))
    (tmp_path / "killed.partial").mkdir()
    os.utime(tmp_path / "killed.partial", (1000, 1000))
    prune(tmp_path, kept_bytes=1500)
    assert [p.name for p in tmp_path.iterdir()] == ["new.zarr"]
