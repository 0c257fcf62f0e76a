from __future__ import annotations

from typing import Any, ClassVar, Literal

import pytest

from napari_stml.core.analysis import live_of, register
from napari_stml.core.params import (
    LiveParams,
    Params,
    applies,
    applying,
    condition_words,
    param,
    unknown_conditions,
)
from napari_stml.core.results import Result


class Groups(Params):
    method: Literal["leiden", "k-means", "mixture"] = param("leiden", title="Method", help="Which.")
    resolution: float = param(1.0, title="Resolution", help="Fine.", when={"method": "leiden"})
    number: int = param(
        8, title="Number", help="How many.", when={"method": ("k-means", "mixture")}
    )
    smooth: int = param(0, title="Smooth", help="Rounds.")
    within: float = param(0.0, title="Within", help="Far.", when={"smooth": True})
    on: str = param("", title="On", help="Stored.", source="obsm")
    genes: int = param(2000, title="Genes", help="Variable.", when={"on": False})


class GroupsLive(LiveParams):
    number: int = param(8, title="Number", help="Live.", when={"method": ["k-means", "mixture"]})
    soft: bool = param(False, title="Soft", help="Live.", when={"number": 3})


@pytest.mark.parametrize(
    ("given", "telling"),
    [
        ({}, {"method", "resolution", "smooth", "on", "genes"}),
        ({"method": "mixture"}, {"method", "number", "smooth", "on", "genes"}),
        ({"smooth": 2, "on": "X_pca"}, {"method", "resolution", "smooth", "within", "on"}),
    ],
)
def test_only_what_has_a_meaning_applies(given: dict[str, Any], telling: set[str]) -> None:
    assert set(applying(Groups(**given))) == telling


def test_a_live_field_depends_on_the_run_and_on_its_neighbours() -> None:
    leiden = Groups().model_dump()
    assert applying(GroupsLive(), leiden) == {}
    number = Groups(method="k-means", number=5).model_dump()
    assert applying(GroupsLive(number=4), number) == {"number": 4}
    assert applying(GroupsLive(number=3), number) == {"number": 3, "soft": False}


def test_it_is_said_in_words() -> None:
    fields = Groups.model_fields
    assert condition_words(fields["number"]) == "method k-means or mixture"
    assert condition_words(fields["within"]) == "smooth given"
    assert condition_words(fields["genes"]) == "on empty"
    assert condition_words(fields["method"]) == ""
    assert applies(fields["method"], {})


def test_a_condition_on_nothing_is_found_when_it_is_registered() -> None:
    assert unknown_conditions(Groups, GroupsLive) == []

    class Wrong(Params):
        a: int = param(1, title="A", help="A.", when={"missing": 1})
        b: int = param(title="B", help="B.", when={"a": 1})

    assert unknown_conditions(Wrong) == [
        "'a' depends on 'missing', no field",
        "'b' depends on others, so it needs a default",
    ]

    class Analysis:
        name: ClassVar[str] = "wrong-condition"
        Params = Wrong

    with pytest.raises(ValueError, match="missing"):
        register(Analysis)


def test_live_gets_the_parameters_of_the_run_if_it_wants_them() -> None:
    class Both:
        def live(self, *_given: Any) -> Any: ...

    class Three(Both):
        def live(self, result: Any, inputs: Any, params: Any) -> Any:
            return params

    class Two(Both):
        def live(self, result: Any, inputs: Any) -> Any:
            return inputs

    asked: Any = "inputs"
    assert live_of(Three(), Result({}), asked, Groups(number=3)) == Groups(number=3)
    assert live_of(Two(), Result({}), asked, Groups()) == asked
