"""A page says before a Run what it will take for what, where its analysis knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.core.params import Params, param
from napari_stml.widgets.analysis_page import AnalysisPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytestqt.qtbot import QtBot


class FileParams(Params):
    file: str = param(title="File", help="One.", min_length=1)
    people: int = param(0, title="People", help="How many.", ge=0)


class Foreseeing:
    """Says what it reads."""

    name, title, tab, context, sections = "foreseeing", "Foreseeing", "gwas", "inside", "one"
    Params = FileParams

    @staticmethod
    def foresee(params: FileParams) -> Sequence[str]:
        if params.file == "lost":
            raise StmlError("There is no such file", where=params.file)
        return [f"{params.file}: p_value -> P"] + ["no people"] * (params.people == 0)


class Silent:
    """Says nothing."""

    name, title, tab, context, sections = "silent", "Silent", "gwas", "inside", "one"
    Params = FileParams


def test_what_is_taken_for_what_follows_the_form(qtbot: QtBot) -> None:
    page = AnalysisPage({"foreseeing": Foreseeing, "silent": Silent})
    qtbot.addWidget(page)
    page.offer(lambda _: ())
    form: Any = page.form
    assert page.ahead.isHidden()
    form.rows["file"].write("a.txt")
    qtbot.waitUntil(lambda: page.ahead.text() == "a.txt: p_value -> P\nno people")
    form.rows["people"].write(5)
    qtbot.waitUntil(lambda: page.ahead.text() == "a.txt: p_value -> P")
    form.rows["file"].write("lost")
    qtbot.waitUntil(lambda: "no such file" in page.ahead.text())
    page.choose("silent")
    assert page.ahead.isHidden()


class NamingParams(Params):
    kind: str = param("", title="Kind", help="A class.", source="region_class")
    people: int = param(0, title="People", help="How many.", ge=0)


class Naming:
    """Asks for a class."""

    name, title, tab, context, sections = "naming", "Naming", "gwas", "inside", "one"
    Params = NamingParams


def test_what_was_written_stays_when_there_is_more_to_name(qtbot: QtBot) -> None:
    page = AnalysisPage({"naming": Naming, "silent": Silent})
    qtbot.addWidget(page)
    kinds = ["tumour"]
    page.offer(lambda _: kinds)
    form: Any = page.form
    form.rows["people"].write(5)
    kinds = ["stroma", "tumour"]
    page.offer(lambda _: kinds)
    page.choose("silent")
    other: Any = page.form
    other.rows["file"].write("a.txt")
    page.choose("naming")
    again: Any = page.form
    assert again is not form
    assert again.values() == NamingParams(people=5)
    assert list(again.rows["kind"].widget.choices)[-2:] == kinds
    again.rows["kind"].write("tumour")
    kinds = ["stroma"]
    page.offer(lambda _: kinds)
    assert page.form is not None
    assert page.form.values() == NamingParams(people=5), "the class is no more"
    page.choose("silent")
    assert page.form.values() == FileParams(file="a.txt")


def test_a_form_is_drawn_when_it_is_looked_at_and_keeps_the_keys(qtbot: QtBot) -> None:
    drawn: list[str] = []

    def answers(source: str) -> Sequence[str]:
        drawn.append(source)
        return ("tumour",)

    page = AnalysisPage({"naming": Naming})
    qtbot.addWidget(page)
    page.offer(answers)
    page.offer(answers)
    assert not drawn
    with qtbot.waitExposed(page):
        page.show()
    assert drawn == ["region_class"]
    form: Any = page.form
    form.rows["people"].widget.native.setFocus()
    assert form.in_hand() == "people"
    page.offer(answers)
    assert page.form is not form
    assert page.form is not None
    assert page.form.in_hand() == "people"
