"""What crosses between the processes: parcels, ring files, the scratch folder, a whole analysis."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random
from toy import AtPosition, ToyAnalysis
from watching import Heard, until

from napari_stml.core.analysis import finish
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.core.geometry import Affine, ScaleSource, UmPerPx
from napari_stml.core.inputs import Categories, Inputs, Matrix2D, Region, SectionInputs
from napari_stml.core.results import (
    SHARED,
    GeneValues,
    Graph,
    Heatmap,
    Labels,
    Mask,
    Matrix,
    Model,
    Part,
    Regions,
    Result,
    Table,
    Tiles,
    Values,
)
from napari_stml.core.scope import Scope
from napari_stml.runs import analysis_job, parcels
from napari_stml.runs.answers import AnswerCache, LiveAnswer, distance
from napari_stml.runs.job import run_in_line
from napari_stml.runs.ring import SLOTS, RingReader, RingWriter
from napari_stml.runs.scratch import PREFIX, Scratch, taken

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.runs.workers import Workers

SPARSE = csr_matrix(random(20, 5, 0.3, random_state=0, dtype=np.float32))
PARTS: tuple[Part, ...] = (
    Values("v", np.array([1.0, np.nan], np.float32), "um"),
    Labels("l", np.array([0, -1], np.int8), ("Tumor – Übergang",), ("#ff0000",)),
    Matrix("m", np.zeros((2, 3)), ("a", "b", "c")),
    Matrix("s", SPARSE, tuple("abcde"), genes=True),
    Graph("g", csr_matrix((2, 2))),
    GeneValues("gv", ("A",), np.ones((1, 1)), ("pcc",)),
    Heatmap("h", np.full((2, 2), np.nan), Affine.scaling(16.0)),
    Mask("k", np.zeros((0, 4), np.uint8), Affine(), {1: "tissue"}),
    Tiles("t", np.zeros((3, 2)), 224.0, {"x": np.arange(3)}),
    Regions("r", (b"\x00wkb",), ("tumour",), ("one",)),
    Table("c", {"trait": ("height",), "p": np.array([0.5])}),
    Chart("d", "line", "Loss", Axis("epoch"), Axis("loss", log=True), {"x": [1], "y": [2.5]},
          (Link("category", ("a",), "clusters"),)),
    Model("w", {"layer.weight": np.ones((2, 2), np.float16)}, {"epochs": 3, "genes": ["A"]}),
)  # fmt: skip


def same(a: Any, b: Any) -> bool:
    """Equality through packing: the same JSON and the same arrays."""
    arrays: tuple[list[Any], list[Any]] = ([], [])
    trees = [parcels.pack(value, into) for value, into in zip((a, b), arrays, strict=True)]
    return trees[0] == trees[1] and all(
        x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
        for x, y in zip(*arrays, strict=True)
    )


def section(n: int = 8, **data: Any) -> SectionInputs:
    names = np.array([f"Spot-{i}" for i in range(n)], dtype=object)
    inside = np.arange(n) < n - 2
    scope = Scope("regions", tuple(names[inside]), (b"wkb",), "1 region")
    xy = np.stack([np.arange(n), np.zeros(n)], axis=1).astype(np.float64)
    scale = UmPerPx(0.5, 0.5, ScaleSource.PITCH)
    return SectionInputs("A", names, xy, inside, scope, scale, data=data)


def test_every_kind_of_result_survives_a_parcel(tmp_path: Path) -> None:
    result = Result({"A": PARTS[:10], SHARED: PARTS[10:]}, shows="l", notes=("n",))
    again = parcels.read(parcels.write(result, tmp_path / "Ergebnis 1"))
    assert same(again, result)
    assert isinstance(again.part("v").values, np.memmap)
    assert (again.part("s").values != SPARSE).nnz == 0
    assert again.part("k").classes == {1: "tissue"}


def test_inputs_survive_a_parcel(tmp_path: Path) -> None:
    data = {
        "counts": Matrix2D(SPARSE, tuple("abcde")),
        "domain": Categories(np.zeros(8, np.int32), ("x",)),
        "strokes": (Region(b"wkb", "tumour", ""),),
        "file": "/tmp/ü.gz",
    }
    inputs = Inputs((section(**data),), seed=3, threads=2)
    again = parcels.read(parcels.write(inputs, tmp_path / "inputs"))
    assert same(again, inputs)
    assert again.one.um_per_px == UmPerPx(0.5, 0.5, ScaleSource.PITCH)
    assert again.one.scope == inputs.one.scope


def test_a_parcel_is_complete_or_absent(tmp_path: Path) -> None:
    with pytest.raises(StmlError, match="cannot travel"):
        parcels.write(Result.of("A", Values("v", object())), tmp_path / "bad")  # type: ignore[arg-type]
    with pytest.raises(StmlError, match="set"):
        parcels.write(Model("m", {}, {"card": {1: {1j}}}), tmp_path / "bad")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CannotOpenError):
        parcels.read(tmp_path / "bad")


def test_a_ring_grows_and_its_slots_come_back(tmp_path: Path) -> None:
    writer, reader = RingWriter(tmp_path, "ring"), RingReader(tmp_path)
    for n in (0, 1, 10, 5000, 50_000, 3):
        for dtype in ("i1", "f4", "f8", "?", "i8"):
            arrays = [np.arange(n).astype(dtype), np.ones((2, n, 1), dtype)]
            place = writer.write(arrays)
            for got, sent in zip(reader.copy(place), arrays, strict=True):
                assert got.dtype == sent.dtype
                assert np.array_equal(got, sent)
            writer.release(place["number"], place["slot"])
    assert reader.copy(writer.write([])) == []
    reader.close()


def test_a_full_ring_waits_for_a_slot(tmp_path: Path) -> None:
    writer = RingWriter(tmp_path, "ring")
    places = [writer.write([np.arange(3)]) for _ in range(SLOTS)]
    assert len({p["slot"] for p in places}) == SLOTS
    written = threading.Event()
    fifth = threading.Thread(target=lambda: (writer.write([np.arange(3)]), written.set()))
    fifth.start()
    assert not written.wait(0.05)
    writer.release(places[2]["number"], places[2]["slot"])
    assert written.wait(5)
    sixth = threading.Thread(target=lambda: writer.write([np.arange(3)]))
    sixth.start()
    writer.abandon()
    sixth.join(5)
    fifth.join(5)
    assert not sixth.is_alive()


def test_the_cache_keeps_its_bytes_and_the_last_used() -> None:
    cache = AnswerCache(1000)
    result = Result({})
    for i in range(10):
        cache.put(LiveAnswer(i, AtPosition(alpha=i / 10), result, nbytes=250))
        cache.exact(AtPosition(alpha=0.0))
    assert (len(cache), cache.nbytes) == (4, 1000)
    assert cache.exact(AtPosition(alpha=0.0)) is not None
    assert cache.exact(AtPosition(alpha=0.1)) is None
    near = cache.nearest(AtPosition(alpha=0.86))
    assert near is not None
    assert near.params.alpha == 0.9
    assert cache.nearest(AtPosition(alpha=0.86, view="other")) is None
    assert distance(AtPosition(alpha=0.0), AtPosition(alpha=1.0)) == 1.0
    cache.put(LiveAnswer(0, AtPosition(alpha=0.9), result, nbytes=5000))
    assert len(cache) == 1, "one answer is always kept"


def test_folders_of_dead_windows_are_removed(tmp_path: Path) -> None:
    living = Scratch(tmp_path)
    dead = tmp_path / f"{PREFIX}dead"
    dead.mkdir()
    (dead / "owner").touch()
    (dead / "array-1.npy").touch()
    half = tmp_path / f"{PREFIX}half-made"
    half.mkdir()
    another = Scratch(tmp_path)
    assert not dead.exists()
    assert half.exists(), "its owner may be about to write into it"
    assert living.folder.exists()
    empty = another.hand_over(np.zeros((0, 2)))
    assert taken(empty).shape == (0, 2)
    living.close()
    another.close()
    assert not living.folder.exists()


@pytest.mark.skipif(os.name != "posix", reason="asks for permissions")
def test_the_scratch_folder_is_private(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    assert scratch.folder.stat().st_mode & 0o077 == 0
    scratch.close()


def analysis_spec(folder: Path, **more: Any) -> dict[str, Any]:
    inputs = Inputs((section(mark=str(folder / "mark")),), seed=1)
    return {
        "analysis": "toy-halves",
        "modules": ["toy"],
        "params": {"steps": 3},
        "inputs": str(parcels.write(inputs, folder / "inputs")),
        "out": str(folder / "out"),
        **more,
    }


def test_an_analysis_gives_the_same_in_worker_in_line_and_here(
    workers: Workers, tmp_path: Path
) -> None:
    spec = analysis_spec(tmp_path)
    progress: Heard[Any] = Heard()
    outcome = workers.submit(analysis_job.RUN, spec, on_progress=progress).wait(20)
    assert outcome is not None
    assert outcome.error is None
    in_worker = parcels.read(outcome.reference)
    assert progress.items[-1].fraction == 1.0
    in_line = parcels.read(
        run_in_line(analysis_job.RUN, {**spec, "out": str(tmp_path / "in line")})
    )
    toy = ToyAnalysis()
    here = finish(toy.run(parcels.read(spec["inputs"]), toy.Params(steps=3)))
    assert same(in_worker, here)
    assert same(in_line, here)
    assert here.part("half").codes.tolist() == [0, 0, 0, 0, 1, 1, -1, -1]  # type: ignore[union-attr]


def test_a_cancelled_analysis_is_closed_and_writes_nothing(
    workers: Workers, tmp_path: Path
) -> None:
    spec = analysis_spec(tmp_path, params={"steps": 100_000_000})
    progress: Heard[Any] = Heard()
    run = workers.submit(analysis_job.RUN, spec, on_progress=progress)
    assert progress.wait(lambda p: len(p) > 0, 20)
    run.cancel()
    outcome = run.wait(10)
    assert outcome is not None
    assert outcome.state == "cancelled"
    assert until(lambda: (tmp_path / "mark").exists())
    assert not (tmp_path / "out").exists()


def test_a_live_analysis_is_opened_from_files(workers: Workers, tmp_path: Path) -> None:
    spec = analysis_spec(tmp_path)
    spec["result"] = run_in_line(analysis_job.RUN, spec)
    answers: Heard[LiveAnswer] = Heard()
    errors: Heard[StmlError] = Heard()
    session = workers.open_live(
        analysis_job.LIVE, spec, AtPosition, on_answer=answers, on_error=errors
    )
    session.update(AtPosition(alpha=1.0))
    assert answers.wait(lambda a: len(a) == 1), errors.items
    half = answers.items[0].result.part("half")
    assert half.codes.tolist() == [1, 1, 1, 1, 0, 0, -1, -1]  # type: ignore[union-attr]
    session.close()


def test_an_unknown_analysis_is_named(workers: Workers, tmp_path: Path) -> None:
    spec = analysis_spec(tmp_path, analysis="no-such-thing")
    outcome = workers.submit(analysis_job.RUN, spec).wait(10)
    assert outcome is not None
    with pytest.raises(StmlError, match=r"no such analysis \(no-such-thing\)"):
        raise outcome.error or AssertionError
