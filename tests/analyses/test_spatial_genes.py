"""Patterns in space and ligand-receptor pairs, through squidpy, on the section of three bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.analyses.ligand_receptor import known_pairs
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Categories
from napari_stml.methods.expression.signals import SIGNALS

if TYPE_CHECKING:
    from pathlib import Path

GENES = ("HK0", "TG0", "TG1")
PAIRS = ("TG0:SG0", "tg1:TG2", "HK0:HK1", "TG0:NOWHERE")
SPEAKS: dict[str, Any] = {"column": "domain", "pairs": PAIRS, "shuffles": 100}


@pytest.mark.parametrize(("statistic", "patterned"), [("Moran's I", 1), ("Geary's C", -1)])
def test_marks_of_a_band_are_patterned(statistic: str, patterned: int, toy: Any, run: Any) -> None:
    noise = np.random.default_rng(1).normal(size=len(toy.names))
    seen = toy.with_(columns={"noise": noise})
    done = run("spatial-genes", seen, genes=("TG0", "TG1"), columns=("noise",),
               statistic=statistic, shuffles=99)  # fmt: skip
    table = done.part("patterns").columns
    assert set(table["name"][:2]) == {"TG0", "TG1"}
    size = dict(zip(table["name"], table[statistic], strict=True))
    assert patterned * (size["TG0"] - size["noise"]) > 0.1
    p = dict(zip(table["name"], table["p"], strict=True))
    assert p["TG0"] == pytest.approx(0.01)
    assert p["noise"] > 0.02
    assert dict(zip(table["name"], table["z"], strict=True))["TG0"] * patterned > 3
    assert done.charts[0].links[0].ids == (*table["name"][:2], "")


def test_morans_i_is_the_formula(toy: Any, run: Any) -> None:
    from napari_stml.analyses._niche.selected import touching
    from napari_stml.analyses._niche.touch import place_only
    from napari_stml.analyses._shared.inside import inside

    level = np.random.default_rng(0).normal(size=len(toy.names)) + toy.domain
    seen = toy.with_(columns={"level": level})
    found = run("spatial-genes", seen, columns=("level",), shuffles=0)
    section = found.inputs.one
    params = found.analysis.Params(columns=("level",))
    edges, _ = touching(place_only(inside(section), params))
    away = level - level.mean()
    ends = np.concatenate([edges, edges[:, ::-1]])
    near = np.bincount(ends[:, 0], weights=away[ends[:, 1]]) / np.bincount(ends[:, 0])
    expected = (away * near).sum() / (away**2).sum()  # the neighbours of each weigh 1 together
    assert found.part("patterns").columns["Moran's I"][0] == pytest.approx(expected, rel=1e-3)


def test_fields_of_view_are_never_linked(toy: Any, run: Any) -> None:
    half = Categories((toy.array[:, 0] >= 8).astype(np.int32), ("a", "b"))
    seen = toy.with_(columns={"fov": half})
    whole, apart = (
        int(run("spatial-genes", seen, genes=GENES, shuffles=0, **more)
            .result.notes[0].split()[0].replace(",", ""))
        for more in ({}, {"fields": "fov"})
    )  # fmt: skip
    assert 0 < whole - apart < 40


def test_what_cannot_be_tested_is_said(toy: Any, run: Any) -> None:
    with pytest.raises(StmlError, match="Nothing was chosen"):
        run("spatial-genes", toy)
    with pytest.raises(StmlError, match="no size"):
        run("spatial-genes", toy, columns=("domain",))
    flat = toy.with_(
        columns={"flat": np.ones(len(toy.names)), "some": np.full(len(toy.names), np.nan)}
    )
    with pytest.raises(StmlError, match="one value everywhere"):
        run("spatial-genes", flat, columns=("flat",))
    with pytest.raises(StmlError, match="Only 0 have all values"):
        run("spatial-genes", flat, columns=("some",))
    done = run("spatial-genes", flat, columns=("flat",), genes=("TG0",), shuffles=0)
    assert any("left out: flat" in note for note in done.result.notes)
    with pytest.raises(StmlError, match="in contact"):
        run("spatial-genes", toy, genes=("TG0",), touch="radius", radius=1)


def test_marks_of_two_types_speak_between_them(toy: Any, run: Any) -> None:
    done = run("ligand-receptor", toy, **SPEAKS)
    table = done.part("ligands and receptors").columns
    rows = list(zip(*(table[k] for k in ("ligand", "receptor", "from", "to")), strict=True))
    p = dict(zip(rows, table["p"], strict=True))
    assert p["TG1", "TG2", "tumour", "tumour"] < 0.02
    assert p["TG1", "TG2", "immune", "immune"] > 0.5
    assert min(p.values()) > 0
    assert any("1 of 4 pairs lack a gene" in note for note in done.result.notes)
    counts = dict(zip(rows, table["contacts"], strict=True))
    assert counts["TG1", "TG2", "tumour", "immune"] == 0  # the bands do not touch
    assert done.charts[0].chart == "matrix"


@pytest.mark.parametrize("name", ["spatial-genes", "ligand-receptor"])
def test_equal_seeds_give_equal_numbers(name: str, toy: Any, run: Any) -> None:
    given = SPEAKS if name == "ligand-receptor" else {"genes": GENES}
    first, second = (run(name, toy, seed=4, **given).result.parts for _ in range(2))
    assert str(first) == str(second)


def test_pairs_come_from_a_file_and_bad_ones_are_refused(
    toy: Any, run: Any, tmp_path: Path
) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("Source,Target\nTG0,TG1\n,TG2\n", encoding="utf-8")
    done = run("ligand-receptor", toy, column="domain", file=str(file), shuffles=20)
    assert set(done.part("ligands and receptors").columns["ligand"]) == {"TG0"}
    file.write_text("a,b\nTG0,TG1\n", encoding="utf-8")
    with pytest.raises(StmlError, match="No columns ligand and receptor"):
        run("ligand-receptor", toy, column="domain", file=str(file))
    with pytest.raises(StmlError, match="is no pair"):
        run("ligand-receptor", toy, column="domain", pairs=("TG0",))
    with pytest.raises(StmlError, match=f"None of the {len(SIGNALS)} pairs"):
        run("ligand-receptor", toy, column="domain")
    with pytest.raises(StmlError, match="No column of cell types"):
        run("ligand-receptor", toy)
    assert known_pairs([("tg0", "Tg1"), ("X", "TG0")], ("TG0", "TG1")) == ([("TG0", "TG1")], 1)
