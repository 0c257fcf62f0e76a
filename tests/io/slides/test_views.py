from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_stml.io.slides import LevelView, open_slide, pyramid, tile_cache
from napari_stml.io.slides.tiff import TiffSlide


@pytest.fixture
def counted(monkeypatch):
    """Record (stored level, row, col) of every tile that is decoded."""
    seen = []
    original = TiffSlide._decode

    def decode(self, stored, row, col, plane, empty):
        seen.append((stored, row, col))
        return original(self, stored, row, col, plane, empty)

    monkeypatch.setattr(TiffSlide, "_decode", decode)
    return seen


KEYS = [
    np.s_[:],
    np.s_[5],
    np.s_[-1, 3],
    np.s_[10:300:7, 200:600],
    np.s_[..., 1],
    np.s_[300:200, 5:9],
    np.s_[4, 5, 2],
    np.s_[-50:, -20:],
    np.s_[0:9999, 690:9999, 0:2],
    np.s_[np.int64(3), ...],
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexes_like_numpy(jpeg_slide, key):
    slide = open_slide(jpeg_slide(700, 500, (1,)))
    whole = slide.read(0, 0, 0, 700, 500)
    view = LevelView(slide, 0)
    np.testing.assert_array_equal(view[key], whole[key])
    assert view[key].shape == whole[key].shape


@pytest.mark.parametrize("key", [700, (0, 0, 0, 0), np.s_[::-1], "a", 1.5])
def test_refuses_what_it_cannot(jpeg_slide, key):
    with pytest.raises((IndexError, TypeError)):
        LevelView(open_slide(jpeg_slide(700, 500, (1,))), 0)[key]


def test_one_channel_has_two_axes(jpeg_slide):
    slide = open_slide(jpeg_slide(700, 500, (1,)))
    view = LevelView(slide, 0, channel=2)
    assert view.shape == (500, 700)
    assert view.ndim == 2
    np.testing.assert_array_equal(view[:40, 3], slide.read(3, 0, 0, 1, 40)[:, 0, 2])
    np.testing.assert_array_equal(np.asarray(view), slide.read(0, 0, 0, 700, 500)[:, :, 2])


def test_reads_only_the_window(jpeg_slide, counted):
    slide = open_slide(jpeg_slide(2048, 2048, (1, 4)))
    pyramid(slide)[0][300:500, 600:700]
    assert counted == [(0, 1, 2)]
    pyramid(slide)[0][300:520, 600:700]
    assert sorted(counted) == [(0, 1, 2), (0, 2, 2)]


def test_many_threads_on_a_small_cache(jpeg_slide):
    slide = open_slide(jpeg_slide(2048, 1024, (1, 4)))
    whole = [np.asarray(v).copy() for v in pyramid(slide)]
    tile_cache().clear()
    tile_cache().resize(10 * 256 * 256 * 3)
    wrong = []

    def look(seed):
        rng = np.random.default_rng(seed)
        for _ in range(25):
            level = int(rng.integers(len(whole)))
            h, w = whole[level].shape[:2]
            y, x = int(rng.integers(h)), int(rng.integers(w))
            key = np.s_[y : y + 700, x : x + 700]
            if not np.array_equal(pyramid(slide)[level][key], whole[level][key]):
                wrong.append((level, key))

    threads = [threading.Thread(target=look, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_napari_reads_only_what_is_visible(jpeg_slide, counted):
    image = pytest.importorskip("napari.layers").Image
    slide = open_slide(jpeg_slide(4096, 4096, (1, 2, 4), name="n.tif"))
    layer = image(pyramid(slide), multiscale=True, rgb=True)
    assert layer.rgb
    assert layer.multiscale
    first = {stored for stored, _, _ in counted}
    assert first == {2}  # the coarsest level only
    counted.clear()
    for corner, size, level in (((1000, 1500), 500, 0), ((0, 0), 1900, 1)):
        counted.clear()
        tile_cache().clear()
        layer._update_draw(
            scale_factor=size / 800,
            corner_pixels_displayed=np.array([corner, np.array(corner) + size], float),
            shape_threshold=(800, 800),
        )
        assert layer.data_level == level
        assert {stored for stored, _, _ in counted} == {level}
        across = size / 2**level / 256
        assert len(counted) == len(set(counted)) <= (across + 2) ** 2


def test_a_damaged_tile_does_not_hide_the_rest(jpeg_slide, caplog):
    path = jpeg_slide(700, 500, (1,))
    whole = np.asarray(LevelView(open_slide(path), 0)).copy()
    slide = open_slide(path)
    offset = int(slide._opened[1][0].planes[0].offsets[1])
    data = bytearray(path.read_bytes())
    data[offset : offset + 60] = bytes(60)
    path.write_bytes(data)
    got = LevelView(open_slide(path), 0)[:]
    assert (got[:256, 256:512] == 128).all()
    np.testing.assert_array_equal(got[:, :256], whole[:, :256])
    np.testing.assert_array_equal(got[256:], whole[256:])
    assert "row 0, column 1" in caplog.text
