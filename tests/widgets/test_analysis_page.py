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
