"""Edits, undo and redo: any sequence goes back to nothing and forth again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stml.core.errors import StmlError
from napari_stml.regions.classes import ClassList
from napari_stml.regions.drawing import Drawing, Step, replayed
from napari_stml.regions.region import Drawn


def square(x: float = 0, side: float = 10, **what: object) -> Drawn:
    return Drawn.new(shapely.box(x, 0, x + side, side), **what)


def state(drawing: Drawing) -> tuple[object, ...]:
    return tuple(replace(r, changed="") for r in drawing.regions), drawing.classes


ACTS = st.lists(
    st.tuples(st.sampled_from(["add", "move", "delete", "kind", "rename", "undo", "redo", "lock"]),
              st.integers(0, 9)), max_size=25,
)  # fmt: skip


def perform(drawing: Drawing, act: str, n: int) -> None:
    ids = [r.id for r in drawing.regions]
    one = ids[n % len(ids)] if ids else ""
    match act:
        case "add":
            drawing.add(square(n, kind=f"class {n % 3}"), square(n + 5))
        case "move" if one:
            drawing.change([one], "move", outline=shapely.box(n, n, n + 1, n + 2))
        case "delete" if one:
            drawing.delete(one, ids[0])
        case "kind" if one:
            drawing.change([one], "class", kind=f"class {n}")
        case "lock" if one:
            drawing.change([one], "lock", locked=n % 2 == 0)
        case "rename" if drawing.classes.get(f"class {n}"):
            drawing.rename_class(f"class {n}", "class 0")
        case "undo":
            drawing.undo()
        case "redo":
            drawing.redo()


@settings(max_examples=120, deadline=None)
@given(ACTS)
def test_everything_is_undone_and_done_again_and_the_journal_knows_it(
    acts: list[tuple[str, int]],
) -> None:
    drawing = Drawing()
    start = state(drawing)
    lines: list[str] = []
    drawing.listeners.append(lambda step: lines.append(json.dumps(step.record())))
    for act, n in acts:
        try:
            perform(drawing, act, n)
        except StmlError:  # what is locked stays; the only refusal there is
            assert any(drawing.is_locked(r) for r in drawing.regions)
    end = state(drawing)
    entries = [json.loads(line) for line in lines]
    again = replayed((), ClassList.usual(), entries)
    assert state(again) == end
    half = replayed((), ClassList.usual(), entries[: len(entries) // 2])
    assert state(replayed(half.regions, half.classes, entries))[1] == end[1]
    later = replayed(half.regions, half.classes, entries)
    assert {r.id for r in later.regions} == {r.id for r in drawing.regions}
    done = 0
    while drawing.undo():
        done += 1
    assert state(drawing) == start
    for _ in range(done):
        drawing.redo()
    assert state(drawing) == end


def test_what_is_locked_stays() -> None:
    drawing = Drawing(author="A. Pathologist")
    one = square(kind="Tumour", name="front")
    drawing.add(one)
    assert drawing.regions[0].author == "A. Pathologist"
    drawing.change([one.id], "lock", locked=True)
    for act in (lambda: drawing.delete(one.id),
                lambda: drawing.change([one.id], "name", name="other")):  # fmt: skip
        with pytest.raises(StmlError, match="front"):
            act()
    drawing.change([one.id], "unlock", locked=False)
    drawing.edit_classes("lock", drawing.classes.changed("Tumour", locked=True))
    for act in (lambda: drawing.delete(one.id), lambda: drawing.rename_class("Tumour", "T"),
                lambda: drawing.remove_class("Tumour")):  # fmt: skip
        with pytest.raises(StmlError, match="locked"):
            act()


def test_renaming_to_a_class_that_exists_merges() -> None:
    drawing = Drawing()
    drawing.add(square(kind="Tumour"), square(20, kind="Tumor"))
    drawing.rename_class("Tumor", "Tumour")
    assert drawing.classes.counts(drawing.regions)["Tumour"] == 2
    assert drawing.classes.get("Tumor") is None
    assert drawing.undo() == "merge Tumor into Tumour"
    assert drawing.classes.get("Tumor") is not None


def test_a_deleted_region_comes_back_to_its_place() -> None:
    drawing = Drawing([square(i, name=str(i)) for i in range(5)])
    drawing.delete(*(r.id for r in drawing.regions[1:3]))
    drawing.undo()
    assert [r.name for r in drawing.regions] == list("01234")


def test_keys_and_names_of_classes_are_unique() -> None:
    classes = ClassList.usual()
    assert classes.at_key("1").name == "Tumour"
    with pytest.raises(StmlError, match="belongs"):
        classes.changed("Stroma", key="1")
    with pytest.raises(StmlError, match="exists"):
        classes.changed("Stroma", name="Tumour")
    with pytest.raises(StmlError):
        classes.changed("Stroma", colour="red; background: url(x)")
    assert ClassList.of(json.loads(json.dumps(classes.record()))) == classes
    many = ClassList()
    for i in range(30):
        many = many.having(f"c{i}")
    assert len({c.key for c in many if c.key}) == 9


def test_equal_states_are_no_step() -> None:
    drawing = Drawing([square()])
    told: list[Step] = []
    drawing.listeners.append(told.append)
    drawing.put("nothing", drawing.regions)
    assert told == []
    assert drawing.undo() == ""
    assert np.isfinite(len(drawing))
