"""What a user does with the dock: open, look, run, undo, cancel, close - in a real viewer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QMessageBox

from napari_stml import Section
from napari_stml.core.errors import StmlError
from napari_stml.plugin import show_dock
from napari_stml.runs.desk import Wish
from napari_stml.viewer.selection import Selection
from napari_stml.widgets.align_page import AlignPage
from napari_stml.widgets.analysis_page import AnalysisPage
from napari_stml.widgets.closing import unfinished
from napari_stml.widgets.dock import ALIGN, LOOK, RUNS, StmlDock

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QApplication

TOYS = str(Path(__file__).parent)
LONG = 60_000
N = 60


def open_in(dock: StmlDock, qtbot: QtBot, path: Path, **choices: Any) -> None:
    dock.open(path, **choices)
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)


def run(dock: StmlDock, qtbot: QtBot, analysis: str, **values: Any) -> str:
    """Fill the form, click Run, wait; the run's id."""
    page = dock.pages["Prepare"]
    assert isinstance(page, AnalysisPage)
    page.choose(analysis)
    assert page.form is not None
    for name, value in values.items():
        page.form.rows[name].write(value)
    ended: list[Any] = []
    dock.control.published.connect(lambda planned, _records: ended.append(planned.spec.run_id))
    dock.control.failed.connect(lambda _planned, words: ended.append(StmlError(words)))
    page.button.click()
    qtbot.waitUntil(lambda: bool(ended), timeout=LONG)
    if isinstance(ended[0], StmlError):
        raise ended[0]
    return str(ended[0])


def test_a_file_is_opened_described_and_coloured(dock: StmlDock, qtbot: QtBot, path: Path) -> None:
    open_in(dock, qtbot, path)
    assert dock.head.name.text() == "séction"
    assert "60 spots" in dock.head.facts.text()
    assert dock.head.scale.isVisibleTo(dock.head)
    dock.look.colour_requested.emit("kind", "viridis")
    qtbot.waitUntil(lambda: not dock.busy)
    legend = dock.state.legend
    assert legend is not None
    assert any("a" in line for line in legend.lines)


def test_the_scale_is_asked_once_and_then_known(dock: StmlDock, qtbot: QtBot, path: Path) -> None:
    open_in(dock, qtbot, path)
    dock.head.scale.setText("0,5")
    dock.head.scale.returnPressed.emit()
    assert dock.state.current is not None
    assert dock.state.current.section.require_um_per_px().mean == 0.5
    assert not dock.head.scale.isVisibleTo(dock.head)


def test_what_cannot_be_opened_is_said_and_the_rest_stays(
    dock: StmlDock, qtbot: QtBot, path: Path, tmp_path: Path
) -> None:
    open_in(dock, qtbot, path)
    broken = tmp_path / "broken.h5ad"
    broken.write_text("no table at all")
    open_in(dock, qtbot, broken)
    assert "broken.h5ad" in dock.head.notes.text()
    assert dock.state.current is not None
    assert dock.state.current.section.name == "séction"
    assert dock.head.button.isEnabled()


def test_an_analysis_is_run_shown_undone_and_still_there_after_reopening(
    dock: StmlDock, qtbot: QtBot, path: Path
) -> None:
    open_in(dock, qtbot, path)
    first = run(dock, qtbot, "qc")
    assert dock.stack.currentWidget() is dock.pages[RUNS]
    panel = dock.runs.panel
    assert panel is not None
    assert panel.record.id == first
    assert panel.charts
    second = run(dock, qtbot, "compare", first="kind", second=f"{first}/passes")
    assert dock.runs.list.count() == 2
    assert f"{first}/passes" in dock.state.current.section.columns()  # type: ignore[union-attr]
    dock.wishes.undo(second)
    assert dock.runs.list.count() == 1
    dock.state.current.section.close()  # type: ignore[union-attr]
    with Section.open(path) as again:
        assert {name.partition("/")[0] for name in again.run_values()} == {first}


def test_what_qc_kept_becomes_a_scope(dock: StmlDock, qtbot: QtBot, path: Path) -> None:
    open_in(dock, qtbot, path)
    first = run(dock, qtbot, "qc")
    offered = [dock.scope.box.itemText(i) for i in range(dock.scope.box.count())]
    assert f"kept by {first}" in offered
    dock.scope.box.setCurrentText(f"kept by {first}")
    second = run(dock, qtbot, "compare", first="kind", second="kind")
    record = dock.state.current.section.shelf.records[second]  # type: ignore[union-attr]
    assert record.scope["kind"] == "filter"


def test_a_rule_selects_and_the_selection_becomes_a_scope(
    dock: StmlDock, qtbot: QtBot, path: Path
) -> None:
    open_in(dock, qtbot, path)
    dock.look.rule_requested.emit("kind = b")
    qtbot.waitUntil(lambda: dock.state.selection is not None)
    offered = [dock.scope.box.itemText(i) for i in range(dock.scope.box.count())]
    assert any("30" in text for text in offered)
    dock.scope.box.setCurrentIndex(1)
    assert len(dock.scope.freeze().members or ()) == 30


def test_a_run_on_hand_picked_spots_is_repeated_on_the_same(
    dock: StmlDock, qtbot: QtBot, path: Path
) -> None:
    open_in(dock, qtbot, path)
    names = tuple(f"s{i}" for i in range(7, 33))
    dock.state.select(Selection(names, "26 selected spots"))
    dock.scope.box.setCurrentText("26 selected spots")
    first = run(dock, qtbot, "qc")
    dock.state.select(None)
    assert dock.scope.box.currentText() == "whole section"
    panel = dock.runs.panel
    assert panel is not None
    panel.repeat_requested.emit(first)
    assert dock.scope.box.currentText() == f"as in {first}: 26 selected spots"
    assert dock.scope.freeze().members == names
    page = dock.stack.currentWidget()
    assert isinstance(page, AnalysisPage)
    with qtbot.waitSignal(dock.control.published, timeout=LONG):
        page.button.click()
    one, other = dock.state.current.section.shelf.records.values()  # type: ignore[union-attr]
    assert one.signature_text == other.signature_text


def test_a_chart_lights_up_the_tissue(dock: StmlDock, qtbot: QtBot, path: Path) -> None:
    open_in(dock, qtbot, path)
    run(dock, qtbot, "compare", first="kind", second="kind")
    panel = dock.runs.panel
    assert panel is not None
    panel.charts[0].pick(3)
    assert dock.state.selection is not None
    assert set(dock.state.selection.names) == {f"s{i}" for i in range(1, N, 2)}


def test_a_failing_analysis_says_why_and_leaves_nothing(
    dock: StmlDock, qtbot: QtBot, path: Path
) -> None:
    open_in(dock, qtbot, path)
    page = dock.pages["Prepare"]
    assert isinstance(page, AnalysisPage)
    page.choose("compare")
    assert page.form is not None
    page.form.rows["second"].write("kind")
    dock.look.colour_requested.emit("G0", "viridis")
    with qtbot.waitSignal(dock.control.failed, timeout=LONG) as ended:
        dock.wishes.run(
            "compare", page.analysis.Params(first="kind", second="G0"), dock.scope.freeze()
        )
    assert ended.args is not None
    assert "cannot be compared" in ended.args[1]
    store = dock.state.current.section.kept.store  # type: ignore[union-attr]
    assert store.runs() == ()
    assert "failed" in dock.foot.text.text()


def test_cancel_frees_the_dock_and_leaves_nothing(dock: StmlDock, qtbot: QtBot, path: Path) -> None:
    from dock_toy import SlowParams

    open_in(dock, qtbot, path)
    section = dock.state.current.section  # type: ignore[union-attr]
    started: list[Any] = []
    dock.control.progressed.connect(lambda *_: started.append(1))
    planned = dock.control.run(Wish("dock-slow", SlowParams(), (section,), modules=("dock_toy",)))
    qtbot.waitUntil(lambda: bool(started), timeout=LONG)
    with qtbot.waitSignal(dock.control.cancelled, timeout=LONG):
        dock.foot.button.click()
    assert not dock.control.active
    assert not dock.foot.button.isVisibleTo(dock.foot)
    assert not planned.stagings[0].folder.exists()
    assert section.kept.store.runs() == ()


def test_closing_over_a_running_analysis_ends_it(dock: StmlDock, qtbot: QtBot, path: Path) -> None:
    from dock_toy import SlowParams

    open_in(dock, qtbot, path)
    section = dock.state.current.section  # type: ignore[union-attr]
    dock.control.run(Wish("dock-slow", SlowParams(), (section,), modules=("dock_toy",)))
    assert "not finished" in unfinished(dock.control.active)
    store = section.kept.store
    dock.shut()
    assert dock.control.active == []
    assert store.runs() == ()


def answering(answer: Any, heard: list[str]) -> Any:
    """A person at the question that Qt would ask."""

    def question(_above: Any, title: str, words: str, *_: Any) -> Any:
        heard.append(f"{title} {words}")
        return answer

    return question


def test_closing_a_section_asks_only_when_something_would_be_lost(
    dock: StmlDock, qtbot: QtBot, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dock_toy import SlowParams

    open_in(dock, qtbot, path)
    section = dock.state.current.section  # type: ignore[union-attr]
    planned = dock.control.run(Wish("dock-slow", SlowParams(), (section,), modules=("dock_toy",)))
    buttons, heard = QMessageBox.StandardButton, []
    monkeypatch.setattr(QMessageBox, "question", answering(buttons.Cancel, heard))
    dock.head.close_section.trigger()
    assert "not finished" in heard[0]
    assert dock.state.current is not None, "who cancels stays"
    monkeypatch.setattr(QMessageBox, "question", answering(buttons.Close, heard))
    with qtbot.waitSignal(dock.control.cancelled, timeout=LONG):
        dock.head.close_section.trigger()
    assert dock.state.current is None
    assert not planned.stagings[0].folder.exists()
    assert not dock.head.close_section.isEnabled()
    assert not dock.look.isEnabled()
    open_in(dock, qtbot, path)
    dock.head.close_section.trigger()
    assert len(heard) == 2, "nothing to lose, nothing asked"
    dock.head.close_section.trigger()


def test_what_cannot_be_saved_is_said_before_closing_and_offered_again(
    dock: StmlDock, qtbot: QtBot, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shapely

    open_in(dock, qtbot, path)
    desk = dock.regions.desk
    desk.finish(shapely.box(0, 0, 50, 50))
    assert desk.book is not None
    monkeypatch.setattr(desk.book.keeper, "save", raising(StmlError("The disk is full")))
    heard: list[str] = []
    monkeypatch.setattr(QMessageBox, "question", answering(QMessageBox.StandardButton.Close, heard))
    dock.head.close_section.trigger()
    assert "The disk is full" in heard[0]
    open_in(dock, qtbot, path)
    qtbot.waitUntil(lambda: desk.book is not None, timeout=LONG)
    assert desk.book.offer is not None
    desk.bring_back()
    assert len(desk.drawing) == 1  # type: ignore[arg-type]


def raising(error: Exception) -> Any:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    return fails


def test_a_section_is_opened_again_while_its_files_are_still_being_read(
    dock: StmlDock, qtbot: QtBot, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_in(dock, qtbot, path)
    first = dock.state.current.section  # type: ignore[union-attr]
    first.kept.store.set_attr("note", 1)
    go, closed = threading.Event(), threading.Event()
    close = first.close
    monkeypatch.setattr(first, "close", lambda: (close(), closed.set()))
    dock.state.background.run("slow", lambda: go.wait(30), lambda _: None, lambda _: None)
    dock.head.close_section.trigger()
    assert not closed.is_set(), "somebody reads"
    dock.open(path)
    qtbot.waitUntil(lambda: dock.state.current is not None, timeout=LONG)
    again = dock.state.current.section  # type: ignore[union-attr]
    assert again is not first
    go.set()
    qtbot.waitUntil(closed.is_set, timeout=LONG)
    again.kept.store.set_attr("note", 2)
    assert again.kept.store.attr("note") == 2, "the store is still open and may be written"
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)


def test_closing_shows_the_section_before_it_as_it_was(
    dock: StmlDock, qtbot: QtBot, path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.h5ad"
    other.write_bytes(path.read_bytes())
    open_in(dock, qtbot, path)
    dock.state.colour_by("kind")
    open_in(dock, qtbot, other)
    assert dock.look.column.currentText() == ""
    dock.close_section()
    assert dock.head.name.text() == "séction"
    assert dock.head.sections.isHidden()
    assert dock.look.column.currentText() == "kind", "the page says what is painted"


def test_a_stored_run_speaks(dock: StmlDock, qtbot: QtBot, path: Path) -> None:
    open_in(dock, qtbot, path)
    run_id = run(dock, qtbot, "qc")
    panel = dock.runs.panel
    assert panel is not None
    panel.tell("Command line")
    assert panel.words.toPlainText().startswith("napari-stml run qc")
    panel.tell("Methods paragraph")
    assert "napari-stml" in panel.words.toPlainText()
    panel.repeat_requested.emit(run_id)
    page = dock.pages["Prepare"]
    assert isinstance(page, AnalysisPage)
    assert page.analysis.name == "qc"


def test_two_sections_are_switched_in_the_head(
    dock: StmlDock, qtbot: QtBot, path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.h5ad"
    other.write_bytes(path.read_bytes())
    open_in(dock, qtbot, path)
    open_in(dock, qtbot, other)
    assert dock.head.sections.count() == 2
    assert dock.head.name.text() == "other"
    dock.head.section_chosen.emit(0)
    assert dock.head.name.text() == "séction"
    assert dock.state.current is dock.state.views[0]


def test_spots_are_nudged_kept_and_moved_back(dock: StmlDock, qtbot: QtBot, path: Path) -> None:
    open_in(dock, qtbot, path)
    dock.show_page(ALIGN)
    page = dock.align
    assert isinstance(page, AlignPage)
    before = dock.state.current.section.observations.xy.copy()  # type: ignore[union-attr]
    page.step.setValue(7)
    page._nudge(1, 0)

    def moved() -> bool:
        xy = dock.state.current.section.observations.xy  # type: ignore[union-attr]
        return bool(np.allclose(xy, before + np.array([7, 0])))

    qtbot.waitUntil(moved, timeout=LONG)
    qtbot.waitUntil(lambda: not dock.busy)
    with Section.open(path) as again:
        assert again.observations is not None
        np.testing.assert_allclose(again.observations.xy, before + np.array([7, 0]))
    page.undo.click()
    qtbot.waitUntil(
        lambda: bool(np.allclose(dock.state.current.section.observations.xy, before)),  # type: ignore[union-attr]
        timeout=LONG,
    )


def test_pages_are_reached_by_the_rail(dock: StmlDock) -> None:
    for name in (LOOK, "Prepare", RUNS):
        dock.rail.chosen.emit(name)
        assert dock.stack.currentWidget() is dock.pages[name]


def test_save_as_from_the_dock(dock: StmlDock, qtbot: QtBot, path: Path, tmp_path: Path) -> None:
    open_in(dock, qtbot, path)
    run_id = run(dock, qtbot, "qc")
    target = tmp_path / "saved.zarr"
    dock.save_as(target)
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    assert "Saved as" in dock._message.text()
    with Section.open(target) as saved:
        assert saved.observations is not None
        assert len(saved.observations) == N
        assert f"{run_id}/passes" in saved.columns()
    dock.save_as(target)
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    assert "exists" in dock._message.text()


def test_napari_makes_the_dock_from_its_menu(
    qapp: QApplication, make_napari_viewer: Callable[..., Any], npe2pm: Any
) -> None:
    if qapp.platformName() == "offscreen":
        pytest.skip("there is no display: napari's canvas cannot be made")
    viewer = make_napari_viewer()
    with npe2pm.tmp_plugin(package="napari-stml"):
        _, made = viewer.window.add_plugin_dock_widget("napari-stml", "STML")
        assert isinstance(made, StmlDock)
        assert made.viewer is viewer
        assert show_dock(viewer) is made
        made.shut()


def test_the_cohort_remembers_relinks_and_opens(
    dock: StmlDock, qtbot: QtBot, path: Path, tmp_path: Path
) -> None:
    open_in(dock, qtbot, path, um_per_px=0.5)
    assert dock.cohort.table.item(0, 0).text() == "séction"  # type: ignore[union-attr]
    assert dock.cohort.table.item(0, 1).text() == "0.5"  # type: ignore[union-attr]
    file = tmp_path / "cohort.yaml"
    dock.cohort.save(file)
    moved = tmp_path / "moved.h5ad"
    path.rename(moved)
    dock.cohort.load(file)
    assert "missing" in dock.cohort.table.item(0, 2).text()  # type: ignore[union-attr]
    dock.cohort.open(0)
    assert "relink" in dock.cohort.message.text()
    dock.cohort.relink(0, moved)
    assert "1 found again" in dock.cohort.message.text()
    dock.cohort.open(0)
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    assert len(dock.state.views) == 2
    dock.cohort.load(path.with_name("nothing.yaml"))
    assert "no cohort file" in dock.cohort.message.text()
