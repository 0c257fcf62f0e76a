"""From a wish to a stored Run and back, in line and through the workers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sections import MODULE, Toy, ToyLive, ToyParams, write_section

from napari_stml import Section
from napari_stml.core.colours import PALETTE
from napari_stml.core.errors import StmlError
from napari_stml.core.results import Labels, Result, Table, Values
from napari_stml.core.scope import Scope
from napari_stml.io.save_section import save_section_as
from napari_stml.runs import section_run
from napari_stml.runs.desk import Wish, plan, run_now, spec_of, submit
from napari_stml.runs.inputs import resolve_section, signature
from napari_stml.runs.scopes import scope_again
from napari_stml.runs.settings import WorkerSettings
from napari_stml.runs.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOME = Scope("selection", tuple(f"s{i}" for i in range(0, 40, 2)), title="20 selected spots")


@pytest.fixture
def section(tmp_path: Path) -> Iterator[Section]:
    with Section.open(write_section(tmp_path / "one.h5ad")) as opened:
        yield opened


def wish(*sections: Section, **more: Any) -> Wish:
    params = ToyParams(**{k: more.pop(k) for k in list(more) if k in ToyParams.model_fields})
    return Wish("toy-sections", params, sections, modules=(MODULE,), **more)


def test_a_run_is_stored_with_its_record_and_comes_back(section: Section) -> None:
    [record] = run_now(wish(section, factor=3.0, seed=7))
    assert record.id == "toy-sections-1"
    assert (record.params["factor"], record.seed, record.notes) == (3.0, 7, ("a note",))
    assert record.versions["napari-stml"]
    values = section.values("toy-sections-1/scaled")
    np.testing.assert_allclose(values, 3 * section.gene("g0"))
    groups = section.values("toy-sections-1/groups")
    assert groups.tolist() == section.values("domain").tolist()
    assert section.shelf is not None
    assert isinstance(section.shelf.part(record.id, "sizes"), Table)
    assert "toy-sections-1/scaled" in section.columns()


def test_reopened_the_run_is_there(section: Section) -> None:
    run_now(wish(section))
    section.close()
    with Section.open(section.path) as again:  # type: ignore[arg-type]
        assert again.run_values() == ("toy-sections-1/scaled", "toy-sections-1/groups")


def test_outside_the_scope_nothing_is_known_and_the_scope_is_remembered(section: Section) -> None:
    run_now(wish(section, scopes=(SOME,)))
    missing = section.values("toy-sections-1/scaled").isna().to_numpy()
    assert missing.tolist() == [bool(i % 2) for i in range(40)]
    assert scope_again(section, "toy-sections-1") == SOME


def test_a_run_without_values_remembers_the_hand_picked_scope_too(
    section: Section, tmp_path: Path
) -> None:
    [record] = run_now(wish(section, scopes=(SOME,), bare=True))
    assert scope_again(section, record.id) == SOME
    all_of_them = Scope("selection", tuple(f"s{i}" for i in range(40)), title="40 selected spots")
    [other] = run_now(wish(section, scopes=(all_of_them,), bare=True))
    assert scope_again(section, other.id) == all_of_them
    target = tmp_path / "saved.zarr"
    assert list(save_section_as(section, target))
    with Section.open(target) as saved:
        assert scope_again(saved, record.id) == SOME
        saved.kept.store.undo(record.id)
        saved.kept.store.redo(record.id)
        saved.forget_runs()
        assert scope_again(saved, record.id) == SOME
    assert run_now(wish(section, bare=True))[0].members == {}


def test_a_failed_run_leaves_nothing(section: Section) -> None:
    with pytest.raises(StmlError, match="on purpose"):
        run_now(wish(section, fail=True))
    assert section.kept.store.runs() == ()
    assert not list(section.kept.store.path.glob(".stml/new-*"))
    run_now(wish(section))
    assert [r.run_id for r in section.kept.store.runs()] == ["toy-sections-1"]


def test_many_sections_share_one_run_id(tmp_path: Path) -> None:
    paths = [write_section(tmp_path / f"{n}.h5ad", seed) for seed, n in enumerate("ab")]
    with Section.open(paths[0]) as a, Section.open(paths[1]) as b:
        run_now(wish(a))
        records = run_now(wish(a, b))
        assert [r.id for r in records] == ["toy-sections-2"] * 2
        assert a.run_values()[0] == b.run_values()[0] == "toy-sections-2/scaled"
        assert not np.allclose(a.values("toy-sections-2/scaled"), b.values("toy-sections-2/scaled"))


def test_equal_inputs_have_equal_signatures_and_others_not(tmp_path: Path) -> None:
    signed = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        with Section.open(write_section(tmp_path / f"{name}.h5ad", seed)) as section:
            wanted = Toy().needs(ToyParams())
            signed.append(resolve_section(section, None, wanted, Scope()).signatures)
    assert signed[0] == signed[1]
    assert signed[0]["counts"] != signed[2]["counts"]
    assert signature(np.arange(3)) != signature(np.arange(3.0))


def test_needs_that_cannot_be_met_are_said(section: Section) -> None:
    with pytest.raises(StmlError, match="1 of 1 genes are not in this table"):
        run_now(wish(section, gene="nope"))
    with pytest.raises(StmlError, match="nowhere"):
        run_now(wish(section, column="nowhere"))
    with pytest.raises(StmlError, match="There is no Run 'toy-sections-9'"):
        run_now(wish(section, column="toy-sections-9/groups"))
    with pytest.raises(StmlError, match="No observation is left"):
        run_now(wish(section, scopes=(Scope("selection", ("stranger",), title="1 spot"),)))


def test_a_run_that_is_used_becomes_a_parent(section: Section) -> None:
    run_now(wish(section))
    [record] = run_now(wish(section, column="toy-sections-1/groups"))
    assert record.parents == ("toy-sections-1",)
    assert section.kept.store.dependents("toy-sections-1") == ("toy-sections-2",)


def test_kept_live_positions_are_runs(section: Section) -> None:
    [first] = run_now(wish(section))
    [kept] = run_now(wish(section, live=ToyLive(factor=5.0), parents=(first.id,)))
    assert kept.live == {"factor": 5.0}
    assert kept.parents == (first.id,)
    np.testing.assert_allclose(section.values(f"{kept.id}/scaled"), 5 * section.gene("g0"))


def test_keeping_computes_nothing_anew(section: Section, monkeypatch: pytest.MonkeyPatch) -> None:
    [first] = run_now(wish(section, scopes=(SOME,)))
    monkeypatch.setattr(Toy, "run", _never)
    scope = scope_again(section, first.id)
    [kept] = run_now(wish(section, live=ToyLive(factor=5.0), parents=(first.id,), scopes=(scope,)))
    inside = Scope.mask(SOME, section.observations.names)  # type: ignore[union-attr]
    found = section.values(f"{kept.id}/scaled")
    np.testing.assert_allclose(found[inside], 5 * section.gene("g0")[inside])
    opened = section_run.open_live(spec_of(kept, section).model_copy(update={"modules": (MODULE,)}))
    again = opened.live.update(ToyLive(factor=5.0), None).part("scaled")
    assert isinstance(again, Values)
    np.testing.assert_allclose(again.values[inside], found[inside])


def test_a_position_of_another_run_is_computed(section: Section) -> None:
    [first] = run_now(wish(section))
    [kept] = run_now(wish(section, gene="g1", live=ToyLive(factor=5.0), parents=(first.id,)))
    np.testing.assert_allclose(section.values(f"{kept.id}/scaled"), 5 * section.gene("g1"))


def _never(*_: Any) -> Any:
    raise AssertionError("computed anew")


@pytest.fixture
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    made = Workers(WorkerSettings(path=(str(request.path.parent),), threads=1))
    yield made
    made.close()


def test_through_the_worker_the_numbers_are_the_same(section: Section, workers: Workers) -> None:
    planned = plan(wish(section, scopes=(SOME,)))
    ended = threading.Event()
    outcomes: list[Any] = []

    def end(_planned: Any, outcome: Any) -> None:
        outcomes.append(outcome)
        ended.set()

    submit(planned, workers, on_end=end)
    assert ended.wait(60)
    assert outcomes[0].state == "done", outcomes[0].error
    section.kept.store.later(planned.publish, outcomes[0].reference).result(20)
    run_now(wish(section, scopes=(SOME,)))
    one, other = (section.values(f"toy-sections-{i}/scaled") for i in (1, 2))
    np.testing.assert_array_equal(one, other)
    assert section.shelf is not None
    records = section.shelf.records
    assert records["toy-sections-1"].signature_text == records["toy-sections-2"].signature_text


def test_live_is_opened_from_the_store(section: Section, workers: Workers) -> None:
    [record] = run_now(wish(section, scopes=(SOME,)))
    spec = spec_of(record, section).model_copy(update={"modules": (MODULE,)})
    answers: list[Any] = []
    came = threading.Event()

    def answered(answer: Any) -> None:
        answers.append(answer)
        came.set()

    session = workers.open_live(
        section_run.LIVE, spec.model_dump(mode="json"), ToyLive, on_answer=answered
    )
    session.update(ToyLive(factor=4.0))
    assert came.wait(60)
    part = answers[-1].result.part("scaled")
    assert isinstance(part, Values)
    inside = Scope.mask(SOME, section.observations.names)  # type: ignore[union-attr]
    np.testing.assert_allclose(part.values[inside], 4 * section.gene("g0")[inside])
    assert np.isnan(part.values[~inside]).all()
    session.close()


def test_a_kept_position_names_only_what_occurs() -> None:
    labels = Labels("c", np.array([3, 0, -1, 3]), ("a", "b", "c", "d"), ("#000000",) * 4)
    kept = section_run.kept_position(Result({"A": (labels,)}), {"resolution": 0.5, "k": 3})
    part = kept.part("c")
    assert isinstance(part, Labels)
    assert part.categories == ("a", "d")
    assert part.codes.tolist() == [1, 0, -1, 1]
    assert kept.notes == ("kept from the live view at resolution 0.5, k 3",)


def test_a_kept_position_keeps_the_colours_that_were_seen() -> None:
    labels = Labels("c", np.array([2, 0]), ("a", "b", "c"))
    kept = section_run.kept_position(Result({"A": (labels,)}), {"place": [2509.6888, 1.0]})
    part = kept.part("c")
    assert isinstance(part, Labels)
    assert part.colours == (PALETTE[0], PALETTE[2])
    assert kept.notes == ("kept from the live view at place 2509.69 / 1",)
    every = Labels("c", np.array([0, 1]), ("a", "b"))
    whole = section_run.kept_position(Result({"A": (every,)}), {}).part("c")
    assert isinstance(whole, Labels)
    assert whole.colours == ()
