"""Tissue, tiles, features and groups as analyses, on the small picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Affine
from napari_stml.core.results import Matrix, Tiles
from napari_stml.core.scope import Scope

if TYPE_CHECKING:
    from pathlib import Path

TURNED = Affine.translation(40, 900) @ Affine.scaling(0.5) @ Affine.rotation(-90)


def test_tissue_lies_where_it_is(section: Any, run: Any, painted: Any) -> None:
    result = run("tissue", section(), um_per_px=4)
    mask = result.part("tissue")
    assert mask.pixels.shape == (400, 400)
    truth = painted[1][1::2, 1::2]
    assert ((mask.pixels == 1) & truth).sum() / ((mask.pixels == 1) | truth).sum() > 0.96
    assert any("of the spots lie on it" in n for n in result.notes)
    turned = run("tissue", section(affine=TURNED), um_per_px=4).part("tissue")
    np.testing.assert_array_equal(turned.pixels, mask.pixels)
    np.testing.assert_allclose(turned.affine([[200, 200]]), TURNED([[400, 400]]))


def test_tissue_of_an_outline(section: Any, run: Any) -> None:
    left = shapely.to_wkb(shapely.box(0, 0, 400, 800))
    scope = Scope("regions", None, (left,), "1 region")
    mask = run("tissue", section(spots=False, scope=scope), um_per_px=8).part("tissue")
    assert mask.pixels[:, :100].any()
    assert not mask.pixels[:, 101:].any()


def test_a_grid_keeps_to_tissue_and_scope(section: Any, run: Any, painted: Any) -> None:
    result = run("tiles", section(), pixels=50, um_per_px=2.0, least_tissue=70)
    tiles = result.part("tiles")
    assert tiles.side == 50
    for x, y in tiles.xy.astype(int):
        assert painted[1][y : y + 50, x : x + 50].mean() > 0.6
    for name in ("sharpness", "brightness", "pen share", "fold share"):
        assert np.isfinite(tiles.values[name]).all()
    some = np.zeros(121, bool)
    some[:30] = True
    scope = Scope("selection", tuple(f"s{i}" for i in range(30)), title="30 spots")
    fewer = run("tiles", section(inside=some, scope=scope), pixels=50, um_per_px=2.0)
    assert 0 < len(fewer.part("tiles").xy) < len(tiles.xy)


def test_the_mask_of_a_run_is_used(section: Any, run: Any) -> None:
    mask = run("tissue", section(), um_per_px=8).part("tissue")
    mask.pixels[:, :100] = 0
    result = run("tiles", section(tissue=mask), tissue="tissue-1", pixels=50, um_per_px=2.0)
    assert result.part("tiles").xy[:, 0].min() >= 370
    mask.pixels[:] = 0
    with pytest.raises(StmlError, match="No tile has enough tissue"):
        run("tiles", section(tissue=mask), tissue="tissue-1", pixels=50, um_per_px=2.0)


def test_tiles_around_spots_find_their_pixels_again(section: Any, run: Any) -> None:
    where = section(affine=TURNED)
    made = run("tiles", where, around="spots", pixels=64, quality=False)
    tiles = made.part("tiles")
    np.testing.assert_allclose(tiles.xy + tiles.side / 2, where.xy, atol=0.6)
    np.testing.assert_array_equal(tiles.values["observation"], np.arange(121))
    stored = section(affine=TURNED, tiles=tiles, settings=made.part("tile settings"))
    turned = run("features", stored, tiles="tiles-1", surroundings=(1.0,)).part("features")
    straight = run("tiles", section(), around="spots", pixels=64, quality=False)
    stored = section(tiles=straight.part("tiles"), settings=straight.part("tile settings"))
    plain = run("features", stored, tiles="tiles-1", surroundings=(1.0,)).part("features")
    assert isinstance(plain, Matrix)
    np.testing.assert_array_equal(plain.values, turned.values)


def test_tiles_of_another_image_are_refused(section: Any, run: Any) -> None:
    made = run("tiles", section(), pixels=64, quality=False)
    said = made.part("tile settings")
    other = type(said)(said.name, {**said.columns, "value": tuple(
        "another" if q == "slide" else v
        for q, v in zip(said.columns["quantity"], said.columns["value"], strict=True)
    )})  # fmt: skip
    with pytest.raises(StmlError, match="another image"):
        run("features", section(tiles=made.part("tiles"), settings=other), tiles="tiles-1")


def test_features_stay_in_the_scope(section: Any, run: Any) -> None:
    inside = np.zeros(121, bool)
    inside[40:70] = True
    scope = Scope("selection", tuple(f"s{i}" for i in range(40, 70)), title="30 spots")
    some = run("features", section(inside=inside, scope=scope), surroundings=(1.0, 2.0))
    values = some.part("features").values
    assert np.isnan(values[~inside]).all()
    assert np.isfinite(values[inside]).all()
    assert some.part("features").columns[-1].endswith("(x2)")
    assert any("measured, not learned" in n for n in some.notes)
    again = run("features", section(inside=inside, scope=scope), surroundings=(1.0, 2.0))
    np.testing.assert_array_equal(again.part("features").values, values)
    assert any(n.startswith("60 of 60 windows were taken from") for n in again.notes)


def test_features_of_a_grid_are_columns_of_its_tiles(
    section: Any, run: Any, tmp_path: Path
) -> None:
    file = tmp_path / "out.h5"
    made = run("tiles", section(spots=False), pixels=64, um_per_px=2.0, quality=False)
    where = section(spots=False, tiles=made.part("tiles"), settings=made.part("tile settings"))
    done = run("features", where, tiles="tiles-1", surroundings=(1.0,), stain="macenko",
               write=str(file))  # fmt: skip
    part = done.part("features")
    assert isinstance(part, Tiles)
    assert "glass share" in part.values
    np.testing.assert_allclose(part.xy, made.part("tiles").xy)
    read = run("features", section(spots=False, file=file), read=str(file))
    again = read.part("features")
    np.testing.assert_array_equal(again.values["f0000"], part.values["mean red"])
    np.testing.assert_array_equal(again.xy, part.xy)


@pytest.mark.parametrize("method", ["k-means", "leiden"])
def test_groups_by_look_part_the_halves(section: Any, run: Any, method: str) -> None:
    where = section()
    made = run("features", where, surroundings=(1.0,)).part("features")
    stored = section(features=made)
    done = run("morphology-clusters", stored, features="features-1", method=method, clusters=4,
               like="s60")  # fmt: skip
    codes = done.part("look groups").codes
    assert (codes >= 0).all()
    again = run("morphology-clusters", stored, features="features-1", method=method, clusters=4)
    np.testing.assert_array_equal(again.part("look groups").codes, codes)
    likeness = done.part("likeness").values
    assert likeness.argmax() == 60
    assert likeness.max() == pytest.approx(1, abs=1e-5)


def test_places_that_are_not_there(section: Any, run: Any) -> None:
    made = run("features", section(), surroundings=(1.0,)).part("features")
    with pytest.raises(StmlError, match="no place 'nowhere'"):
        run("morphology-clusters", section(features=made), features="f-1", like="nowhere")
    with pytest.raises(StmlError, match="no spots or cells"):
        run("tiles", section(spots=False), around="spots")
    with pytest.raises(StmlError, match="this slide has 2"):
        run("tiles", section(), um_per_px=0.5)


def test_a_missing_folder_is_told_before_computing(section: Any, run: Any, tmp_path: Path) -> None:
    with pytest.raises(StmlError, match="no such folder"):
        run("features", section(), write=str(tmp_path / "no" / "out.h5"))


def test_an_unknown_encoder_is_refused(section: Any, run: Any) -> None:
    with pytest.raises(StmlError, match="There is no encoder 'nonsense'"):
        run("features", section(), encoder="nonsense")


def test_channels_of_the_tiles_are_those_of_the_features(section: Any, run: Any) -> None:
    """Fluorescence: what was chosen for the tiles is encoded, and a note says what it is worth."""
    from napari_stml.io.contents import PlacedSlide
    from napari_stml.io.slides.array import ArraySlide

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 900, (800, 800, 3), dtype=np.uint16)
    pixels[200:600, 200:600] += 3000
    slide = ArraySlide(pixels, channels=("DAPI", "CK", "CD3"))
    scale = section().um_per_px

    def where(**data: Any) -> Any:
        return section(spots=False, **{"pixels": PlacedSlide(slide), **data})

    made = run("tiles", where(), pixels=50, um_per_px=scale.mean, channels=("CK",), least_tissue=0)
    assert any("encoders and stain values made for H&E mean little" in n for n in made.notes)
    stored = where(tiles=made.part("tiles"), settings=made.part("tile settings"))
    done = run("features", stored, tiles="tiles-1", surroundings=(1.0,))
    assert any("the channels CK were laid" in n for n in done.notes)
    values = done.part("features").values
    np.testing.assert_allclose(values["mean red"], values["mean green"], atol=1e-6)
    other = run("features", stored, tiles="tiles-1", surroundings=(1.0,),
                channels=("DAPI", "CK")).part("features")  # fmt: skip
    assert not np.allclose(other.values["mean red"], other.values["mean blue"])
    with pytest.raises(StmlError, match="no channel 'FITC'"):
        run("features", stored, tiles="tiles-1", channels=("FITC",))
    with pytest.raises(StmlError, match="no stain"):
        run("stain-views", where())
