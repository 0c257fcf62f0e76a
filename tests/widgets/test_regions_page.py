"""A pathologist draws: by mouse and keys on the real canvas, with undo, files and recovery."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget
from scipy.sparse import csr_matrix

from napari_stml.regions.region import Drawn
from napari_stml.runs.desk import analyses
from napari_stml.runs.settings import WorkerSettings
from napari_stml.runs.stale import INPUT, SCOPE
from napari_stml.viewer._compat import canvas_widget
from napari_stml.widgets.dock import REGIONS, RUNS, StmlDock
from napari_stml.widgets.run_control import RunControl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

SIDE = 24
LONG = 120_000
ALT, SHIFT = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ShiftModifier
CONTROL = Qt.KeyboardModifier.ControlModifier
NONE = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """576 spots, tumour left and stroma right, as .h5ad."""
    import anndata as ad
    import pandas as pd

    rng = np.random.default_rng(0)
    row, column = (a.ravel() for a in np.mgrid[:SIDE, :SIDE])
    left = column < SIDE // 2
    rate = np.ones((SIDE * SIDE, 60))
    rate[left, :20], rate[~left, 20:40] = 8, 8
    names = pd.Index([f"s{i}" for i in range(SIDE * SIDE)], dtype=object)
    obs = pd.DataFrame({"side": pd.Categorical(np.where(left, "left", "right"))}, index=names)
    var = pd.DataFrame(index=pd.Index([f"G{i}" for i in range(60)], dtype=object))
    table = ad.AnnData(csr_matrix(rng.poisson(rate).astype(np.float32)), obs=obs, var=var)
    table.obsm["spatial"] = np.column_stack([column, row]) * 20.0 + 10
    target = tmp_path / "sécti<b>on.h5ad"
    table.write_h5ad(target)
    return target


class Person:
    """Mouse and keyboard on the canvas of a dock's viewer, in reference pixels."""

    def __init__(self, dock: StmlDock) -> None:
        self.dock = dock

    @property
    def canvas(self) -> QWidget:
        """Looked up each time: a widget that is kept would keep the window."""
        widget = canvas_widget(self.dock.viewer)
        assert widget is not None
        return widget

    def at(self, xy: tuple[float, float]) -> QPoint:
        view, camera = self.dock.state.current, self.dock.viewer.scene.camera
        assert view is not None
        y, x = view.frame.world_yx(np.array(xy, dtype=float))
        height, width = self.dock.viewer.canvas.size
        return QPoint(round((x - camera.center[-1]) * camera.zoom + width / 2),
                      round((y - camera.center[-2]) * camera.zoom + height / 2))  # fmt: skip

    def _send(self, kind: Any, at: QPoint, held: bool, keys: Any) -> None:
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        moving = kind == QEvent.Type.MouseMove
        event = QMouseEvent(kind, QPointF(at), QPointF(self.canvas.mapToGlobal(at)),
                            none if moving else left, left if held else none, keys)  # fmt: skip
        QApplication.sendEvent(self.canvas, event)
        QApplication.processEvents()

    def drag(self, *places: tuple[float, float], keys: Any = NONE) -> None:
        points = [self.at(p) for p in places]
        self._send(QEvent.Type.MouseMove, points[0], False, keys)
        self._send(QEvent.Type.MouseButtonPress, points[0], True, keys)
        for point in points[1:]:
            self._send(QEvent.Type.MouseMove, point, True, keys)
        self._send(QEvent.Type.MouseButtonRelease, points[-1], False, keys)

    def click(self, *places: tuple[float, float], keys: Any = NONE) -> None:
        for place in places:
            self.drag(place, keys=keys)

    def double_click(self, place: tuple[float, float]) -> None:
        self.click(place)
        self._send(QEvent.Type.MouseButtonDblClick, self.at(place), True, NONE)
        self._send(QEvent.Type.MouseButtonRelease, self.at(place), False, NONE)

    def press(self, key: Any, keys: Any = NONE) -> None:
        QTest.keyClick(self.canvas, key, keys)
        QApplication.processEvents()


@pytest.fixture
def make_dock(
    qapp: QApplication, make_napari_viewer: Callable[..., Any], qtbot: QtBot, path: Path
) -> Iterator[Callable[[], StmlDock]]:
    if qapp.platformName() == "offscreen":
        pytest.skip("there is no display: napari's canvas cannot be made")
    made: list[StmlDock] = []

    def dock() -> StmlDock:
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1366, 768)
        new = StmlDock(viewer, RunControl(WorkerSettings(threads=1)))
        viewer.window.add_dock_widget(new, name="STML")
        made.append(new)
        new.open(path, um_per_px=0.5)
        qtbot.waitUntil(lambda: not new.busy and new.regions.desk.book is not None, timeout=LONG)
        new.show_page(REGIONS)
        return new

    yield dock
    for each in made:
        each.shut()
        each.state.close()


@pytest.fixture
def dock(make_dock: Callable[[], StmlDock]) -> StmlDock:
    return make_dock()


@pytest.fixture
def person(dock: StmlDock) -> Person:
    return Person(dock)


def tool(dock: StmlDock, name: str) -> None:
    dock.regions.tools.buttons[name].click()


def regions(dock: StmlDock) -> tuple[Drawn, ...]:
    assert dock.regions.desk.drawing is not None
    return dock.regions.desk.drawing.regions


def run(dock: StmlDock, qtbot: QtBot, analysis: str, page: str, **values: Any) -> str:
    """Run an analysis of a page as its button does, and wait; the run's id."""
    assert page in dock.pages
    section = dock.state.current.section  # type: ignore[union-attr]
    before = set(section.shelf.records) if section.shelf is not None else set()
    dock._run(analysis, analyses()[analysis].Params.model_validate(values))
    qtbot.waitUntil(lambda: not dock.control.active, timeout=LONG)
    (new,) = set(section.shelf.records) - before  # type: ignore[union-attr]
    return str(new)


def test_every_tool_draws_by_mouse_and_key(dock: StmlDock, person: Person) -> None:
    tool(dock, "polygon")
    person.press(Qt.Key.Key_1)
    person.click((40, 40), (160, 40), (160, 160), (40, 160))
    person.press(Qt.Key.Key_Return)
    (one,) = regions(dock)
    assert (one.kind, one.form) == ("Tumour", "polygon")
    assert one.outline.area == pytest.approx(120 * 120, rel=0.03)
    assert "36 spots" in dock.regions.measured.text()
    person.press(Qt.Key.Key_R)
    person.drag((200, 40), (240, 80), (280, 120))
    assert regions(dock)[1].form == "rectangle"
    person.press(Qt.Key.Key_O)
    person.drag((220, 50), (240, 80), (260, 110), keys=ALT)
    assert len(regions(dock)) == 2
    assert len(regions(dock)[1].outline.interiors) == 1, "Alt took a hole out"
    person.press(Qt.Key.Key_B)
    person.press(Qt.Key.Key_2)
    dock.regions.desk.choose([])
    person.drag(*[(300 + i, 300 + 20 * np.sin(i / 20)) for i in range(0, 100, 5)])
    assert regions(dock)[2].kind == "Stroma"
    tool(dock, "line")
    person.click((40, 300), (80, 340))
    person.double_click((120, 300))
    assert regions(dock)[3].form == "line"
    tool(dock, "points")
    person.click((60, 400), (80, 400), (100, 400))
    assert len(regions(dock)[4].outline.geoms) == 3
    tool(dock, "ruler")
    person.drag((100, 200), (150, 200), (200, 200))
    assert "50" in dock.regions.measured.text()
    assert len(regions(dock)) == 5, "a measured distance is not kept"
    zoom = float(dock.viewer.scene.camera.zoom)
    for _ in range(5):
        person.press(Qt.Key.Key_Z, CONTROL)
    assert len(regions(dock)) == 2
    person.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert float(dock.viewer.scene.camera.zoom) == zoom, "no double click zooms while drawing"


def test_corners_are_moved_added_and_deleted(dock: StmlDock, person: Person) -> None:
    dock.regions.desk.finish(shapely.box(100, 100, 300, 300))
    tool(dock, "select")
    person.click((200, 110))
    person.drag((300, 300), (330, 320), (360, 340))
    (one,) = regions(dock)
    assert one.outline.bounds == pytest.approx((100, 100, 360, 340), abs=2)
    person.double_click((200, 100))
    assert len(regions(dock)[0].outline.exterior.coords) == 6
    person.click((200, 100))
    person.press(Qt.Key.Key_Delete)
    assert len(regions(dock)[0].outline.exterior.coords) == 5
    person.drag((180, 180), (190, 180), (200, 180))
    assert regions(dock)[0].outline.bounds[0] == pytest.approx(120, abs=2)
    dock.regions.desk.do(lambda d: d.change([one.id], "lock", locked=True))
    person.drag((200, 180), (250, 180), (300, 180))
    assert regions(dock)[0].outline.bounds[0] == pytest.approx(120, abs=2), "it is locked"
    assert "locked" in dock.regions.said.text()
    person.press(Qt.Key.Key_Delete)
    assert len(regions(dock)) == 1


def test_the_canvas_shows_what_is_drawn_in_place(dock: StmlDock, person: Person) -> None:
    desk = dock.regions.desk
    for i in range(12):
        desk.pen = "Tumour" if i % 2 else "Stroma"
        desk.finish(shapely.box(30 * i, 10, 30 * i + 20, 40))
    layer: Any = desk.picture.layer  # type: ignore[union-attr]
    drawn = [i for i, s in enumerate(layer.data) if np.ptp(s[:, 0]) > 1]
    assert len(drawn) == 12
    desk.do(lambda d: d.delete(*[r.id for r in d.regions[:6]]))
    assert desk.picture is not None
    assert desk.picture.layer is layer, "the layer is not made anew"
    assert len([s for s in layer.data if np.ptp(s[:, 0]) > 1]) == 6
    dock.regions.classes.hidden.emit("Tumour", True)
    assert len([s for s in layer.data if np.ptp(s[:, 0]) > 1]) == 3
    dock.viewer.layers.remove(layer)
    desk.undo_requested()
    assert len([s for s in desk.picture.layer.data if np.ptp(s[:, 0]) > 1]) == 6  # type: ignore[union-attr]


def test_names_are_inert_in_the_list(dock: StmlDock) -> None:
    desk = dock.regions.desk
    hostile = '<img src=x onerror="alert(1)">\n' + "x" * 5000
    desk.do(lambda d: d.add(Drawn.new(shapely.box(0, 0, 50, 50), name=hostile, kind=hostile)))
    row: Any = dock.regions.regions.topLevelItem(0)
    assert row.text(0).startswith("<img src=x")
    assert len(row.text(0)) <= 60
    assert "\n" not in row.text(0)
    dock.regions.desk.choose([regions(dock)[0].id])
    assert dock.regions.desk.class_requested("Tumour") is None


def test_regions_go_to_geojson_and_come_back(dock: StmlDock, qtbot: QtBot, tmp_path: Path) -> None:
    desk, acts = dock.regions.desk, dock.regions.operations
    desk.pen = "Tumour"
    desk.finish(shapely.box(0, 0, 100, 100))
    acts.ring(0, 20)
    assert regions(dock)[1].name == "Tumour 0 to 20 µm"
    file, members = tmp_path / "out.geojson", tmp_path / "members.csv"
    acts.write_file(file)
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    acts.write_file(members)
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    assert len(json.loads(file.read_text())["features"]) == 2
    assert len(members.read_text().splitlines()) == 1 + sum(
        desk.book.count(r) for r in regions(dock))  # type: ignore[union-attr]  # fmt: skip
    before = [r.record() for r in regions(dock)]
    desk.choose([r.id for r in regions(dock)])
    desk.delete_requested()
    dock.read_regions([str(file)])
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    after = [{**r.record()} for r in regions(dock)]
    for record in after:
        record.pop("more")
    assert after == before


def test_what_was_not_saved_is_offered_in_the_window(
    make_dock: Callable[[], StmlDock], qtbot: QtBot
) -> None:
    first = make_dock()
    book: Any = first.regions.desk.book
    book.save = lambda **_: None
    first.regions.desk.finish(shapely.box(0, 0, 100, 100))
    book.unsaved = False
    first.shut()
    first.state.close()
    second = make_dock()
    banner = second.regions.banner
    assert banner.isVisibleTo(second.regions)
    assert not regions(second)
    banner.yes.click()
    assert len(regions(second)) == 1
    assert not banner.isVisibleTo(second.regions)
    second.regions.desk.undo_requested()
    assert not regions(second)


def test_from_clusters_to_genes_and_stale_runs(
    dock: StmlDock, person: Person, qtbot: QtBot
) -> None:
    """Outlines of a column become regions, their genes are compared, then the drawing changes."""
    dock.state.colour_by("side")
    dock.regions.operations.from_shown()
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    assert sorted(r.kind for r in regions(dock)) == ["left", "right"]
    run_id = run(dock, qtbot, "region-genes", "Compare", first="left", second="right")
    panel: Any = dock.runs.panel
    assert not panel.stale.isVisibleTo(panel)
    volcano = next(c for c in panel.charts if c.chart.name == "volcano")
    volcano.pick(0)
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    assert dock.state.current.shown.name in {f"G{i}" for i in range(60)}  # type: ignore[union-attr]
    dock.regions.desk.choose([regions(dock)[0].id])
    dock._offer_scopes()
    i = next(i for i in range(dock.scope.box.count())
             if "selected region" in dock.scope.box.itemText(i))  # fmt: skip
    dock.scope.box.setCurrentIndex(i)
    inner = run(dock, qtbot, "clusters", "Prepare", clusters=2, method="k-means", sweep=False)
    dock.regions.operations.grow(30)
    dock.regions.desk.save_now()
    dock._mark_stale()
    assert dock.runs.panel.stale.text() == SCOPE  # type: ignore[union-attr]
    dock.show_page(RUNS)
    dock._show_run(run_id)
    assert dock.runs.panel.stale.text() == INPUT  # type: ignore[union-attr]
    assert inner.startswith("clusters-")


def test_strokes_teach_while_drawing(dock: StmlDock, person: Person, qtbot: QtBot) -> None:
    desk, teach = dock.regions.desk, dock.regions.teach
    for kind, x in (("Tumour", 40), ("Stroma", 340)):
        desk.pen = kind
        desk.finish(shapely.box(x, 100, x + 70, 170))
    teach.on.setChecked(True)
    qtbot.waitUntil(lambda: teach.answer is not None, timeout=LONG)
    shown: Any = dock.state.current.shown  # type: ignore[union-attr]
    assert shown.categories == ("Tumour", "Stroma")
    left = np.arange(SIDE * SIDE) % SIDE < SIDE // 2
    assert (np.asarray(shown.drawn.codes)[left] == 0).mean() > 0.95
    first = teach.answer
    desk.do(lambda d: d.change([regions(dock)[1].id], "class", kind="Immune cells"))
    qtbot.waitUntil(lambda: teach.answer is not first, timeout=LONG)
    assert dock.state.current.shown.categories == ("Tumour", "Immune cells")  # type: ignore[union-attr]
    teach.unsure.setChecked(True)
    assert dock.state.current.shown.name == "uncertainty"  # type: ignore[union-attr]
    teach.look_next()
    assert "Unsure about s" in dock.regions.said.text()
    desk.do(lambda d: d.delete(regions(dock)[1].id))
    qtbot.waitUntil(lambda: teach.answer is None, timeout=LONG)


def test_a_selection_gets_a_name_and_is_a_scope(dock: StmlDock) -> None:
    dock.regions.desk.finish(shapely.box(0, 0, 100, 100))
    dock.regions.operations.select_inside()
    dock.regions.keep_spots("my corner")
    dock.state.select(None)
    dock._offer_scopes()
    texts = [dock.scope.box.itemText(i) for i in range(dock.scope.box.count())]
    assert "kept: my corner (25)" in texts
    dock.scope.box.setCurrentIndex(texts.index("kept: my corner (25)"))
    assert len(dock.scope.freeze().members or ()) == 25


def test_spots_inside_are_counted_again_when_the_spots_are_moved(
    dock: StmlDock, person: Person, qtbot: QtBot
) -> None:
    tool(dock, "rectangle")
    person.drag((0, 0), (60, 60), (121, 121))
    desk = dock.regions.desk
    (box,) = regions(dock)
    assert desk.book is not None
    assert desk.book.count(box) == 36
    outlines = desk.picture.layer if desk.picture is not None else None
    dock.align.alignment.nudge(60, 0)
    qtbot.waitUntil(lambda: not dock.busy and desk.book.count(box) == 18, timeout=LONG)  # type: ignore[union-attr]
    assert desk.picture is not None
    assert desk.picture.layer is outlines
    spots = dock.state.current.spots()  # type: ignore[union-attr]
    order = list(dock.viewer.layers)
    assert order.index(spots) < order.index(outlines), "outlines lie on the spots"
    person.press(Qt.Key.Key_Z, CONTROL)
    assert not regions(dock)
