"""What is drawn is never lost: journal, shapes in the store, kills at any byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from napari_stml import Section
from napari_stml.core.errors import CannotSaveError
from napari_stml.io.regions import RegionKeeper
from napari_stml.io.regions.journal import Journal, read
from napari_stml.io.regions.keeper import Snapshot
from napari_stml.io.shelf import REGIONS
from napari_stml.regions.drawing import Drawing, replayed
from napari_stml.regions.region import Drawn

if TYPE_CHECKING:
    from pathlib import Path

HOLED = shapely.box(0, 0, 100, 100).difference(shapely.box(40, 40, 60, 60))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    import anndata as ad
    import pandas as pd

    names = pd.Index([f"s{i}" for i in range(30)], dtype=object)
    table = ad.AnnData(np.ones((30, 2), np.float32), obs=pd.DataFrame(index=names))
    table.obsm["spatial"] = np.column_stack([np.arange(30) % 6, np.arange(30) // 6]) * 20.0
    table.write_h5ad(tmp_path / "séction.h5ad")
    return tmp_path / "séction.h5ad"


def drawn(section: Section) -> tuple[RegionKeeper, Drawing]:
    keeper = RegionKeeper(section)
    drawing = keeper.load()
    drawing.listeners.append(keeper.note)
    return keeper, drawing


def save(keeper: RegionKeeper, drawing: Drawing) -> None:
    keeper.save(Snapshot(drawing.regions, drawing.classes, keeper.latest))


def everything() -> list[Drawn]:
    return [
        Drawn.new(HOLED, kind="Tumour", name="<script>alert(1)</script>", notes="x" * 5000,
                  author="A. P.", locked=True, measurements={"n": float("nan")}, form="rectangle"),
        Drawn.new(shapely.LineString([(0, 0), (9, 9)]), form="line", kind="fold"),
        Drawn.new(shapely.MultiPoint([(1, 1), (2, 2)]), form="points", hidden=True),
        Drawn.new(shapely.union_all([HOLED, shapely.box(200, 0, 210, 9)]), parent="other",
                  colour="#102030", more={"feature": {"properties": {"future": [1, None]}}}),
    ]  # fmt: skip


def test_looking_makes_no_store_and_drawing_does(source: Path) -> None:
    with Section.open(source) as section:
        keeper = RegionKeeper(section)
        assert keeper.load().regions == ()
        assert keeper.offer() is None
        assert section.shelf is None
        keeper.close()


def test_everything_comes_back_and_spatialdata_reads_it(source: Path) -> None:
    import spatialdata

    with Section.open(source) as section:
        keeper, drawing = drawn(section)
        drawing.add(*everything())
        save(keeper, drawing)
        path = section.kept.store.path
        keeper.close()
    with Section.open(source) as section:
        again = RegionKeeper(section)
        back = again.load()
        assert [r.record() for r in back.regions].__repr__() == [
            r.record() for r in drawing.regions
        ].__repr__()
        assert back.classes == drawing.classes
        assert again.offer() is None
        kinds = [r.kind for r in section.shelf.regions()]
        assert kinds == ["Tumour", ""]
    shapes = spatialdata.read_zarr(path).shapes[REGIONS]
    assert shapes.loc[drawing.regions[0].id, "author"] == "A. P."
    assert shapes.geometry.iloc[0].equals(HOLED)


def test_unsaved_edits_are_offered_until_they_are_answered(source: Path) -> None:
    with Section.open(source) as section:
        keeper, drawing = drawn(section)
        drawing.add(Drawn.new(HOLED, kind="Tumour"))
        save(keeper, drawing)
        drawing.add(Drawn.new(shapely.box(0, 0, 5, 5), name="lost?"))
        drawing.delete(drawing.regions[0].id)
        keeper.close()  # and the program ends without saving
    with Section.open(source) as section:
        keeper, drawing = drawn(section)
        assert [r.kind for r in drawing.regions] == ["Tumour"]
        drawing.add(Drawn.new(shapely.box(7, 7, 9, 9), name="new"))
        save(keeper, drawing)
        keeper.close()
    with Section.open(source) as section:
        keeper, drawing = drawn(section)
        offer = keeper.offer()
        assert offer is not None
        assert len(offer.entries) == 2
        assert "2 edits" in offer.title
        offer.bring_back(drawing)
        keeper.answered()
        assert sorted(r.name for r in drawing.regions) == ["lost?", "new"]
        drawing.undo()
        assert sorted(r.name for r in drawing.regions) == ["", "new"]
        drawing.redo()
        save(keeper, drawing)
        keeper.close()
    with Section.open(source) as section:
        keeper, drawing = drawn(section)
        assert keeper.offer() is None
        assert len(drawing) == 2
        keeper.close()


def test_edits_during_saving_stay_unsaved(source: Path) -> None:
    with Section.open(source) as section:
        keeper, drawing = drawn(section)
        drawing.add(Drawn.new(HOLED, name="first"))
        taken = Snapshot(drawing.regions, drawing.classes, keeper.latest)
        drawing.add(Drawn.new(HOLED, name="second"))
        keeper.save(taken)
        keeper.close()
    with Section.open(source) as section:
        offer = RegionKeeper(section).offer()
        assert offer is not None
        assert offer.titles == ("draw second",)


def test_a_journal_cut_off_at_any_byte_holds_every_whole_edit(tmp_path: Path) -> None:
    path = tmp_path / "regions.journal"
    journal = Journal(path)
    drawing = Drawing()
    drawing.listeners.append(lambda step: journal.note(step.record()))
    ends, states = [0], [()]
    for i in range(4):
        drawing.add(Drawn.new(shapely.box(i, i, i + 1, i + 1), name=f"é{i}"))
        ends.append(path.stat().st_size)
        states.append(tuple(r.id for r in drawing.regions))
    journal.close()
    data = path.read_bytes()
    cut = tmp_path / "cut.journal"
    for size in range(len(data) + 1):
        cut.write_bytes(data[:size])
        whole = max(i for i, end in enumerate(ends) if end - 1 <= size)
        again = replayed((), drawing.classes, Journal(cut).unsaved)
        assert tuple(r.id for r in again.regions) == states[whole], size
    cut.write_bytes(data[: ends[2] + 20])
    after = Journal(cut)
    after.note({"title": "after the crash", "set": [], "gone": []})
    after.close()
    assert [e["title"] for e in read(cut)][-1] == "after the crash"
    assert len(read(cut)) == 3
    damaged = bytearray(data)
    damaged[ends[1] + 40] ^= 1
    cut.write_bytes(bytes(damaged))
    assert len(read(cut)) == 3


KILLED = """
import sys, shapely
from napari_stml import Section
from napari_stml.io.regions import RegionKeeper
from napari_stml.io.regions.keeper import Snapshot
from napari_stml.regions.region import Drawn

section = Section.open(sys.argv[1])
keeper = RegionKeeper(section)
drawing = keeper.load()
drawing.listeners.append(keeper.note)
for i in range(100_000):
    drawing.add(Drawn.new(shapely.box(i, 0, i + 1, 1), name=str(i)))
    print(i, flush=True)
    if i % 5 == 3:
        keeper.save_later(Snapshot(drawing.regions, drawing.classes, keeper.latest))
"""


@pytest.mark.parametrize("after", [2, 9])
def test_killed_while_drawing_every_finished_stroke_is_there(source: Path, after: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(source)], stdout=subprocess.PIPE, text=True,
        env=dict(os.environ),
    )  # fmt: skip
    assert child.stdout is not None
    said = [int(child.stdout.readline()) for _ in range(after)]
    child.send_signal(signal.SIGKILL)
    said += [int(line) for line in child.stdout.read().split()]
    child.wait()
    child.stdout.close()
    with Section.open(source) as section:
        keeper, drawing = drawn(section)
        offer = keeper.offer()
        if offer is not None:
            offer.bring_back(drawing)
            keeper.answered()
        names = [r.name for r in drawing.regions]
        assert names[: said[-1] + 1] == [str(i) for i in range(said[-1] + 1)]
        assert len(names) <= said[-1] + 2
        keeper.close()


def test_states_before_can_be_brought_back(source: Path) -> None:
    with Section.open(source) as section:
        keeper, drawing = drawn(section)
        for i in range(3):
            drawing.add(Drawn.new(shapely.box(i, 0, i + 1, 1), name=str(i)))
            save(keeper, drawing)
        drawing.delete(*(r.id for r in drawing.regions))
        save(keeper, drawing)
        assert f"shapes/{REGIONS}" not in section.kept.store.elements
        names = [[r.name for r in keeper.earlier(g)] for g in keeper.generations()]
        assert names == [["0"], ["0", "1"], ["0", "1", "2"]]
        keeper.close()


def test_a_store_that_cannot_be_written_says_so_at_the_first_stroke(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Section.open(source) as section:
        keeper = RegionKeeper(section)
        monkeypatch.setattr(section.kept.store, "read_only", "it was opened read-only")
        with pytest.raises(CannotSaveError, match="read-only"):
            keeper.answered()


def test_a_long_journal_begins_anew_when_everything_is_saved(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_stml.io.regions.journal.MOST_BYTES", 1000)
    with Section.open(source) as section:
        keeper, drawing = drawn(section)
        for i in range(12):
            drawing.add(Drawn.new(HOLED, name=str(i)))
            save(keeper, drawing)
        hidden = section.kept.store.path / ".stml"
        assert 1 <= len(list(hidden.glob("regions-*.log"))) <= 3
        keeper.close()
        again = RegionKeeper(section)
        assert len(again.load()) == 12
        assert again.offer() is None
