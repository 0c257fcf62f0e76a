from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from napari_stml.core.errors import CannotSaveError
from napari_stml.core.geometry import Affine
from napari_stml.io.slides.base import Level, Slide
from napari_stml.io.store import Part, Raster, Store, save_as

UINT8 = np.dtype(np.uint8)


@dataclass(frozen=True)
class Gradient(Slide):
    """A slide of any size without a file; remembers the largest window asked of it."""

    side: int
    uri: str = "memory"
    channels: tuple[str, ...] = ("r", "g", "b")
    rgb: bool = True
    dtype: np.dtype = UINT8
    largest = [0]  # noqa: RUF012

    @property
    def levels(self):
        return (Level(self.side, self.side - 1, 1.0, 1.0, 512, 512),)

    @property
    def key(self):
        return "gradient"

    def tile(self, level, row, col):
        raise NotImplementedError

    def read(self, x, y, level, w, h, *, channel=None):
        self.largest[0] = max(self.largest[0], w * h)
        yy, xx = np.mgrid[y : y + h, x : x + w]
        return np.stack([xx % 251, yy % 241, (xx + yy) % 239], axis=-1).astype(np.uint8)

    def close(self):
        pass


@pytest.fixture
def parts(foreign, regions, clusters):
    return [
        Part("images", "slide", lambda: Gradient(2300), affine=Affine.scaling(2)),
        Part("shapes", "spots", lambda: foreign / "shapes" / "spots"),
        Part("shapes", "outlines", lambda: regions()),
        Part("labels", "cells", lambda: Raster.of_mask(np.ones((700, 600), np.int32))),
        Part("tables", "table", lambda: clusters(), region="spots"),
    ]


def test_a_copy_holds_the_section_and_its_runs(tmp_path, store, parts, publish, read_by_all):
    run_id = publish(store)
    store.set_attr("styling", {"a": 1})
    told = list(save_as(tmp_path / "copy.zarr", parts, kept=store, attributes={"theirs": 3}))
    assert told == [*(p.name for p in parts), f"stml.{run_id}"]
    data = read_by_all(tmp_path / "copy.zarr")
    slide = Gradient(2300)
    levels = [np.asarray(level["image"]) for level in data["slide"].values()]
    assert [level.shape for level in levels] == [
        (3, 2299, 2300), (3, 1149, 1150), (3, 574, 575), (3, 287, 287),
    ]  # fmt: skip
    np.testing.assert_array_equal(levels[0], np.moveaxis(slide.read(0, 0, 0, 2300, 2299), -1, 0))
    quads = levels[0][:, :2298].reshape(3, 1149, 2, 1150, 2).astype(float).mean((2, 4))
    np.testing.assert_allclose(levels[1], quads, atol=0.51)
    assert Gradient.largest[0] <= 2299 * 2300
    assert data.attrs["theirs"] == 3
    with Store.open(tmp_path / "copy.zarr") as copy:
        assert [r.state for r in copy.runs()] == ["saved"]
        assert copy.attr("styling") == {"a": 1}
        assert copy.new_run_id("leiden") == "leiden-2"


def test_the_slide_is_read_in_windows(tmp_path):
    Gradient.largest[0] = 0
    list(save_as(tmp_path / "copy.zarr", [Part("images", "slide", lambda: Gradient(2300))]))
    assert Gradient.largest[0] == 2048 * 2048


def test_images_may_stay_where_they_are(tmp_path, parts, read_by_all):
    references = {"slide": "/slides/12.svs"}
    list(save_as(tmp_path / "copy.zarr", parts[1:], references=references))
    assert not read_by_all(tmp_path / "copy.zarr").images
    with Store.open(tmp_path / "copy.zarr") as copy:
        assert copy.attr("references") == references


def test_a_copy_appears_whole_or_not_at_all(tmp_path, parts):
    def broken():
        raise CannotSaveError("no pixels")

    target = tmp_path / "new" / "copy.zarr"
    with pytest.raises(CannotSaveError, match="no pixels"):
        list(save_as(target, [*parts[1:], Part("labels", "broken", broken)]))
    assert list(target.parent.iterdir()) == []
    steps = save_as(target, parts[1:])
    next(steps)
    assert not target.exists()
    steps.close()
    assert list(target.parent.iterdir()) == []


def test_the_draft_of_a_dead_program_is_cleared_and_of_a_living_one_not(tmp_path, parts):
    dead = tmp_path / ".copy.zarr.saving-1"
    dead.mkdir()
    living = Store.create(tmp_path / ".copy.zarr.saving-2")
    list(save_as(tmp_path / "copy.zarr", parts[1:2]))
    assert not dead.exists()
    assert living.path.exists()


def test_nothing_is_overwritten(tmp_path, foreign, parts, digests):
    before = digests(foreign)
    with pytest.raises(CannotSaveError, match="exists"):
        list(save_as(foreign, parts))
    with pytest.raises(CannotSaveError, match="exists"):
        Store.create(foreign)
    twice = [parts[1], Part("shapes", "Spots", parts[1].load)]
    with pytest.raises(CannotSaveError, match="upper and lower"):
        list(save_as(tmp_path / "copy.zarr", twice))
    assert digests(foreign) == before
