from __future__ import annotations

import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from napari_stml.core.errors import CannotOpenError, MissingScaleError, StmlError
from napari_stml.core.params import Params, param
from napari_stml.core.run_record import RunRecord, now, versions
from napari_stml.core.scope import Scope


class Toy(Params):
    k: int = param(5, title="K", help="How many.", ge=1)


def test_errors_say_what_where_and_what_to_do_and_survive_a_process() -> None:
    error = CannotOpenError("The file is cut short", where="a.tif", do="copy it again")
    assert str(error) == "The file is cut short (a.tif). Copy it again."
    for e in (error, MissingScaleError("A1")):
        back = pickle.loads(pickle.dumps(e))
        assert type(back) is type(e)
        assert str(back) == str(e)
    assert isinstance(error, StmlError)


@pytest.mark.parametrize("bad", [{"k": 0}, {"k": float("nan")}, {"q": 1}])
def test_params_refuse(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Toy.model_validate(bad)


def test_params_are_frozen_and_signed_by_value() -> None:
    assert Toy(k=3).signature() == Toy.model_validate({"k": 3}).signature()
    assert Toy(k=3).signature() != Toy(k=4).signature()
    with pytest.raises(ValidationError):
        Toy().k = 7


def test_a_scope_is_all_or_named() -> None:
    names = np.array(["a", "b", "c"], dtype=object)
    assert Scope().mask(names).all()
    some = Scope("selection", ("c", "x"), title="2 selected spots")
    assert some.mask(names).tolist() == [False, False, True]
    assert Scope("regions", polygons=(b"\x01",)).mask(names).all()
    with pytest.raises(ValueError, match="whole section"):
        Scope("selection")
    with pytest.raises(ValueError, match="whole section"):
        Scope("section", ("a",))
    assert some.record()["members"] == 2


def test_a_record_survives_json_and_unknown_fields_of_later_versions() -> None:
    record = RunRecord(
        id="leiden-1", analysis="leiden", title="Clusters", params={"k": 5}, started=now(),
        versions=versions(), scope=Scope().record(), inputs={"RNA": "abc"},
    )  # fmt: skip
    text = record.model_dump_json()
    assert RunRecord.model_validate_json(text) == record
    assert RunRecord.model_validate_json(text[:-1] + ',"later": 1}') == record


def test_validity_follows_what_was_computed_not_what_it_is_called() -> None:
    record = RunRecord(id="leiden-1", analysis="leiden", title="a", params={"k": 5}, started=now())
    renamed = record.model_copy(update={"title": "b", "id": "leiden-2"})
    other = record.model_copy(update={"params": {"k": 6}})
    assert record.signature_text == renamed.signature_text
    assert record.signature_text != other.signature_text
