"""A linear start that networks correct."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")

from napari_stml.methods.expression_models.fitting import TrainingPlan, Watched, fit
from napari_stml.methods.expression_models.recipe import Recipe, learner_of
from napari_stml.methods.expression_models.samples import Slide
from napari_stml.methods.expression_models.scores import pearson
from napari_stml.methods.expression_models.start import Places, fit_start, read_start


@pytest.fixture
def square():
    rng = np.random.default_rng(0)
    xy = np.stack(np.meshgrid(np.arange(24.0), np.arange(24.0)), axis=-1).reshape(-1, 2)
    features = rng.normal(size=(len(xy), 5)).astype(np.float32)
    return Slide("here", xy, features), rng


def parts(slide):
    """Training and stopping spots, and inner folds."""
    block = (slide.xy // 5).astype(int)
    fold = (block[:, 0] + 2 * block[:, 1]) % 5
    return fold != 4, fold == 4, fold


def test_places_join_where_expression_follows_them_and_nowhere_else(square) -> None:
    slide, rng = square
    train, stop, fold = parts(slide)
    told = slide.features @ rng.normal(size=(5, 3)).astype(np.float32)
    smooth = np.sin(slide.xy[:, [0]] / 6) * 3
    for extra, joins in ((smooth, True), (0 * smooth, False)):
        y = np.asarray(told + extra + rng.normal(size=told.shape), dtype=np.float32)
        found = fit_start("ridge", [slide], [y], [train], [stop], [fold])
        assert (found.start.places is not None) == joins
    elsewhere = Slide("there", slide.xy, slide.features)
    placed = fit_start("ridge", [slide], [np.float32(told + smooth)], [train], [stop], [fold]).start
    moved = Slide("there", slide.xy + 7, slide.features)
    np.testing.assert_array_equal(placed(elsewhere), placed(moved))
    assert np.abs(placed(slide) - placed(elsewhere)).max() > 1
    assert placed.elsewhere is not None
    np.testing.assert_array_equal(placed(elsewhere), placed.elsewhere(slide.features))


def test_several_sections_learn_no_places(square) -> None:
    slide, rng = square
    other = Slide("other", slide.xy, rng.normal(size=slide.features.shape).astype(np.float32))
    y = [np.float32(np.sin(s.xy[:, [0]] / 6) * 3) for s in (slide, other)]
    every, none = np.ones(len(slide), dtype=bool), np.zeros(len(slide), dtype=bool)
    folds = [np.full(len(slide), i) for i in range(2)]
    found = fit_start("ridge", [slide, other], y, [every] * 2, [none] * 2, folds)
    assert found.start.places is None
    left_out = fit_start("ridge", [slide, other], y, [every, none], [none] * 2, folds)
    assert left_out.start.places is None


def test_what_the_network_is_shown_is_no_better_than_on_unseen_spots(square) -> None:
    slide, rng = square
    train, stop, fold = parts(slide)
    noise = rng.normal(size=(len(slide), 30)).astype(np.float32)
    wide = Slide("here", slide.xy, rng.normal(size=(len(slide), 200)).astype(np.float32))
    found = fit_start("ridge", [wide], [noise], [train], [stop], [fold])
    assert abs(pearson(found.base[0][train], noise[train]).mean()) < 0.08


def test_a_start_is_read_back(square) -> None:
    slide, rng = square
    train, stop, fold = parts(slide)
    y = np.float32(np.sin(slide.xy[:, [0]] / 6) + rng.normal(size=(len(slide), 4)) * 0.1)
    start = fit_start("reduced rank", [slide], [y], [train], [stop], [fold]).start
    tensors = dict(start.tensors())
    again = read_start(start.said(), tensors, "here")
    assert again is not None
    assert not tensors
    np.testing.assert_array_equal(again(slide), start(slide))
    other = Slide("other", slide.xy, slide.features)
    np.testing.assert_array_equal(again(other), start(other))
    assert read_start({}, {}, "here") is None


@pytest.mark.parametrize("helps", [False, True])
def test_a_correction_that_spoils_its_start_is_left_out(square, helps: bool) -> None:
    slide, rng = square
    train, stop, _ = parts(slide)
    hidden = np.float32(np.abs(slide.features[:, :1]) * 3 * np.ones((1, 6)))
    y = hidden if helps else rng.normal(size=hidden.shape).astype(np.float32)
    base = [np.float32(0.01 * rng.normal(size=y.shape)) if helps else 0.9 * y]
    sizes = {"network": "attention mil", "genes": 6, "features": 5, "width": 32}
    recipe = Recipe(sizes, plan=TrainingPlan(12, 5e-3, patience=3), neighbours=0)
    learner = learner_of(recipe, [slide], [y], [train], base=base)
    first = learner.predict([slide])[0]
    np.testing.assert_array_equal(first, np.zeros_like(first))
    if not helps:  # it is told the wrong way about what is left
        learner.wanted = -learner.wanted
    watched = Watched([slide], [y], [stop], base)
    steps = fit(learner, recipe.plan, watched)
    history = []
    while True:
        try:
            history.append(next(steps))
        except StopIteration as end:
            state = end.value
            break
    found = learner.predict([slide])[0]
    if helps:
        assert state.best_epoch >= 0
        assert pearson((found + base[0])[stop], y[stop]).mean() >= watched.floor()
        assert np.abs(found).max() > 0
    else:
        assert state.best_epoch == -1
        assert len(history) == recipe.plan.patience
        np.testing.assert_array_equal(found, np.zeros_like(found))


def test_places_lie_over_the_section(square) -> None:
    slide, _ = square
    places = Places.over(slide, np.ones(len(slide), dtype=bool), reach=8)
    assert places.centres.min() == 0
    assert places.centres.max() >= 23
    np.testing.assert_allclose(places(slide).mean(axis=0), 0, atol=1e-5)
