from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

from napari_stml.core.params import Params, param
from napari_stml.widgets.form import Form
from napari_stml.widgets.form_rows import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytestqt.qtbot import QtBot

    from napari_stml.core.params import Source


class Everything(Params):
    k: int = param(7, title="Clusters", help="How many.", ge=1, le=50)
    radius: float = param(150.0, title="Radius", help="Around a spot.", unit="um", gt=0)
    method: Literal["leiden", "k-means"] = param("leiden", title="Method", help="Which.")
    smooth: bool = param(False, title="Smooth", help="Over neighbours.")
    column: str = param("", title="Column", help="Labels.", source="category")
    batch: str | None = param(None, title="Batch", help="Optional.", source="category", rare=True)
    cutoff: float | None = param(None, title="Cutoff", help="Optional.", rare=True)
    genes: tuple[str, ...] = param((), title="Genes", help="Typed.", source="genes")
    classes: tuple[str, ...] = param((), title="Classes", help="Drawn.", source="region_class")
    names: tuple[tuple[str, str], ...] = param((("a", "b, c"),), title="Names", help="Pairs.")
    weights: str = param("", title="Weights", help="A file.", source="file")


def answers(source: Source) -> Sequence[str]:
    return {"category": ["domain", "label"], "region_class": ["tumour", "stroma"]}.get(source, [])


@pytest.fixture
def form(qtbot: QtBot) -> Form:
    made = Form(Everything, answers)
    qtbot.addWidget(made)
    return made


def test_an_untouched_form_gives_the_defaults(form: Form) -> None:
    assert form.values() == Everything()


def test_what_is_filled_in_comes_out(form: Form) -> None:
    wanted = Everything(
        k=3,
        radius=75.5,
        method="k-means",
        smooth=True,
        column="label",
        batch="domain",
        cutoff=0.25,
        genes=("ERBB2", "CD3D"),
        classes=("stroma",),
        names=(("T cells", "CD3D, CD3E"), ("B", "MS4A1")),
        weights="/tmp/w.safetensors",
    )
    form.show_values(wanted)
    assert form.values() == wanted
    form.show_values(Everything())
    assert form.values() == Everything()


def test_a_number_is_what_was_typed_not_what_its_first_digit_became(qtbot: QtBot) -> None:
    class Genes(Params):
        genes: int = param(2000, title="Genes", help="How many.", ge=20, le=50_000)

    made = Form(Genes, answers)
    qtbot.addWidget(made)
    line = made.rows["genes"].widget.native.findChild(QLineEdit)
    line.selectAll()
    QTest.keyClicks(line, "1000")
    assert line.text() == "1000"
    assert made.values() == Genes(genes=1000)


def test_labels_speak_of_units_and_help(form: Form) -> None:
    widget = form.rows["radius"].widget
    assert widget.label == "Radius (um)"
    assert widget.tooltip == "Around a spot."
    assert NOTHING in form.rows["batch"].widget.choices


def test_a_wrong_value_is_said_in_the_form_and_given_to_nobody(form: Form, qtbot: QtBot) -> None:
    with qtbot.waitSignal(form.changed):
        form.rows["cutoff"].widget.value = "many"
    assert form.values() is None
    assert "Cutoff" in form.error.text()
    form.rows["cutoff"].widget.value = "0.5"
    values = form.values()
    assert isinstance(values, Everything)
    assert values.cutoff == 0.5
    assert form.error.text() == ""


def test_rare_fields_wait_under_more(form: Form) -> None:
    form.show()
    assert not form.rows["batch"].widget.native.isVisible()


class Depending(Params):
    method: Literal["leiden", "k-means"] = param("leiden", title="Method", help="Which.")
    k: int = param(7, title="Clusters", help="How many.", ge=1, when={"method": "k-means"})
    finer: float = param(1.0, title="Finer", help="Fine.", rare=True, when={"method": "leiden"})


def test_only_fields_that_apply_are_shown_and_the_others_have_their_default(qtbot: QtBot) -> None:
    form = Form(Depending, answers)
    qtbot.addWidget(form)
    form.show_values(Depending(method="k-means", k=3))
    assert not form.rows["k"].widget.native.isHidden()
    assert form.rows["finer"].widget.native.isHidden()
    form.rows["method"].widget.value = "leiden"
    assert form.rows["k"].widget.native.isHidden()
    assert form.values() == Depending()
    form.rows["method"].widget.value = "k-means"
    assert form.values() == Depending(method="k-means", k=3), "what was typed is kept"
