from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from napari_stml.analyses.compare import Compare, CompareParams
from napari_stml.core.analysis import finish, problems
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Categories, Inputs, SectionInputs
from napari_stml.core.results import Labels, Table, Values
from napari_stml.methods.agreement import partitions

N = 200
rng = np.random.default_rng(1)
PARAMS = CompareParams(first="a", second="b")


def inputs(first: Any, second: Any, inside: Any = None) -> Inputs:
    names = np.array([f"s{i}" for i in range(N)], dtype=object)
    mask = np.ones(N, bool) if inside is None else inside
    data = {"first": first, "second": second}
    return Inputs((SectionInputs("A", names, np.zeros((N, 2)), mask, data=data),))


def groups(codes: Any, count: int = 4) -> Categories:
    return Categories(np.asarray(codes, np.int32), tuple(f"g{i}" for i in range(count)))


@pytest.mark.parametrize("seed", range(5))
def test_indices_equal_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.integers(0, 4, N), random.integers(0, 3, N)
    b[: N // 2] = a[: N // 2] % 3
    table = partitions.contingency(a, b)
    assert partitions.adjusted_rand(table) == pytest.approx(adjusted_rand_score(a, b))
    assert partitions.mutual_information(table) == pytest.approx(normalized_mutual_info_score(a, b))


@pytest.mark.parametrize("table", [[[5]], [[5, 0], [0, 5]], [[0, 5], [5, 0]]])
def test_equal_up_to_names_is_one(table: Any) -> None:
    assert partitions.adjusted_rand(np.array(table)) == 1.0
    assert partitions.mutual_information(np.array(table)) == pytest.approx(1.0)


def test_renamed_groups_agree_everywhere() -> None:
    codes = rng.integers(0, 4, N)
    given = inputs(groups(codes), groups((codes + 1) % 4))
    result = finish(Compare().run(given, PARAMS))
    assert problems(result, given) == []
    same = result.part("agreement")
    assert isinstance(same, Labels)
    assert (same.codes == 0).all()
    scores = result.part("agreement scores")
    assert isinstance(scores, Table)
    assert list(scores.columns["value"]) == pytest.approx([1.0, 1.0, 1.0])


def test_outside_the_scope_and_without_a_label_nothing_is_said() -> None:
    codes = rng.integers(0, 4, N)
    missing = codes.copy()
    missing[:10] = -1
    inside = np.arange(N) < 50
    given = inputs(groups(codes), groups(missing), inside)
    result = finish(Compare().run(given, PARAMS))
    assert problems(result, given) == []
    same = result.part("agreement")
    assert isinstance(same, Labels)
    assert (same.codes[:10] == -1).all()
    assert (same.codes[10:50] == 0).all()


def test_numbers_give_their_difference() -> None:
    a = rng.random(N)
    b = np.where(np.arange(N) % 7 == 0, np.nan, 2 * a)
    given = inputs(a, b)
    result = finish(Compare().run(given, PARAMS))
    assert problems(result, given) == []
    difference = result.part("difference")
    assert isinstance(difference, Values)
    np.testing.assert_allclose(difference.values, a - b)
    assert any("Pearson r 1.000" in n for n in result.notes)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (groups(np.zeros(N)), np.zeros(N), "cannot be compared"),
        (np.full(N, np.nan), np.zeros(N), "Only 0 spots"),
        (groups(np.r_[0, np.full(N - 1, -1)]), groups(np.zeros(N)), "Only 1 spots"),
        (groups(np.full(N, -1)), groups(np.zeros(N)), "No spot of the scope"),
    ],
)
def test_what_cannot_be_compared_is_said(first: Any, second: Any, words: str) -> None:
    with pytest.raises(StmlError, match=words):
        finish(Compare().run(inputs(first, second), PARAMS))
