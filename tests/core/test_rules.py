from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_stml.core.rules import RuleError, parse

VALUES = {
    "A": np.array([0.0, 1.0, 3.0, np.nan, 5.0]),
    "HLA-DRA": np.array([1, 2, 3, 4, 5]),
    "domain": pd.Series(pd.Categorical.from_codes([0, 1, 1, 0, -1], ["tumour", "invasive cancer"])),
    "word or": np.array([1.0, 1.0, 0.0, 0.0, 0.0]),
    "flag": pd.Series([True, False, True, False, True]),
    "note": pd.Series(["x", None, "x", "y", "y"], dtype=object),
}


def where(text: str) -> list[int]:
    rule = parse(text)
    return np.flatnonzero(rule.mask({n: VALUES[n] for n in rule.names})).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A > 2", [2, 4]),
        ("A >= 3 and HLA-DRA < 4", [2]),
        ("A>2 or A=0", [0, 2, 4]),
        ("A > 2 and domain = tumour", []),
        ('A > 2 and domain = "invasive cancer"', [2]),
        ("domain != tumour", [1, 2]),
        ("domain in (tumour, 'invasive cancer')", [0, 1, 2, 3]),
        ("HLA-DRA in (1, 5)", [0, 4]),
        ("'word or' = 1", [0, 1]),
        ("A = 0 OR A = 1 AND HLA-DRA = 2", [0, 1]),
        ("(A = 0 or A = 1) and HLA-DRA = 2", [1]),
        ("not not A > 2", [2, 4]),
        ("flag = 1", [0, 2, 4]),
        ("note = x", [0, 2]),
        ("A > -1e0", [0, 1, 2, 4]),
    ],
)
def test_rules_select(text: str, expected: list[int]) -> None:
    assert where(text) == expected


def test_a_missing_value_fulfils_nothing_but_is_missing() -> None:
    assert where("A is missing") == [3]
    assert where("domain is not missing") == [0, 1, 2, 3]
    assert where("not A > 2") == [0, 1]
    assert where("A > 2 or not A > 2") == [0, 1, 2, 4]
    assert where("A is missing or domain is missing") == [3, 4]
    assert where("note is missing") == [1]


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("A >", 3, "value is missing"),
        ("A 2", 2, "is expected"),
        ("A > 2 and", 9, "name of a column"),
        ("(A > 2", 6, "')' is missing"),
        ("A > 2 B < 1", 6, "not expected"),
        ("A > 2 ! B", 6, "not understood"),
        ("", 0, "name of a column"),
        ("A in 3", 5, "'(' is missing"),
        ("__import__('os').system('ls')", 10, "is expected"),
    ],
)
def test_errors_name_the_position(text: str, position: int, says: str) -> None:
    with pytest.raises(RuleError, match=rf"at character {position + 1} of") as caught:
        parse(text)
    assert caught.value.position == position
    assert says in str(caught.value)


def test_asking_text_for_size_or_numbers_for_text_is_said() -> None:
    with pytest.raises(RuleError, match="neither larger nor smaller"):
        where("domain > 2")
    with pytest.raises(RuleError, match="'tumour' is none"):
        where("A = 1 or A = tumour")
    assert parse("A=1 or B=2 or A=3").names == ("A", "B")
