from __future__ import annotations

import numpy as np
import pytest

from napari_stml.slide.tissue import PEN, TissueRules, closed, find_tissue, otsu

UM = 2.0


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_otsu_parts_two_heaps() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.1, 0.02, 900), rng.normal(0.6, 0.05, 100)])
    assert 0.15 < otsu(values.clip(0, 1)) < 0.5


def test_tissue_and_its_fat_are_found(painted: tuple[np.ndarray, np.ndarray]) -> None:
    picture, truth = painted
    found = find_tissue(picture, UM)
    assert not found.everything
    assert iou(found.tissue, truth) > 0.97
    without = find_tissue(picture, UM, TissueRules(pale=False))
    assert iou(without.tissue, truth) < 0.9, "the fat is what the rule for pale tissue adds"


def test_a_slide_without_glass_is_taken_whole(painted: tuple[np.ndarray, np.ndarray]) -> None:
    picture, _ = painted
    found = find_tissue(picture[250:450, 250:550], UM)
    assert found.everything
    assert found.tissue.all()
    assert any("everything is taken" in note for note in found.notes)
    padded = np.zeros((600, 700, 3), np.uint8)
    padded[200:400, 200:500] = picture[250:450, 250:550]
    found = find_tissue(padded, UM)
    assert found.everything
    assert found.tissue[205:395, 205:495].all()
    assert not found.tissue[:190].any()
    assert any("all outside the padding" in note for note in found.notes)


def test_empty_glass_has_no_tissue() -> None:
    glass = np.random.default_rng(0).normal(242, 2, (200, 200, 3)).clip(0, 255).astype(np.uint8)
    found = find_tissue(glass, 8.0)
    assert not found.tissue.any()
    assert any("nothing stained" in note for note in found.notes)


def test_black_padding_is_no_tissue(painted: tuple[np.ndarray, np.ndarray]) -> None:
    picture, truth = painted
    padded = np.zeros((1000, 1000, 3), np.uint8)
    padded[100:900, 100:900] = picture
    found = find_tissue(padded, UM)
    assert iou(found.tissue[100:900, 100:900], truth) > 0.97
    assert not found.tissue[:90].any()
    assert not found.tissue[:, 910:].any()
    assert not find_tissue(np.zeros((50, 50, 3), np.uint8), UM).tissue.any()


@pytest.mark.parametrize("ink", [(30, 140, 60), (20, 60, 190), (20, 20, 22)])
def test_pen_marks_are_left_out(
    painted: tuple[np.ndarray, np.ndarray], ink: tuple[int, int, int]
) -> None:
    picture, truth = painted
    marked = picture.copy()
    marked[40:150, 60:300] = ink
    found = find_tissue(marked, UM)
    assert (found.classes[60:130, 80:280] == PEN).all()
    assert iou(found.tissue, truth) > 0.96
    kept = find_tissue(marked, UM, TissueRules(pen=False))
    assert not (kept.classes == PEN).any()


def test_dust_goes_and_small_holes_are_filled(painted: tuple[np.ndarray, np.ndarray]) -> None:
    picture, _ = painted
    dirty = picture.copy()
    dirty[20:50, 20:50] = (200, 100, 150)
    dirty[300:330, 380:410] = (243, 241, 245)
    found = find_tissue(dirty, UM)
    assert not found.tissue[15:55, 15:55].any()
    assert found.tissue[300:330, 380:410].all()
    kept = find_tissue(dirty, UM, TissueRules(smallest_mm2=0.001, hole_mm2=0.0001, pale=False))
    assert kept.tissue[25:45, 25:45].all()
    assert not kept.tissue[312:318, 392:398].any()


def test_closing_does_not_stick_to_the_border() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5:35, 5:10] = mask[5:35, 14:20] = True
    assert closed(mask, 3)[10:30, 10:14].all()
    assert not closed(mask, 8)[:, :2].any()
