"""Slides of 100,000 x 100,000 px: opened by their metadata, read in constant memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import psutil
import pytest
import tifffile
import zarr

from napari_stml.io.slides import open_slide, pyramid, tile_cache

SIDE = 100_000
CACHE = 32 << 20
VIEW = np.s_[: 8 * 256, : 8 * 256]


@pytest.fixture
def large_tiff(tmp_path, picture, encoded):
    """All tiles are one: every offset points at the same bytes."""
    path = tmp_path / "large.tif"
    tile = encoded(picture(256, 256))
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for step in (1, 4, 16, 64):
            side = -(-SIDE // step)
            n = -(-side // 256)
            tif.write(
                iter([tile] + [b""] * (n * n - 1)),
                shape=(side, side, 3),
                dtype="uint8",
                tile=(256, 256),
                photometric="ycbcr",
                compression="jpeg",
                subfiletype=0 if step == 1 else 1,
                metadata=None,
            )
    with tifffile.TiffFile(path, mode="r+") as tif:
        for page in tif.pages:
            n = len(page.dataoffsets)
            page.tags[324].overwrite([page.dataoffsets[0]] * n)
            page.tags[325].overwrite([len(tile)] * n)
    return path


@pytest.fixture
def large_zarr(tmp_path):
    """Chunks were never written."""
    path = tmp_path / "large.zarr"
    group = zarr.open_group(str(path), mode="w")
    datasets = []
    for i in range(8):
        side = -(-SIDE // 2**i)
        group.create_array(
            f"s{i}", shape=(3, side, side), chunks=(3, 512, 512), dtype="uint8", fill_value=200
        )
        datasets.append({"path": f"s{i}"})
    axes = [{"name": a} for a in "cyx"]
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": datasets}]}
    return path


def windows(slide, n):
    rng = np.random.default_rng(1)
    for level, lv in enumerate(slide.levels):
        for _ in range(n):
            x = int(rng.integers(max(lv.width - 1024, 1)))
            y = int(rng.integers(max(lv.height - 1024, 1)))
            yield level, np.s_[y : y + 1024, x : x + 1024]


@pytest.mark.parametrize("kind", ["large_tiff", "large_zarr"])
def test_opens_by_metadata_and_reads_in_constant_memory(request, kind):
    path = request.getfixturevalue(kind)
    tile_cache().resize(CACHE)
    tracemalloc.start()
    slide = open_slide(path, background=False)
    opened = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert opened < 40e6  # tables of 150,000 tiles, no pixel
    assert (slide.width, slide.height) == (SIDE, SIDE)
    assert max(slide.levels[-1].width, slide.levels[-1].height) <= 1024
    assert len(slide.levels) == 8
    views = pyramid(slide)
    for level, window in windows(slide, 1):
        assert views[level][window].any()
    process = psutil.Process()
    resident = process.memory_info().rss
    for level, window in windows(slide, 6):
        views[level][window]
    assert tile_cache().nbytes <= CACHE
    assert process.memory_info().rss - resident < CACHE + 60e6


def test_a_coarse_view_of_a_slide_without_levels_takes_little_memory(tmp_path, picture, encoded):
    path = tmp_path / "single.tif"
    tile = encoded(picture(256, 256))
    side = 16384
    tifffile.imwrite(
        path,
        iter([tile] * (side // 256) ** 2),
        shape=(side, side, 3),
        dtype="uint8",
        tile=(256, 256),
        photometric="ycbcr",
        compression="jpeg",
    )
    tile_cache().resize(CACHE)
    slide = open_slide(path, background=False)
    coarsest = len(slide.levels) - 1
    slide.read(0, 0, coarsest, 16, 16)
    tile_cache().clear()
    tracemalloc.start()
    got = slide.read(0, 0, coarsest, 256, 256)  # a sixteenth of 800 MB
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got.shape == (256, 256, 3)
    assert peak < 20e6
