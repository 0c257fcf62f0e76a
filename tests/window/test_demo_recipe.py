"""The recipe of the demo, three ways: clicked in the dock, typed, and on a two-process cluster.

The recipe is that of the documentation, on a small demo with the same names.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cohort import assert_equal_bits
from hands import choose, click, write
from qtpy.QtCore import QPoint
from small_demo import write_small_demo

from napari_stml import Section
from napari_stml.cli import main
from napari_stml.core.results import Chart, GeneValues, Graph, Labels, Matrix, Table, Values
from napari_stml.runs.cluster import cluster
from napari_stml.runs.recipe import read_recipe
from napari_stml.runs.recipe_run import follow
from napari_stml.widgets.analysis_page import AnalysisPage

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_stml.runs.recipe import Recipe, Step
    from napari_stml.widgets.dock import StmlDock

RECIPE = Path(__file__).parents[2] / "docs" / "recipes" / "demo.yaml"
LONG = 600_000


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the demo's, its sections of some hundred spots."""
    folder = write_small_demo(tmp_path_factory.mktemp("demo"))
    shutil.copy(RECIPE, folder / RECIPE.name)
    return folder


@pytest.fixture(scope="module")
def typed(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed") / "demo"
    shutil.copytree(demo, folder)
    assert main(["recipe", str(folder / RECIPE.name)]) == 0
    return folder


def test_the_cluster_gives_what_was_typed(
    demo: Path, typed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(demo, folder)
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    with cluster("local", workers=2, warn=print) as on:
        report = follow(read_recipe(folder / RECIPE.name), runner=on)
    assert not report.failed, [e.text for e in report.events if e.state == "failed"]
    assert_the_same(folder, typed)


def test_clicks_in_the_dock_give_what_was_typed(
    dock: StmlDock, qtbot: QtBot, demo: Path, typed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(demo, folder)
    recipe = read_recipe(folder / RECIPE.name)
    entry = recipe.sections[0]
    dock.open(folder / str(entry.path), **entry.choices)
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    ids: dict[str, str] = {}
    for step in recipe.steps:
        ids[step.label] = clicked(dock, qtbot, recipe, step, ids)
    assert_the_same(folder, typed, sections=1)


def clicked(dock: StmlDock, qtbot: QtBot, recipe: Recipe, step: Step, ids: dict[str, str]) -> str:
    """Do one step as a user does; the Run's id."""

    def named(text: str) -> str:
        name, slash, rest = text.partition("/")
        return f"{ids.get(name, name)}{slash}{rest}"

    click(dock.rail._buttons["Prepare"])
    page = dock.pages["Prepare"]
    assert isinstance(page, AnalysisPage)
    choose(page.picker, page._analyses[step.analysis].title)
    assert page.form is not None
    if not page.form.more.isHidden():
        click(page.form.more.button)
    given = recipe.params(step, {k: named(v) for k, v in step.values_from.items()})
    for name, value in given.model_dump(exclude_defaults=True).items():
        fill(page.form.rows[name].widget.native, value)
    scope = step.scope.filter if step.scope is not None else ()
    wanted = "whole section"
    if scope:
        value, _, kept = scope[0].partition("=")
        wanted = f"{kept} by {named(value).partition('/')[0]}"
    choose(dock.scope.box, wanted)
    ended: list[Any] = []
    dock.control.published.connect(lambda planned, _records: ended.append(planned.spec.run_id))
    dock.control.failed.connect(lambda _planned, words: ended.append(RuntimeError(words)))
    click(page.button)
    said = page.form.error.text() or dock._message.text()
    assert dock.control.active, f"{step.label} did not begin: {said}"
    qtbot.waitUntil(lambda: bool(ended), timeout=LONG)
    assert isinstance(ended[0], str), ended[0]
    return ended[0]


def fill(native: Any, value: Any) -> None:
    """By mouse and keys, whatever the row is made of."""
    from qtpy.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QLineEdit

    if isinstance(native, QCheckBox):
        if native.isChecked() is not value:
            click(native, QPoint(10, native.height() // 2))  # its box is at the left
        assert native.isChecked() is value
    elif isinstance(native, QComboBox):
        choose(native, str(value))
    else:
        line = native if isinstance(native, QLineEdit) else native.findChild(QLineEdit)
        assert line is not None, native
        write(line, f"{value:g}" if isinstance(native, QAbstractSpinBox) else str(value))


def assert_the_same(folder: Path, other: Path, sections: int = 2) -> None:
    """Every value of every Run, bit for bit; and the Runs say the same of themselves."""
    for i, entry in enumerate(read_recipe(folder / RECIPE.name).sections[:sections]):
        one, two = (
            stored(f / str(entry.path), entry.choices, f"-{i + 1}") for f in (folder, other)
        )
        assert one[1].keys() == two[1].keys()
        for run, said in one[1].items():
            mine, theirs = json.loads(said), json.loads(two[1][run])
            apart = {k for k in mine["params"] if mine["params"][k] != theirs["params"].get(k)}
            assert not apart, f"{run} was asked otherwise: {apart}"
            assert mine == theirs, run
        assert_equal_bits(one[0], two[0])


def stored(
    path: Path, choices: dict[str, Any], ending: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Of the Runs whose ids end so: their values, and what decides whether two are the same."""
    values: dict[str, Any] = {}
    with Section.open(path, **choices) as section:
        shelf = section.shelf
        assert shelf is not None
        records = {run: r for run, r in shelf.records.items() if run.endswith(ending)}
        for run in records:
            for entry in shelf.entries(run):
                part, key = shelf.part(run, entry.name), f"{run}/{entry.name}"
                if isinstance(part, Values | Matrix | GeneValues):
                    values[key] = np.asarray(part.values)
                elif isinstance(part, Labels):
                    values[key] = np.asarray((*part.categories, ""), object)[part.codes]
                elif isinstance(part, Graph):
                    values[key] = part.matrix.toarray()
                elif isinstance(part, Table):
                    values |= {f"{key}/{c}": np.asarray(v) for c, v in part.columns.items()}
                elif isinstance(part, Chart):
                    values[key] = np.asarray(repr(part.data))
        said = {run: record.signature_text for run, record in records.items()}
        signatures = {run: text.replace(str(path.parent), "") for run, text in said.items()}
        return values, signatures
