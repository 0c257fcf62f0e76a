from __future__ import annotations

import os
import pickle
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.slides import open_slide
from napari_stml.io.slides.levels import halve
from napari_stml.io.slides.openslide_file import OpenSlideSlide
from napari_stml.io.slides.tiff import TiffSlide

OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"></OME>"""


def test_same_pixels_as_openslide(jpeg_slide):
    path = jpeg_slide(2048, 1536, (1, 4), resolution=(20000, 20000), resolutionunit="CENTIMETER")
    ours, theirs = open_slide(path), OpenSlideSlide(path)
    assert isinstance(ours, TiffSlide)
    assert ours.levels == theirs.levels
    assert ours.um_per_px == theirs.um_per_px == UmPerPx(0.5, 0.5, ScaleSource.TAGS)
    rng = np.random.default_rng(0)
    for level, lv in enumerate(ours.levels):
        for _ in range(6):
            x, y = rng.integers(-90, lv.width), rng.integers(-90, lv.height)
            w, h = rng.integers(1, 700, size=2)
            box = (int(x), int(y), level, int(w), int(h))
            np.testing.assert_array_equal(ours.read(*box), theirs.read(*box), str(box))


def test_window_equals_the_decoded_picture(jpeg_slide):
    path = jpeg_slide(700, 500, (1,))
    whole = tifffile.imread(path)
    slide = open_slide(path)
    np.testing.assert_array_equal(slide.read(0, 0, 0, 700, 500), whole)
    np.testing.assert_array_equal(slide.read(250, 249, 0, 20, 9), whole[249:258, 250:270])
    np.testing.assert_array_equal(slide.read(512, 256, 0, 188, 244), whole[256:, 512:])
    np.testing.assert_array_equal(slide.read(3, 4, 0, 9, 9, channel=1), whole[4:13, 3:12, 1:2])
    assert slide.tile(0, 1, 2).shape == (244, 188, 3)


def test_outside_is_white(jpeg_slide):
    slide = open_slide(jpeg_slide(300, 300, (1,)))
    out = slide.read(-10, 290, 0, 30, 30)
    assert (out[:, :10] == 255).all()
    assert (out[10:] == 255).all()
    np.testing.assert_array_equal(out[:10, 10:], slide.read(0, 290, 0, 20, 10))
    assert (slide.read(5000, 5000, 0, 4, 4) == 255).all()


def test_an_aligned_tile_is_not_copied(jpeg_slide):
    slide = open_slide(jpeg_slide())
    first, second = slide.read(256, 256, 0, 256, 256), slide.read(256, 256, 0, 256, 256)
    assert first is second
    inner = slide.read(260, 270, 0, 100, 50)
    assert np.shares_memory(inner, first)


def test_levels_between_are_box_averages(jpeg_slide):
    slide = open_slide(jpeg_slide(2061, 1201, (1, 4)))
    assert [round(lv.downsample_x) for lv in slide.levels] == [1, 2, 4]
    finest = slide.read(0, 0, 0, 2061, 1201)
    lv = slide.levels[1]
    np.testing.assert_array_equal(slide.read(0, 0, 1, lv.width, lv.height), halve(finest))


@pytest.mark.parametrize("tile", [256, 240])
def test_far_levels_equal_repeated_halving(jpeg_slide, tile):
    slide = open_slide(jpeg_slide(2101, 1047, (1,), tile=tile))
    expected = slide.read(0, 0, 0, 2101, 1047)
    for level in range(1, len(slide.levels)):
        expected = halve(expected)
        lv = slide.levels[level]
        assert lv.downsample_x == 2**level
        np.testing.assert_array_equal(slide.read(0, 0, level, lv.width, lv.height), expected)


def test_jpeg_that_is_rgb_without_saying_so(tmp_path, picture):
    """Aperio's way: photometric RGB, no colour conversion, tables shared by all tiles."""
    pixels = picture(512, 256)
    tiles = [
        imagecodecs.jpeg8_encode(
            np.ascontiguousarray(pixels[:, i : i + 256]),
            level=95,
            colorspace="rgb",
            outcolorspace="rgb",
        )
        for i in (0, 256)
    ]
    path = tmp_path / "a.svs"
    tifffile.imwrite(
        path,
        iter(tiles),
        shape=pixels.shape,
        dtype="uint8",
        tile=(256, 256),
        photometric="rgb",
        compression="jpeg",
        description="Aperio Image Library v11\n512x256|AppMag = 40|MPP = 0.2500",
        metadata=None,
    )
    slide = open_slide(path)
    got = slide.read(0, 0, 0, 512, 256)
    np.testing.assert_array_equal(got, tifffile.imread(path))
    assert abs(got.astype(int) - pixels).max() < 25
    assert slide.um_per_px == UmPerPx(0.25, 0.25, ScaleSource.VENDOR)
    assert slide.um_per_px_guess == UmPerPx(0.25, 0.25, ScaleSource.OBJECTIVE)


def split_tables(data: bytes) -> tuple[bytes, bytes]:
    """Split a JPEG stream into its tables and the rest, as scanners store them."""
    tables, rest, i = b"", b"", 2
    while data[i + 1] != 0xDA:
        size = 2 + int.from_bytes(data[i + 2 : i + 4], "big")
        segment = data[i : i + size]
        if data[i + 1] in (0xDB, 0xC4):
            tables += segment
        else:
            rest += segment
        i += size
    return b"\xff\xd8" + tables + b"\xff\xd9", b"\xff\xd8" + rest + data[i:]


def test_shared_jpeg_tables(tmp_path, picture, encoded):
    pixels = picture(512, 256)
    streams = [encoded(np.ascontiguousarray(pixels[:, i : i + 256])) for i in (0, 256)]
    parts = [split_tables(s) for s in streams]
    assert parts[0][0] == parts[1][0]
    path = tmp_path / "tables.tif"
    tifffile.imwrite(
        path,
        iter([p[1] for p in parts]),
        shape=pixels.shape,
        dtype="uint8",
        tile=(256, 256),
        photometric="ycbcr",
        subsampling=(2, 2),
        compression="jpeg",
        jpegtables=parts[0][0],
        metadata=None,
    )
    slide = open_slide(path)
    expected = np.concatenate([imagecodecs.jpeg8_decode(s) for s in streams], axis=1)
    np.testing.assert_array_equal(slide.read(0, 0, 0, 512, 256), expected)


@pytest.mark.parametrize(
    ("compression", "extra"),
    [
        ("jpeg2000", {}),
        ("webp", {"compressionargs": {"lossless": True}}),
        ("lzw", {"predictor": True}),
        ("deflate", {}),
        ("zstd", {}),
        (None, {}),
    ],
)
@pytest.mark.parametrize("tile", [(256, 256), None])
def test_compressions(tmp_path, picture, compression, extra, tile):
    if tile is None and compression in {"jpeg2000", "webp"}:
        pytest.skip("scanners store these in tiles only")
    pixels = picture(700, 500)
    path = tmp_path / "c.tif"
    if compression == "jpeg2000":
        extra = {"compressionargs": {"reversible": True}}
    rows = {} if tile or compression is None else {"rowsperstrip": 37}
    tifffile.imwrite(
        path, pixels, tile=tile, compression=compression, photometric="rgb", **rows, **extra
    )
    slide = open_slide(path)
    assert slide.rgb
    np.testing.assert_array_equal(slide.read(0, 0, 0, 700, 500), pixels)
    np.testing.assert_array_equal(slide.read(300, 123, 0, 250, 200), pixels[123:323, 300:550])


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_sixteen_bits_in_either_byte_order(tmp_path, picture, byteorder, compression):
    pixels = picture(300, 200, 1, "uint16")[:, :, 0]
    path = tmp_path / "g.tif"
    tifffile.imwrite(path, pixels, byteorder=byteorder, compression=compression)
    slide = open_slide(path)
    assert not slide.rgb
    assert slide.channels == ("grey",)
    assert slide.dtype == np.uint16
    got = slide.read(-2, 10, 0, 100, 80)
    assert (got[:, :2] == 0).all()
    np.testing.assert_array_equal(got[:, 2:, 0], pixels[10:90, :98])


def test_transparent_pixels_are_white(tmp_path, picture):
    pixels = np.dstack([picture(512, 256), np.full((256, 512), 255, np.uint8)])
    pixels[:, :100, 3] = 0
    path = tmp_path / "alpha.tif"
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", extrasamples=["unassalpha"])
    slide = open_slide(path)
    assert slide.rgb
    got = slide.read(0, 0, 0, 512, 256)
    assert (got[:, :100] == 255).all()
    np.testing.assert_array_equal(got[:, 100:], pixels[:, 100:, :3])


def write_ome(path: Path, data: np.ndarray, **metadata: object) -> None:
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        options = {"tile": (256, 256), "photometric": "minisblack", "compression": "zstd"}
        tif.write(data, subifds=1, metadata={"axes": "CYX", **metadata}, **options)
        tif.write(np.ascontiguousarray(data[:, ::4, ::4]), subfiletype=1, **options)


def test_ome_tiff_of_channels(tmp_path, picture, monkeypatch):
    data = np.moveaxis(picture(2100, 1500, 5, "uint16"), -1, 0)
    names = ["DAPI", "CD3", "CD8", "CD20", "panCK"]
    path = tmp_path / "m.ome.tif"
    write_ome(
        path,
        data,
        Channel={"Name": names},
        PhysicalSizeX=325.0,
        PhysicalSizeXUnit="nm",
        PhysicalSizeY=0.33,
        PhysicalSizeYUnit="µm",
    )
    slide = open_slide(path)
    assert slide.channels == tuple(names)
    assert not slide.rgb
    assert [round(lv.downsample_x, 3) for lv in slide.levels] == [1, 2, 4]
    np.testing.assert_array_equal(
        slide.read(200, 100, 0, 300, 400), np.moveaxis(data[:, 100:500, 200:500], 0, -1)
    )
    np.testing.assert_array_equal(
        slide.read(0, 0, 2, 525, 375), np.moveaxis(data[:, ::4, ::4], 0, -1)
    )
    decoded = []
    original = TiffSlide._decode
    monkeypatch.setattr(TiffSlide, "_decode", lambda *a: (decoded.append(a[4]), original(*a))[1])
    open_slide(path).read(1000, 1000, 0, 50, 50, channel=3)
    assert decoded == [3] * 4  # the four tiles of one channel, none of the others


def test_ome_scale_has_the_unit_of_each_axis(tmp_path, picture):
    path = tmp_path / "s.ome.tif"
    write_ome(
        path,
        np.moveaxis(picture(512, 512, 2, "uint16"), -1, 0),
        PhysicalSizeX=250.0,
        PhysicalSizeXUnit="nm",
        PhysicalSizeY=0.5,
        PhysicalSizeYUnit="µm",
    )
    assert open_slide(path).um_per_px == UmPerPx(0.25, 0.5, ScaleSource.READER)


def test_planes_of_colour_stored_apart(tmp_path, picture):
    pixels = picture(600, 400)
    path = tmp_path / "apart.tif"
    tifffile.imwrite(
        path,
        np.moveaxis(pixels, -1, 0),
        tile=(256, 256),
        photometric="rgb",
        planarconfig="separate",
        compression="deflate",
    )
    slide = open_slide(path)
    assert slide.rgb
    np.testing.assert_array_equal(slide.read(100, 50, 0, 400, 300), pixels[50:350, 100:500])


def test_of_depth_and_time_the_first_plane_is_shown(tmp_path, picture):
    data = np.arange(2 * 3 * 2, dtype="uint8").reshape(2, 3, 2, 1, 1) * np.ones((300, 280), "uint8")
    path = tmp_path / "tzc.ome.tif"
    tifffile.imwrite(
        path, data, tile=(256, 256), photometric="minisblack", metadata={"axes": "TZCYX"}
    )
    slide = open_slide(path)
    assert slide.read(0, 0, 0, 1, 1)[0, 0].tolist() == [0, 1]


def test_label_and_macro_are_never_shown(tmp_path, picture):
    path = tmp_path / "l.ome.tif"
    big, label = picture(900, 800), picture(1200, 1000)
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        tif.write(label, photometric="rgb", metadata={"axes": "YXS", "Name": "label image"})
        tif.write(big, photometric="rgb", metadata={"axes": "YXS", "Name": "tissue"})
    slide = open_slide(path)
    assert (slide.width, slide.height) == (900, 800)
    for wanted in ("label image", 1):
        with pytest.raises(Exception, match="There is no image"):
            open_slide(path, series=wanted)


def test_tiles_never_scanned_are_white(tmp_path, picture):
    path = tmp_path / "sparse.tif"
    block = picture(256, 256)
    tifffile.imwrite(
        path,
        iter([imagecodecs.jpeg8_encode(block), b"", b"", b""]),
        shape=(512, 512, 3),
        dtype="uint8",
        tile=(256, 256),
        photometric="ycbcr",
        compression="jpeg",
    )
    got = open_slide(path).read(0, 0, 0, 512, 512)
    assert (got[:256, 256:] == 255).all()
    assert (got[256:] == 255).all()
    assert not (got[:256, :256] == 255).all()


def test_masks_are_never_averaged(tmp_path):
    ids = np.kron(np.arange(81, dtype="int32").reshape(9, 9) * 1000, np.ones((231, 227), "int32"))
    path = tmp_path / "mask.tif"
    tifffile.imwrite(path, ids, tile=(256, 256), compression="zstd")
    slide = open_slide(path)
    assert slide.mask
    assert len(slide.levels) == 3
    lv = slide.levels[-1]
    np.testing.assert_array_equal(slide.read(0, 0, 2, lv.width, lv.height)[:, :, 0], ids[::4, ::4])


def test_travels_to_another_process_and_opens_again(jpeg_slide):
    path = jpeg_slide()
    slide = open_slide(path, um_per_px=0.3)
    before = slide.read(10, 10, 0, 300, 300).copy()
    stored = pickle.dumps(slide)
    assert len(stored) < 5000
    other = pickle.loads(stored)
    assert other.um_per_px == UmPerPx(0.3, 0.3, ScaleSource.USER)
    assert other.key == slide.key
    np.testing.assert_array_equal(other.tile(0, 0, 0), slide.tile(0, 0, 0))
    np.testing.assert_array_equal(other.read(10, 10, 0, 300, 300), before)


def test_close_frees_the_file_and_reading_opens_it_again(jpeg_slide):
    path = jpeg_slide()
    slide = open_slide(path)
    held = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else None
    slide.close()
    if held is not None:
        assert len(os.listdir("/proc/self/fd")) == held - 1
    assert slide.tile(0, 0, 0).shape == (256, 256, 3)


def test_a_file_changed_behind_our_back_is_noticed(jpeg_slide):
    path = jpeg_slide()
    slide = pickle.loads(pickle.dumps(open_slide(path)))
    os.utime(path, ns=(1, 1))
    with pytest.raises(Exception, match="changed since it was opened"):
        slide.tile(0, 0, 0)
    assert open_slide(path).key != slide.key
