"""Several maps on one sheet: their scales, magnification, legends and report."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.errors import StmlError
from napari_stml.figures.panels import Panel, panel_figure
from napari_stml.figures.tissue import Print

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.figures.drawing import Drawing
    from napari_stml.io.section import Section

    Make = Callable[..., Section]

SHEET = Print(width_mm=160, dpi=80)


def maps(drawing: Drawing) -> list[Any]:
    return [a for a in drawing.figure.axes if a.get_label() == "tissue"]


def bars(drawing: Drawing) -> list[Any]:
    return [a for a in drawing.figure.axes if a.get_label() == "colour bar"]


def limits(drawing: Drawing) -> list[list[float]]:
    return [panel["value"]["limits"] for panel in drawing.report["panels"]]


def test_genes_share_one_scale_and_one_colour_bar(make: Make) -> None:
    section = make()
    drawing = panel_figure([Panel(section, "A"), Panel(section, "B")], SHEET)
    assert len(maps(drawing)) == 2
    assert len(bars(drawing)) == 1
    assert limits(drawing)[0] == limits(drawing)[1]
    own = panel_figure([Panel(section, "A"), Panel(section, "score")], SHEET)
    assert len(bars(own)) == 2
    assert limits(own)[0] != limits(own)[1]
    assert own.report["scales"] == "own"
    forced = panel_figure([Panel(section, "A"), Panel(section, "score")], SHEET, scales="shared")
    assert limits(forced)[0] == limits(forced)[1]
    apart = panel_figure([Panel(section, "A"), Panel(section, "B")], SHEET, scales="own")
    assert len(bars(apart)) == 2


def test_limits_that_are_asked_for_hold(make: Make) -> None:
    from dataclasses import replace

    section = make()
    panels = [Panel(section, "A"), Panel(section, "B")]
    assert limits(panel_figure(panels, replace(SHEET, limits=(2.0, 7.0)))) == [[2.0, 7.0]] * 2
    window = [Panel(section, "A", limits=(0.0, 4.0)), Panel(section, "B", limits=(1.0, 9.0))]
    assert limits(panel_figure(window, SHEET, scales="own")) == [[0.0, 4.0], [1.0, 9.0]]


def test_sections_have_one_magnification_and_values_their_scale(make: Make) -> None:
    sections = [make(name="one"), make(name="two", um_per_px=1.0)]
    panels = [Panel(s, v) for s in sections for v in ("A", "domain")]
    drawing = panel_figure(panels, SHEET, columns=2)
    wide = [axes.get_position().width for axes in maps(drawing)]
    assert wide[2] == pytest.approx(2 * wide[0], rel=0.02), "200 and 400 um of tissue"
    assert [p["title"] for p in drawing.report["panels"]] == [
        "one: A", "one: domain", "two: A", "two: domain"
    ]  # fmt: skip
    numbers = [p["value"].get("limits") for p in drawing.report["panels"]]
    assert numbers[0] == numbers[2] is not None
    assert numbers[1] is None
    bar = [p["scale_bar"] for p in drawing.report["panels"]]
    for said, axes in zip(bar, maps(drawing), strict=True):
        px = axes.get_window_extent().width
        um = (axes.get_xlim()[1] - axes.get_xlim()[0]) * (0.5 if said is bar[0] or said is bar[1]
                                                         else 1.0)  # fmt: skip
        assert said["px"] == pytest.approx(said["um"] / um * px, abs=1)


def test_classes_of_two_sections_have_one_legend_of_all(make: Make) -> None:
    first = make(name="one", codes=np.zeros(400, int))
    second = make(name="two", codes=np.ones(400, int))
    drawing = panel_figure([Panel(first, "domain"), Panel(second, "domain")], SHEET)
    words = [t.get_text() for a in drawing.figure.axes for t in a.texts]
    assert {"stroma", "tumour"} <= set(words)
    assert words.count("stroma") == 1
    assert drawing.report["scales"] == "shared"
    other = make(name="three", classes=("tumour", "fat"))
    differing = panel_figure([Panel(first, "domain"), Panel(other, "domain")], SHEET)
    assert differing.report["scales"] == "own", "tumour has two colours"
    with pytest.raises(StmlError, match="cannot share"):
        panel_figure([Panel(first, "domain"), Panel(first, "A")], SHEET, scales="shared")


def test_a_slide_beside_its_values(make: Make) -> None:
    drawing = panel_figure([Panel(make(), "slide"), Panel(make(), "A")], SHEET)
    assert "value" not in drawing.report["panels"][0]
    assert [p["title"] for p in drawing.report["panels"]] == ["slide", "A"]
    assert json.loads(drawing.report_text)["panels"][1]["value"]["name"] == "A"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_nothing_overlaps_or_leaves_the_sheet(make: Make, count: int) -> None:
    section = make()
    drawing = panel_figure([Panel(section, v) for v in ("A", "domain", "score") * 3][:count], SHEET)
    boxes = [a.get_position() for a in maps(drawing) + bars(drawing)]
    assert len(maps(drawing)) == count
    for i, a in enumerate(boxes):
        assert min(a.x0, a.y0) >= 0
        assert max(a.x1, a.y1) <= 1
        assert not any(a.overlaps(b) and min(a.x1, b.x1) - max(a.x0, b.x0) > 1e-3
                       for b in boxes[i + 1:])  # fmt: skip
    text = drawing.encoded(".svg")[0].decode()
    assert ">score<" in text or count < 3


def test_panels_of_one_section_are_equally_large_without_a_scale_too(make: Make) -> None:
    section = make(um_per_px=None)
    drawing = panel_figure([Panel(section, v) for v in ("slide", "domain", "A")], SHEET)
    wide = [axes.get_position().width for axes in maps(drawing)]
    assert wide == pytest.approx([wide[0]] * 3, rel=0.01)


def test_too_many_for_the_width_is_said(make: Make) -> None:
    section = make()
    with pytest.raises(StmlError, match="fit beside"):
        panel_figure([Panel(section, "domain"), Panel(section, "score")] * 4,
                     Print(width_mm=60, dpi=80), columns=8)  # fmt: skip
    with pytest.raises(StmlError, match="a value at least"):
        panel_figure([])


def test_names_without_end_or_with_marks_leave_room_for_the_maps(make: Make) -> None:
    names = ("<script>alert(1)</script>", "x" * 5000)
    section = make(classes=names, column="\"'><img src=x onerror=y>")
    drawing = panel_figure([Panel(section, v) for v in ("\"'><img src=x onerror=y>", "A", "score")],
                           SHEET)  # fmt: skip
    assert min(a.get_position().width for a in maps(drawing)) * SHEET.width_mm > 20
    root = ET.fromstring(drawing.encoded(".svg")[0])
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "img"}
    assert max(len(t.get_text()) for a in drawing.figure.axes for t in a.texts) < 130
