from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.slide.brightfield import Look
from napari_stml.slide.embedding import Embedded, Work, embed
from napari_stml.slide.encoders.basic import BasicEncoder, names
from napari_stml.slide.feature_file import read_features, write_features
from napari_stml.slide.feature_store import FeatureStore, signature, tidy
from napari_stml.slide.grid import Canvas, grid_over

if TYPE_CHECKING:
    from pathlib import Path

SCALE = UmPerPx.square(2.0, ScaleSource.USER)


class Mean:
    """The mean colour; counts what it is asked to encode."""

    columns = ("red", "green", "blue")
    identity = "mean 1"

    def __init__(self, stop_after: int = 10**9) -> None:
        self.tiles = 0
        self.stop_after = stop_after

    def __call__(self, tiles: np.ndarray) -> np.ndarray:
        if self.tiles >= self.stop_after:
            raise KeyboardInterrupt
        self.tiles += len(tiles)
        return tiles.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)


def all_of(work: Work, encode: Any) -> Embedded:
    steps = embed(work, encode)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def work(slide: Any, **more: Any) -> Work:
    return Work(slide, grid_over(Canvas(800, 800, SCALE), 40, 2.0), Look(), batch=32, **more)


def test_features_follow_the_grid_not_the_reading_order(slide: Any, painted: Any) -> None:
    w = work(slide)
    found = all_of(w, Mean())
    for (x, y), row in zip(w.grid.xy, found.features, strict=True):
        expected = painted[0][y : y + 40, x : x + 40].mean(axis=(0, 1))
        np.testing.assert_allclose(row, expected, rtol=1e-5)
    assert found.computed == len(w.grid) == 400


def test_a_stopped_run_goes_on_where_it_was(slide: Any, tmp_path: Path) -> None:
    whole = all_of(work(slide, cache=tmp_path / "a"), Mean())
    with pytest.raises(KeyboardInterrupt):
        all_of(work(slide, cache=tmp_path / "b"), Mean(stop_after=160))
    later = Mean()
    resumed = all_of(work(slide, cache=tmp_path / "b"), later)
    assert later.tiles == 400 - 160
    np.testing.assert_array_equal(resumed.features, whole.features)
    again = Mean()
    assert all_of(work(slide, cache=tmp_path / "b"), again).computed == 0
    assert again.tiles == 0


KILLED = """
import os, signal, sys
import numpy as np
sys.path[:0] = {path!r}
from napari_stml.slide.feature_store import FeatureStore
from pathlib import Path
store = FeatureStore.open("k", 100, 4, 10, Path({folder!r}))
for n in range(7):
    if n == 6:
        store.features[60:64] = 9
        os.kill(os.getpid(), signal.SIGKILL)
    store.put(n, np.arange(10 * n, 10 * n + 10), np.full((10, 4), n, np.float32))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_what_was_flagged_survives_a_kill(tmp_path: Path) -> None:
    code = KILLED.format(path=sys.path, folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    store = FeatureStore.open("k", 100, 4, 10, tmp_path)
    assert store.finished == frozenset(range(6))
    for n in range(6):
        assert (store.features[10 * n : 10 * n + 10] == n).all()


def test_a_stale_or_broken_store_is_not_read(tmp_path: Path) -> None:
    store = FeatureStore.open("k", 20, 2, 10, tmp_path)
    store.put(0, np.arange(10), np.ones((10, 2), np.float32))
    del store
    assert FeatureStore.open("k", 20, 2, 10, tmp_path).finished == {0}
    assert FeatureStore.open("k", 20, 2, 5, tmp_path).finished == frozenset()
    (tmp_path / "k" / "features.f32").write_bytes(b"1234")
    assert FeatureStore.open("k", 20, 2, 5, tmp_path).finished == frozenset()


def test_the_signature_follows_everything_that_matters(slide: Any) -> None:
    grid = work(slide).grid
    first = signature(slide.key, grid, encoder="a")
    assert signature(slide.key, grid, encoder="a") == first
    assert signature("other", grid, encoder="a") != first
    assert signature(slide.key, grid.only(np.arange(9)), encoder="a") != first
    assert signature(slide.key, grid, encoder="b") != first


def test_old_features_go_first(tmp_path: Path) -> None:
    import os

    for i in range(3):
        FeatureStore.open(f"k{i}", 100, 10, 10, tmp_path)
        os.utime(tmp_path / f"k{i}", (1000 + i, 1000 + i))
    tidy(tmp_path, most_bytes=9000)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["k1", "k2"]


def test_basic_features_are_named_finite_and_equal_in_any_batch(painted: Any) -> None:
    picture, _ = painted
    tiles = np.stack([picture[y : y + 100, x : x + 100] for y, x in
                      [(0, 0), (300, 300), (300, 450), (600, 400)]])  # fmt: skip
    odd = [np.full((100, 100, 3), v, np.uint8) for v in (0, 127, 255)]
    tiles = np.concatenate([tiles, odd])
    encode = BasicEncoder(1.0)
    rows = encode(tiles)
    assert rows.shape == (7, len(names()))
    assert len(set(names())) == len(names())
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    np.testing.assert_array_equal(rows[2:5], encode(tiles[2:5]))
    value = dict(zip(names(), rows.T, strict=True))
    assert value["glass share"][0] > 0.95 > 0.2 > value["glass share"][1]
    share, count = value["nuclear area share"], value["nuclei per 10000 um2"]
    assert share[2] > 1.2 * share[1], "the right half has more nuclei"
    assert min(count[1], count[2]) > 0 == count[0]
    assert np.isfinite(BasicEncoder(8.0)(tiles)).all()
    assert np.isfinite(encode(tiles[:, :16, :16])).all()


def test_feature_files_travel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coords = rng.integers(0, 9000, (12, 2))
    features = rng.normal(size=(12, 5)).astype(np.float32)
    path = tmp_path / "f.h5"
    write_features(path, coords, features, side=448, encoder="uni", um_per_px=0.5, pixels=224)
    back = read_features(path)
    np.testing.assert_array_equal(back.coords, coords)
    np.testing.assert_array_equal(back.features, features)
    assert (back.side, back.encoder) == (448, "uni")
    assert [p.name for p in tmp_path.glob("f*")] == ["f.h5"]


@pytest.mark.parametrize("how", ["text", "truncated", "no coords", "lengths", "nan", "tokens"])
def test_broken_feature_files_are_refused(tmp_path: Path, how: str) -> None:
    path = tmp_path / "f.h5"
    coords, features = np.zeros((4, 2)), np.ones((4, 3), np.float32)
    if how == "nan":
        features[1, 1] = np.nan
    with h5py.File(path, "w") as file:
        file["features"] = np.ones((4, 7, 3)) if how == "tokens" else features
        if how != "no coords":
            file["coords"] = coords[:3] if how == "lengths" else coords
    if how == "text":
        path.write_text("coords", encoding="ascii")
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:600])
    said = {"nan": "1 of 4 tiles", "tokens": "not all patch tokens"}.get(how, ".")
    with pytest.raises(CannotOpenError, match=said):
        read_features(path)
