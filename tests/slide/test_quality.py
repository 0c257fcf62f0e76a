"""Masks that follow sliders and the brush; tiles whose thresholds move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_stml.analyses import load_all
from napari_stml.core.brush import strokes
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Inputs


def opened(name: str, result: Any, section: Any, **params: Any) -> tuple[Any, Any]:
    from napari_stml.core.analysis import live_of

    analysis = load_all()[name]()
    live = live_of(analysis, result, Inputs((section,)), analysis.Params(**params))
    return live, analysis.LiveParams


def test_the_mask_follows_its_rules(section: Any, run: Any) -> None:
    done = run("tissue", section(), um_per_px=8)
    live, position = opened("tissue", done, section(), um_per_px=8)
    again = live.update(position(), None).part("tissue")
    np.testing.assert_array_equal(again.pixels, done.part("tissue").pixels)
    none = live.update(position(smallest=2.0), None).part("tissue")
    assert none.pixels.sum() == 0, "the whole section is smaller than the smallest piece"
    assert "mm2" in live.readout(position())["tissue"]


def test_a_painted_mask_is_a_run_of_its_own_and_used_by_tiles(section: Any, run: Any) -> None:
    mask = run("tissue", section(), um_per_px=8).part("tissue")
    after = mask.pixels.copy()
    after[:, :100] = 0
    changes = strokes(mask.pixels, after)
    done = run("tissue-correction", section(tissue=mask), tissue="tissue-1", changes=changes)
    corrected = done.part("tissue")
    np.testing.assert_array_equal(corrected.pixels, after)
    assert corrected.affine == mask.affine
    assert any("taken away" in n for n in done.notes)
    tiles = run("tiles", section(tissue=corrected), tissue="tissue-correction-1", pixels=50,
                um_per_px=2.0, quality=False).part("tiles")  # fmt: skip
    assert tiles.xy[:, 0].min() >= 370
    after[0, 0] = 7
    with pytest.raises(StmlError, match="class 7"):
        run("tissue-correction", section(tissue=mask), tissue="tissue-1",
            changes=strokes(mask.pixels, after))  # fmt: skip


@pytest.fixture
def tiled(section: Any, run: Any) -> Any:
    return run("tiles", section(), pixels=50, um_per_px=2.0, least_tissue=20)


def test_thresholds_name_the_reason_and_count(section: Any, tiled: Any) -> None:
    tiles = tiled.part("tiles")
    assert tiles.colour_by == "quality"
    assert any("usual thresholds" in n for n in tiled.notes)
    live, position = opened("tiles", tiled, section())
    everything = position(least_tissue=0, sharpness=0, most_pen=100, most_fold=100,
                          most_outside=100)  # fmt: skip
    verdict = live.update(everything, None).part("tiles").values["kept"]
    assert set(verdict) == {"kept"}
    strict = live.update(position(least_tissue=99), None).part("tiles").values["kept"]
    little = tiles.values["tissue share"] < 0.99
    assert (strict[little] == "little tissue").all()
    assert live.readout(position(least_tissue=99))["little tissue"] == str(int(little.sum()))
    sharp = live.update(position(least_tissue=0, sharpness=1.0), None).part("tiles")
    assert 0 < (sharp.values["kept"] == "blurred").sum() < len(tiles.xy)


def test_features_leave_out_what_was_not_kept(section: Any, run: Any, tiled: Any) -> None:
    live, position = opened("tiles", tiled, section())
    kept = live.update(position(least_tissue=90), None)
    tiles, settings = kept.part("tiles"), kept.part("tile settings")
    count = int((tiles.values["kept"] == "kept").sum())
    assert 0 < count < len(tiles.xy)
    where = section(tiles=tiles, settings=settings)
    made = run("features", where, tiles="tiles-2", surroundings=(1.0,)).part("features")
    assert len(made.xy) == count
    nothing = live.update(position(least_tissue=100, most_outside=0, sharpness=1), None)
    tiles = nothing.part("tiles")
    tiles.values["kept"][:] = "blurred"
    with pytest.raises(StmlError, match="All tiles are left out"):
        run("features", section(tiles=tiles, settings=settings), tiles="tiles-2")


def test_a_click_shows_tissue_like_this(section: Any, run: Any) -> None:
    where = section()
    made = run("features", where, surroundings=(1.0,)).part("features")
    stored = section(features=made)
    done = run("morphology-clusters", stored, features="features-1", clusters=3, like="s60")
    live, position = opened("morphology-clusters", done, stored, features="features-1")
    assert live.update(position(), None).part("look groups") is done.part("look groups")
    at = position(place=tuple(where.xy[60] + 3))
    likeness = live.update(at, None).part("likeness")
    np.testing.assert_allclose(likeness.values, done.part("likeness").values, atol=1e-6)
    assert live.readout(at)["like"] == "s60"
    few = live.update(position(place=tuple(where.xy[60]), closest=10), None).part("likeness")
    assert 10 <= np.isfinite(few.values).sum() <= 14
    assert np.isfinite(few.values[60])
    with pytest.raises(StmlError, match="no features at this place"):
        live.update(position(place=(-900.0, -900.0)), None)


def test_tissue_like_a_region(section: Any, run: Any) -> None:
    import shapely

    from napari_stml.core.inputs import Region

    where = section()
    made = run("features", where, surroundings=(1.0,)).part("features")
    box = shapely.to_wkb(shapely.box(430, 330, 620, 480))
    stored = section(features=made, outlines=(Region(box, "tumour", "a"),))
    done = run("morphology-clusters", stored, features="features-1", like_region="tumour")
    likeness = done.part("likeness").values
    inside = shapely.intersects_xy(shapely.from_wkb(box), *where.xy.T)
    assert likeness[inside].mean() > likeness[~inside].mean() + 0.2
    empty = (Region(shapely.to_wkb(shapely.box(-9, -9, -8, -8)), "tumour", "a"),)
    with pytest.raises(StmlError, match="No place with features"):
        run("morphology-clusters", section(features=made, outlines=empty),
            features="features-1", like_region="tumour")  # fmt: skip
