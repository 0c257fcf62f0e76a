from __future__ import annotations

import functools
import http.server
import pickle
import threading

import numpy as np
import pytest
import zarr

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.slides import open_slide


def write(
    path, levels, axes, *, zarr_format=3, unit=None, step=1.0, names=(), label=False, **extra
):
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    for i, data in enumerate(levels):
        chunks = tuple(256 if a in "yx" else min(extra.get("c", 3), n) if a == "c" else 1
                       for a, n in zip(axes, data.shape, strict=True))  # fmt: skip
        group.create_array(f"s{i}", data=data, chunks=chunks)
    described = [{"name": a, "type": "space" if a in "zyx" else "channel"} for a in axes]
    for axis in described:
        if unit and axis["name"] in "yx":
            axis["unit"] = unit
    datasets = [
        {
            "path": f"s{i}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [step * 2**i if a in "yx" else 1.0 for a in axes]}
            ],
        }
        for i in range(len(levels))
    ]
    ome = {"multiscales": [{"axes": described, "datasets": datasets, "name": "x"}]}
    if names:
        ome["omero"] = {"channels": [{"label": n} for n in names]}
    if label:
        ome["image-label"] = {}
    if zarr_format == 3:
        group.attrs["ome"] = {"version": "0.5", **ome}
    else:
        group.attrs.update(ome)
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_colour(tmp_path, picture, zarr_format):
    pixels = picture(700, 500)
    cyx = np.moveaxis(pixels, -1, 0)
    path = write(
        tmp_path / "i.zarr", [cyx, cyx[:, ::2, ::2]], "cyx",
        zarr_format=zarr_format, unit="micrometer", step=0.25,
    )  # fmt: skip
    slide = open_slide(path)
    assert slide.rgb
    assert slide.um_per_px == UmPerPx(0.25, 0.25, ScaleSource.READER)
    assert [lv.downsample_x for lv in slide.levels] == [1, 2]
    np.testing.assert_array_equal(slide.read(100, 50, 0, 500, 400), pixels[50:450, 100:600])
    np.testing.assert_array_equal(slide.read(0, 0, 1, 350, 250), pixels[::2, ::2])
    other = pickle.loads(pickle.dumps(slide))
    slide.close()
    np.testing.assert_array_equal(other.tile(0, 1, 2), pixels[256:, 512:])
    assert (slide.read(690, 490, 0, 20, 20)[10:] == 255).all()


def test_of_time_and_depth_the_first(tmp_path, picture):
    pixels = picture(300, 280, 4, "uint16")
    data = np.zeros((2, 4, 3, 280, 300), "uint16")
    data[0, :, 0] = np.moveaxis(pixels, -1, 0)
    data[1] = 9
    path = write(tmp_path / "t.zarr", [data], "tczyx", names=["DAPI", "CD3", "CD8", "CK"], c=1)
    slide = open_slide(path)
    assert slide.channels == ("DAPI", "CD3", "CD8", "CK")
    assert slide.planes == 4
    np.testing.assert_array_equal(slide.read(0, 0, 0, 300, 280), pixels)
    np.testing.assert_array_equal(slide.read(9, 8, 0, 30, 28, channel=2), pixels[8:36, 9:39, 2:3])


def test_three_named_channels_are_no_colours(tmp_path, picture):
    cyx = np.moveaxis(picture(300, 300), -1, 0)
    assert not open_slide(write(tmp_path / "a.zarr", [cyx], "cyx", names=["DAPI", "a", "b"])).rgb
    assert open_slide(write(tmp_path / "b.zarr", [cyx], "cyx", names=["r", "g", "b"])).rgb
    assert open_slide(write(tmp_path / "c.zarr", [cyx], "cyx", names=["0", "1", "2"])).rgb


def test_labels_pick_and_never_average(tmp_path):
    ids = np.kron(np.arange(100, dtype="int32").reshape(10, 10) * 7, np.ones((300, 300), "int32"))
    slide = open_slide(write(tmp_path / "l.zarr", [ids], "yx", label=True))
    assert slide.mask
    lv = slide.levels[-1]
    got = slide.read(0, 0, len(slide.levels) - 1, lv.width, lv.height)[:, :, 0]
    np.testing.assert_array_equal(got, ids[:: int(lv.downsample_y), :: int(lv.downsample_x)])


def test_a_spatialdata_store_lets_choose(tmp_path, picture):
    cyx = np.moveaxis(picture(300, 300), -1, 0)
    root = tmp_path / "s.zarr"
    zarr.open_group(str(root), mode="w")
    zarr.open_group(str(root / "images"), mode="w")
    write(root / "images" / "hires", [cyx], "cyx")
    assert open_slide(root).uri == str(root)
    write(root / "images" / "lowres", [cyx[:, ::4, ::4]], "cyx")
    with pytest.raises(CannotOpenError, match="images/hires, images/lowres"):
        open_slide(root)
    assert open_slide(root, series="lowres").width == 75
    assert open_slide(root / "images" / "lowres").width == 75


def test_pixels_of_spatialdata_as_it_writes_them(tmp_path, picture):
    spatialdata = pytest.importorskip("spatialdata")
    cyx = np.moveaxis(picture(900, 700), -1, 0)
    image = spatialdata.models.Image2DModel.parse(cyx, dims="cyx", scale_factors=[2])
    spatialdata.SpatialData(images={"he": image}).write(tmp_path / "sd.zarr")
    slide = open_slide(tmp_path / "sd.zarr" / "images" / "he")
    assert slide.rgb
    assert slide.um_per_px is None
    np.testing.assert_array_equal(np.moveaxis(slide.read(0, 0, 0, 900, 700), -1, 0), cyx)


def test_over_http(tmp_path, picture):
    cyx = np.moveaxis(picture(700, 500), -1, 0)
    write(tmp_path / "web" / "i.zarr", [cyx], "cyx")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "web"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        slide = open_slide(f"http://127.0.0.1:{server.server_port}/i.zarr")
        got = slide.read(250, 250, 0, 100, 100)
        np.testing.assert_array_equal(np.moveaxis(got, -1, 0), cyx[:, 250:350, 250:350])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
