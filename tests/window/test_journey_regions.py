"""A pathologist's first hour: draw, class, undo, re-run, compare, take out, come back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely
from cohort import write_section
from hands import answer_file, choose, click, drop, pick, take, with_dialog, with_menu
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QTableWidget, QToolButton
from tissue_hands import CONTROL, LONG, SHIFT, drag, fill, offers, picture, press, run

from napari_stml import Section
from napari_stml.widgets.dock import REGIONS, RUNS

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_stml.widgets.dock import StmlDock


def test_a_pathologists_journey(dock: StmlDock, qtbot: QtBot, tmp_path: Path) -> None:
    file = write_section(tmp_path / "biopsy.h5ad", 0)
    assert drop(dock, file)
    desk = dock.regions.desk
    qtbot.waitUntil(lambda: not dock.busy and desk.book is not None, timeout=LONG)
    state, section = dock.state, dock.state.current.section  # type: ignore[union-attr]
    (left, top), (right, bottom) = section.observations.xy.min(0), section.observations.xy.max(0)
    wide, high = right - left, bottom - top

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x * wide, top + y * high

    # draw two regions, each with a class by its key
    click(dock.rail._buttons[REGIONS])
    click(dock.regions.tools.buttons["rectangle"])
    press(dock, Qt.Key.Key_1)
    drag(dock, at(0.03, 0.05), at(0.2, 0.4), at(0.45, 0.95))
    press(dock, Qt.Key.Key_R)
    drag(dock, at(0.55, 0.05), at(0.7, 0.4), at(0.97, 0.95))
    press(dock, Qt.Key.Key_2)
    drawing = desk.drawing
    assert drawing is not None
    assert [r.kind for r in drawing.regions] == ["Tumour", "Stroma"]
    picture(dock, "1-drawn")
    # a mistake, undone and done again
    press(dock, Qt.Key.Key_Delete)
    assert len(drawing) == 1
    press(dock, Qt.Key.Key_Z, CONTROL)
    assert [r.kind for r in drawing.regions] == ["Tumour", "Stroma"]
    press(dock, Qt.Key.Key_Z, CONTROL | SHIFT)
    assert len(drawing) == 1
    click(dock.regions.undo)
    assert len(drawing) == 2
    # clusters of the tumour: a preview first, then the whole of it
    page = next(t for t, p in dock.pages.items() if offers(p, "clusters"))
    click(dock.rail._buttons[page])
    shown: Any = dock.pages[page]
    choose(shown.picker, shown._analyses["clusters"].title)
    qtbot.waitUntil(lambda: dock.scope.box.findText("regions: Tumour") >= 0, timeout=LONG)
    choose(dock.scope.box, "regions: Tumour")
    first = run(dock, qtbot, page, preview=True)
    assert section.shelf.records[first].scope["title"].startswith("preview: visible field")
    click(dock.rail._buttons[page])
    second = run(dock, qtbot, page)
    assert first not in section.shelf.records, "the Run took its preview's place"
    inside = section.shelf.records[second].scope["members"]
    tumour = drawing.regions[0]
    assert inside == desk.book.count(tumour) > 20  # type: ignore[union-attr]
    assert state.current.shown.name.startswith(second)  # type: ignore[union-attr]
    picture(dock, "2-clusters-of-the-tumour")
    # genes of the tumour against the stroma
    page = next(t for t, p in dock.pages.items() if offers(p, "region-genes"))
    click(dock.rail._buttons[page])
    choose(dock.scope.box, "whole section")
    shown = dock.pages[page]
    choose(shown.picker, shown._analyses["region-genes"].title)
    for name, kind in (("first", "Tumour"), ("second", "Stroma")):
        fill(shown.form.rows[name].widget.native, kind)
    compared = run(dock, qtbot, page)
    table = dock.runs.panel.findChildren(QTableWidget)[0]  # type: ignore[union-attr]
    best = table.item(0, 0)
    assert best is not None
    assert best.text() in {f"G{i}" for i in range(12, 24)}, "a gene of the left half"
    click(table.viewport(), table.visualItemRect(best).center())
    qtbot.waitUntil(lambda: state.current.shown.name == best.text(), timeout=LONG)  # type: ignore[union-attr]
    picture(dock, "3-genes-of-the-tumour")
    # a figure and the outlines go out
    menu: Any = dock.head.button.menu()
    for ending in ("pdf", "png"):
        figure = tmp_path / f"figure.{ending}"
        with_menu(
            lambda m, to=figure: with_dialog(
                answer_file(to), lambda: take(m, "Figure of the section")
            ),
            lambda: menu.exec(dock.head.button.mapToGlobal(QPoint(0, 20))),
        )
        qtbot.waitUntil(figure.exists, timeout=LONG)
        qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    assert figure.read_bytes().startswith(b"\x89PNG")
    if os.environ.get("STML_PICTURES"):
        (Path(os.environ["STML_PICTURES"]) / "4-figure.png").write_bytes(figure.read_bytes())
    click(dock.rail._buttons[REGIONS])
    outlines = tmp_path / "tumour.geojson"
    button: QToolButton = dock.regions.file
    with_menu(
        lambda m: with_dialog(answer_file(outlines), lambda: take(m, "Write GeoJSON ...")),
        lambda: button.menu().exec(button.mapToGlobal(QPoint(0, 20))),  # type: ignore[union-attr]
    )
    qtbot.waitUntil(lambda: outlines.exists() and not dock.busy, timeout=LONG)
    said = json.loads(outlines.read_text())
    features = said["features"] if isinstance(said, dict) else said
    kinds = [f["properties"]["classification"]["name"] for f in features]
    assert kinds == ["Tumour", "Stroma"]
    # the section is closed, and is what it was when it is opened again
    was = [(r.kind, r.outline) for r in drawing.regions]
    with_menu(
        lambda m: take(m, "Close this section"),
        lambda: menu.exec(dock.head.button.mapToGlobal(QPoint(0, 20))),
    )
    assert not state.views
    assert dock.head.name.text() == "No section open"
    assert not len(dock.viewer.layers)
    assert desk.drawing is None
    assert not dock.runs.list.count()
    assert not dock.pages[page].isEnabled()
    picture(dock, "5-closed")
    assert drop(dock, file)
    qtbot.waitUntil(lambda: not dock.busy and desk.drawing is not None, timeout=LONG)
    assert [(r.kind, r.outline) for r in desk.drawing.regions] == was  # type: ignore[union-attr]
    assert dock.regions.banner.isHidden(), "nothing was lost"
    click(dock.rail._buttons[RUNS])
    listed = [dock.runs.list.item(i).data(Qt.ItemDataRole.UserRole)  # type: ignore[union-attr]
              for i in range(dock.runs.list.count())]  # fmt: skip
    assert {second, compared} <= set(listed)
    pick(dock.runs.list, listed.index(second))
    qtbot.waitUntil(lambda: dock.runs.panel is not None, timeout=LONG)
    click(dock.rail._buttons[REGIONS])
    press(dock, Qt.Key.Key_R)
    drag(dock, at(0.46, 0.4), at(0.5, 0.5), at(0.54, 0.6))
    assert len(desk.drawing) == 3, "it can be drawn on again"  # type: ignore[arg-type]
    picture(dock, "6-open-again")
    # the window goes; a program without one finds the same
    dock.shut()
    dock.state.close()
    with Section.open(file) as again:
        kept = again.shelf.regions()  # type: ignore[union-attr]
        assert {second, compared} <= set(again.shelf.records)  # type: ignore[union-attr]
        assert len(kept) == 3
        for region, (_, outline) in zip(kept, was, strict=False):
            assert shapely.from_wkb(region.outline).equals(outline)
