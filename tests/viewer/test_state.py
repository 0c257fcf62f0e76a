"""Stories of one window: open, colour, pick, edit, compare, switch."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.errors import StmlError
from napari_stml.viewer.camera import canvas_x, visible_box, world_x
from napari_stml.viewer.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.io.section import Section
    from napari_stml.viewer.state import ViewerState

Settle = "Callable[[], None]"


@pytest.fixture
def opened(state: ViewerState, made: Section) -> ViewerState:
    state.open(made)
    return state


def shown_text(state: ViewerState) -> list[str]:
    assert state.legend is not None
    return state.legend.lines


def test_opening_shows_slide_below_spots_in_um(opened: ViewerState) -> None:
    names = [layer.name for layer in opened.viewer.layers]
    assert names == ["made / he", "made / spots"]
    assert {str(u) for layer in opened.viewer.layers for u in layer.units} == {"micrometer"}
    assert opened.viewer.canvas.overlays.scale_bar.visible


def test_without_a_scale_there_is_no_scale_bar(
    state: ViewerState, make: Callable[..., Section]
) -> None:
    state.open(make(um_per_px=None))
    assert not state.viewer.canvas.overlays.scale_bar.visible
    state.rescale(0.5)
    assert state.viewer.canvas.overlays.scale_bar.visible
    assert len(state.viewer.layers) == 2


def test_a_column_is_read_aside_and_explained(
    opened: ViewerState, settle: Callable[[], None]
) -> None:
    opened.wishes.colour_requested("domain")
    settle()
    assert shown_text(opened) == ["domain", "stroma  (200)", "tumour  (200)", "1 absent (show)"]
    assert opened.legend is not None
    opened.legend.unfold()
    assert shown_text(opened)[-2:] == ["nobody  (0)", "1 absent (hide)"]
    opened.wishes.colour_requested("score", "magma")
    settle()
    assert shown_text(opened)[0] == "score"
    assert shown_text(opened)[-1] == "no value  (1)"


def test_only_the_latest_wish_counts(opened: ViewerState, settle: Callable[[], None]) -> None:
    for name in ("domain", "score", "A"):
        opened.wishes.colour_requested(name)
    settle()
    assert opened.current is not None
    assert opened.current.shown is not None
    assert opened.current.shown.name == "A"


def test_what_goes_wrong_is_said(opened: ViewerState, settle: Callable[[], None]) -> None:
    said: list[str] = []
    opened.said.connect(said.append)
    opened.wishes.colour_requested("no such gene")
    settle()
    assert "There is no column or gene" in said[-1]
    opened.wishes.rule_requested("A >")
    assert "character 4" in said[-1]
    with pytest.raises(StmlError):
        opened.colour_by("no such gene")


def test_genes_together_limits_and_thresholds(
    opened: ViewerState, settle: Callable[[], None]
) -> None:
    opened.wishes.genes_requested(("A", "B"), "max", title="Mine")
    settle()
    assert shown_text(opened)[0] == "Mine (max)"
    opened.wishes.limits_requested(2, 5)
    assert shown_text(opened)[1:3] == ["5", "2"]
    opened.wishes.limits_requested(0, 100, True)
    assert shown_text(opened)[1:3] == ["19", "0"]
    opened.wishes.threshold_requested(10, None)
    assert "hidden below 10" in shown_text(opened)
    layer: Any = opened.current.spots() if opened.current else None
    assert (layer.face_color[:, 3] == 0).sum() == 100
    opened.wishes.threshold_requested(10, None, hide=False)
    assert "grey below 10" in shown_text(opened)


def test_a_rule_selects_and_rings(opened: ViewerState, settle: Callable[[], None]) -> None:
    changes: list[None] = []
    opened.selection_changed.connect(lambda: changes.append(None))
    opened.wishes.rule_requested("A > 15 and domain = tumour")
    settle()
    assert opened.selection is not None
    assert len(opened.selection) == 80
    assert opened.selection.scope.title == "80 selected spots: A > 15 and domain = tumour"
    ring = opened.viewer.layers["made / selected"]
    assert len(ring.data) == 80
    opened.wishes.observation_toggled("s0")
    assert len(opened.selection) == 81
    assert "s0" in opened.selection.names
    opened.wishes.zoom_requested("selection")
    low, high = visible_box(opened.viewer)
    assert (low <= [2.5, 2.5]).all()
    assert (high >= [197.5, 197.5]).all()
    opened.wishes.rule_requested("")
    assert opened.selection is None
    assert not ring.visible
    assert len(changes) == 3


def test_zoom_to_a_selection_shows_it_and_little_else(
    opened: ViewerState, settle: Callable[[], None]
) -> None:
    opened.wishes.rule_requested("A > 15 and B > 15")
    settle()
    opened.wishes.zoom_requested("selection")
    low, high = visible_box(opened.viewer)
    assert (low > [120, 120]).any()
    assert (low < [162, 162]).all()
    assert (high > [198, 198]).all()


def test_the_legend_hides_and_isolates(opened: ViewerState, settle: Callable[[], None]) -> None:
    opened.wishes.colour_requested("domain")
    settle()
    assert opened.legend is not None
    layer: Any = opened.current.spots() if opened.current else None
    opened.legend.toggled.emit(1)
    assert (layer.face_color[:, 3] == 0).sum() == 200
    opened.legend.toggled.emit(1)
    assert (layer.face_color[:, 3] > 0).all()
    opened.wishes.isolate_requested(-1)
    assert opened.current is not None
    assert opened.current.shown is not None
    assert opened.current.shown.alone == 1
    opened.wishes.isolate_requested(0)
    assert (layer.face_color[:, 3] > 0).all()


def test_categories_are_edited_kept_and_undone(
    opened: ViewerState, made: Section, settle: Callable[[], None]
) -> None:
    wishes = opened.wishes
    opened.colour_by("domain")
    before = np.array(opened.current.spots().face_color)  # type: ignore[union-attr]
    opened.author = "AB"
    wishes.rename_requested("stroma", "connective tissue")
    wishes.rename_requested("tumour", "connective tissue")
    assert shown_text(opened)[1] == "connective tissue  (400)"
    wishes.recolour_requested("connective tissue", "#102030")
    assert wishes.undo_title == "colour connective tissue"
    store = made.kept.store
    store.later(lambda: None).result()
    kept = store.attr("styling")
    assert kept["columns"]["domain"]["named"] == {
        "stroma": "connective tissue", "tumour": "connective tissue",
    }  # fmt: skip
    assert [e["did"] for e in kept["edits"]][-1] == "colour connective tissue"
    assert all(e["by"] == "AB" and e["at"] for e in kept["edits"])

    from napari_stml.viewer.styling import Styling

    again = Styling(made, print)
    made.forget_runs()
    again.load()
    assert again.of("domain").colours == {"connective tissue": "#102030"}
    for _ in range(3):
        wishes.undo_requested()
    assert shown_text(opened)[1:3] == ["stroma  (200)", "tumour  (200)"]
    np.testing.assert_array_equal(opened.current.spots().face_color, before)  # type: ignore[union-attr]
    store.later(lambda: None).result()
    assert store.attr("styling")["columns"] == {}
    wishes.undo_requested()


def test_the_selected_part_of_a_category_is_split_off_and_merged_back_by_undo(
    opened: ViewerState, made: Section, settle: Callable[[], None]
) -> None:
    wishes = opened.wishes
    opened.colour_by("domain")
    opened.author = "AB"
    assert opened.current is not None
    assert opened.current.shown is not None
    stroma = opened.current.shown.categories.index("stroma")
    wishes.split_requested(stroma, "stroma b")  # nothing is selected
    assert wishes.undo_title == ""
    member = opened.current.shown.drawn.codes == stroma  # type: ignore[union-attr]
    names = opened.current.section.observations.names[member][:30]  # type: ignore[union-attr]
    opened.select(Selection(tuple(names.tolist()), "a lasso"))
    wishes.split_requested(stroma, "tumour")  # there is one
    assert wishes.undo_title == ""
    wishes.split_requested(stroma, "stroma b")
    assert wishes.undo_title == "split stroma b (30) off stroma"
    assert "stroma b  (30)" in shown_text(opened)
    wishes.recolour_requested("stroma b", "#102030")
    store = made.kept.store
    store.later(lambda: None).result()

    from napari_stml.figures.values import stored_style

    drawn = stored_style(made, "domain").applied(
        opened.current.shown.stored_codes, opened.current.shown.stored
    )
    assert drawn.counts[drawn.names.index("stroma b")] == 30
    assert store.attr("styling")["edits"][-2]["by"] == "AB"
    wishes.undo_requested()
    wishes.undo_requested()
    assert "stroma  (200)" in shown_text(opened)
    assert "stroma b" not in " ".join(shown_text(opened))


def test_nothing_is_written_by_looking(
    opened: ViewerState, made: Section, settle: Callable[[], None]
) -> None:
    opened.wishes.colour_requested("domain")
    opened.wishes.rule_requested("A > 3")
    opened.wishes.isolate_requested(1)
    settle()
    assert made.shelf is None


def test_both_sides_of_a_swipe_have_one_scale_where_numbers_compare(
    opened: ViewerState, settle: Callable[[], None]
) -> None:
    view = opened.current
    assert view is not None
    opened.colour_by("A")
    own = view.shown.scale  # type: ignore[union-attr]
    opened.wishes.swipe_requested("B")
    settle()
    left, right = view.shown, view.beside
    assert left is not None
    assert right is not None
    assert left.scale == right.scale
    alone = right.alone_again().scale
    assert left.scale.low == min(own.low, alone.low)  # type: ignore[union-attr]
    assert left.scale.high == max(own.high, alone.high)  # type: ignore[union-attr]
    opened.wishes.limits_requested(1.0, 3.0)
    assert (view.beside.scale.low, view.beside.scale.high) == (1.0, 3.0)  # type: ignore[union-attr]
    opened.wishes.limits_requested(1.0, 99.0, True)
    opened.wishes.swipe_requested("")
    assert view.shown.scale == own, "alone it has its own limits again"  # type: ignore[union-attr]
    opened.wishes.swipe_requested("score")
    settle()
    assert view.beside.scale != view.shown.scale, "a column is not counted in what genes are"  # type: ignore[union-attr]


def test_swipe_shows_two_values(opened: ViewerState, settle: Callable[[], None]) -> None:
    opened.colour_by("A")
    opened.wishes.swipe_requested("domain")
    settle()
    assert "left: A" in shown_text(opened)
    assert "right: domain" in shown_text(opened)
    layer: Any = opened.current.spots() if opened.current else None
    opened.wishes.divider_moved(50.0)  # 100 px: five columns are left of it
    left, right = layer.face_color[:5], layer.face_color[5:9]
    assert len({tuple(c) for c in left.tolist()}) == 5
    assert len({tuple(c) for c in right.tolist()}) == 1
    opened.wishes.swipe_requested("")
    assert shown_text(opened)[0] == "A"
    opened.wishes.colour_requested("B")
    settle()
    opened.wishes.swipe_toggled()
    assert "right: A" in shown_text(opened)


def test_the_pointer_finds_and_describes_spots(opened: ViewerState) -> None:
    opened.colour_by("score")
    view = opened.current
    assert view is not None
    i = view.observation_at((5.0, 15.0))  # um: pixel (30, 10), the second spot
    assert i == 1
    assert view.describe(i) == "s1   score: 0.002506"
    assert view.describe(view.observation_at((5.0, 5.0))) == "s0   score: no value"
    assert view.observation_at((10.0, 10.0)) == -1
    for layer in opened.viewer.layers:
        assert "s1   score" in layer.get_status((5.0, 15.0), world=True)["coordinates"]
    names: list[str] = []
    opened.clicked.connect(names.append)

    class Event:
        button, type, position, modifiers = 1, "mouse_press", (5.0, 15.0), ()

    for callback in opened.viewer.mouse_drag_callbacks:
        press = callback(opened.viewer, Event)
        next(press, None)
        next(press, None)
    assert names == ["s1"]


def test_sizes_opacity_and_overlay_key(opened: ViewerState) -> None:
    wishes = opened.wishes
    layer: Any = opened.current.spots() if opened.current else None
    wishes.size_requested(0.5)
    assert layer.size[0] == pytest.approx(7.0)
    wishes.opacity_requested(0.3)
    assert layer.opacity == 0.3
    wishes.overlay_toggled()
    assert not layer.visible
    wishes.overlay_requested(True)
    assert layer.visible
    bound = {str(key) for key in opened.viewer.keymap}
    assert {"H", "J", "K", "U", "G", "N"} <= bound


def test_our_keys_are_free_in_napari() -> None:
    from napari.utils.shortcuts import _default_shortcuts

    from napari_stml.viewer.keys import KEYS

    taken = {str(key) for keys in _default_shortcuts.values() for key in keys}
    assert not taken & {key.replace("-", "+") for key in KEYS}


def test_sections_come_back_as_they_were_left(
    state: ViewerState, make: Callable[..., Section]
) -> None:
    first = state.open(make("one", name="one"))
    first.spots().visible = True
    state.colour_by("domain")
    state.viewer.scene.camera.center = (0, 30, 40)
    state.viewer.scene.camera.zoom = 7
    first._slides["he"][0].visible = False
    own = state.viewer.add_points([[1, 1]], name="mine", scale=(1, 1), units=("um", "um"))
    second = state.open(make("two", name="two", um_per_px=None))
    assert not any(layer.visible for layer in first.layers)
    assert own.visible
    assert shown_text(state) == []
    state.switch_to(first)
    assert not any(layer.visible for layer in second.layers)
    assert first.spots().visible
    assert not first._slides["he"][0].visible
    assert state.viewer.scene.camera.zoom == pytest.approx(7)
    assert shown_text(state)[0] == "domain"
    assert state.viewer.canvas.overlays.scale_bar.visible
    state.switch_to(second)
    assert not state.viewer.canvas.overlays.scale_bar.visible
    state.close_current()
    assert state.current is first
    state.close_current()
    assert list(state.viewer.layers) == [own]


def test_the_user_may_delete_and_rename_layers(opened: ViewerState) -> None:
    view = opened.current
    assert view is not None
    view.spots().name = "my spots"
    opened.colour_by("domain")
    assert view.spots().name == "my spots"
    opened.viewer.layers.remove(view.spots())
    opened.wishes.isolate_requested(1)
    assert view.spots() in opened.viewer.layers
    opened.viewer.layers.clear()
    opened.wishes.rule_requested("")
    opened.wishes.size_requested(1.5)
    opened.colour_by("A")
    opened.close_current()
    assert not len(opened.viewer.layers)


def test_canvas_and_world_agree_at_every_zoom(opened: ViewerState) -> None:
    for zoom in (0.1, 1, 25):
        opened.viewer.scene.camera.zoom = zoom
        assert world_x(opened.viewer, canvas_x(opened.viewer, 33.0)) == pytest.approx(33.0)
        low, high = visible_box(opened.viewer)
        height, width = opened.viewer.canvas.size
        np.testing.assert_allclose((high - low) * zoom, [height, width])


def test_files_are_closed_only_when_nothing_reads_them(
    opened: ViewerState, made: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    happened: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def slice_it() -> None:
        begun.set()
        go.wait(10)
        happened.append("read")

    slicer: Any = opened.viewer._layer_slicer
    monkeypatch.setattr(made, "close", lambda: happened.append("closed"))
    with ThreadPoolExecutor(1) as threads:
        running, waiting = threads.submit(slice_it), threads.submit(slice_it)
        slicer._layers_to_task = {("a",): running, ("b",): waiting}
        begun.wait(10)
        timer = threading.Timer(0.05, go.set)
        timer.start()
        opened.close()
    slicer._layers_to_task = {}
    assert waiting.cancelled()
    assert happened == ["read", "closed"]


def test_files_that_are_read_for_long_stay_open(
    opened: ViewerState, made: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_stml.viewer import state as module

    closed: list[str] = []
    go, begun = threading.Event(), threading.Event()
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(made, "close", lambda: closed.append("closed"))

    def read() -> None:
        begun.set()
        go.wait(10)

    opened.background.run("slow", read, lambda _: None, print)
    begun.wait(10)
    opened.close()
    go.set()
    assert closed == []


def test_a_section_is_looked_at_as_a_whole_beside_a_larger_hidden_one(
    state: ViewerState, make: Callable[..., Section]
) -> None:
    state.open(make("large", um_per_px=50.0, name="large"))
    state.open(make("small", um_per_px=0.5, name="small"))
    low, high = visible_box(state.viewer)
    assert 0.9 < (high - low).min() / 200 < 1.3
    state.viewer.scene.camera.zoom /= 100
    state.wishes.zoom_requested("everything")
    low, high = visible_box(state.viewer)
    assert 0.9 < (high - low).min() / 200 < 1.3
