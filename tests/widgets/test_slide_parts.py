"""What the page Slide adds: places, live layers, the brush, pickers of Runs, the gallery."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton

from napari_stml.core.brush import painted
from napari_stml.core.geometry import Affine
from napari_stml.core.params import LiveParams, Params, param
from napari_stml.core.results import Heatmap, Mask, Result, Tiles
from napari_stml.viewer.frame import Frame
from napari_stml.viewer.part_layers import part_layer, refreshed, tiles_shown
from napari_stml.widgets.answers import answers_beside
from napari_stml.widgets.form import Form
from napari_stml.widgets.live_panel import LivePanel
from napari_stml.widgets.result_panel import ResultPanel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QApplication


class Clicked(LiveParams):
    place: tuple[float, ...] = param((), title="Place", help="Click.", source="place")
    level: float = param(0.5, title="Level", help="Of it.", ge=0, le=1)


class Wanting(Params):
    tiles: str = param("", title="Tiles", help="A Run.", source="run", holds="tiles")


class Known:
    """Answers like the dock's."""

    def __call__(self, _source: str) -> list[str]:
        return ["features-1", "tiles-2", "tiles-1"]

    def holding(self, value: str) -> list[str]:
        return ["tiles-2", "tiles-1"] if value == "tiles" else []


def test_a_picker_offers_only_runs_that_hold_what_is_needed(qtbot: QtBot) -> None:
    form = Form(Wanting, Known())
    qtbot.addWidget(form)
    values = form.values()
    assert isinstance(values, Wanting)
    assert values.tiles == "tiles-2", "the newest stands there"


def test_a_click_is_a_place_and_can_be_taken_back(qtbot: QtBot) -> None:
    panel = LivePanel(Clicked, Clicked())
    qtbot.addWidget(panel)
    asked: list[Any] = []
    panel._session = SimpleNamespace(update=lambda p: asked.append(p), close=lambda: None)
    assert panel.take_place((3.0, 4.0))
    qtbot.waitUntil(lambda: bool(asked))
    assert asked[-1].place == (3.0, 4.0)
    panel._sliders["place"]._clear.click()  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: asked[-1].place == ())

    class Plain(LiveParams):
        level: float = param(0.5, title="Level", help="Of it.", ge=0, le=1)

    other = LivePanel(Plain, Plain())
    qtbot.addWidget(other)
    assert not other.take_place((3.0, 4.0))


class Comparing(LiveParams):
    against: tuple[str, ...] = param((), title="With", help="Held.", source="selection")
    kind: str = param("", title="Type", help="One.", source="part_column", holds="composition")


class OfTrait(LiveParams):
    trait: str = param("", title="Trait", help="One.", source="part_column", holds="*_p")


def test_a_value_of_the_run_is_picked_by_name(qtbot: QtBot) -> None:
    entries = [("IQ_p", "Values"), ("IQ_z", "Values"), ("height_p", "Values"), ("x_p", "Labels")]
    record: Any = SimpleNamespace(parts=[SimpleNamespace(name=n, kind=k) for n, k in entries])
    answers = answers_beside(SimpleNamespace(shelf=None), record)  # type: ignore[arg-type]
    panel = LivePanel(OfTrait, OfTrait(), None, answers)
    qtbot.addWidget(panel)
    box: Any = panel._sliders["trait"]
    assert box._row.widget.choices == ("IQ", "height")
    assert panel.params() == OfTrait(trait="IQ")
    panel.move(trait="height")
    assert panel.params() == OfTrait(trait="height")


class KnownColumns(Known):
    def columns_of(self, value: str) -> list[str]:
        return ["tumour", "stroma"] if value == "composition" else []


class OfGene(LiveParams):
    show: str = param("p", title="Show", help="What.")
    gene: str = param("", title="Gene", help="One.", source="part_column", holds="composition",
                      when={"show": "gene"})  # fmt: skip


def test_a_clicked_gene_is_followed_where_its_column_is_shown(qtbot: QtBot) -> None:
    panel = LivePanel(OfGene, OfGene(), None, KnownColumns())
    qtbot.addWidget(panel)
    asked: list[Any] = []
    panel._session = SimpleNamespace(update=lambda p: asked.append(p), close=lambda: None)
    assert not panel.take_column("stroma")  # kept for later; the tissue shows the expression
    assert not asked
    panel.move(show="gene")
    assert asked[-1].gene == "stroma"
    assert panel.take_column("tumour")
    qtbot.waitUntil(lambda: asked[-1].gene == "tumour")
    assert not panel.take_column("elsewhere")


def test_a_selection_is_held_while_another_is_made(qtbot: QtBot) -> None:
    panel = LivePanel(Comparing, Comparing(), None, KnownColumns())
    qtbot.addWidget(panel)
    asked: list[Any] = []
    panel._session = SimpleNamespace(
        update=lambda p, *more: asked.append((p, more)), close=lambda: None
    )
    held: Any = panel._sliders["against"]
    assert not held._hold.isEnabled()
    panel.follow(("a", "b"))
    held._hold.click()
    qtbot.waitUntil(lambda: asked[-1][0].against == ("a", "b"))
    panel.follow(("c",))
    assert asked[-1][0].against == ("a", "b")
    assert asked[-1][1] == (("c",),)
    panel.move(kind="stroma")
    assert asked[-1][0].kind == "stroma"
    held._clear.click()
    qtbot.waitUntil(lambda: asked[-1][0].against == ())


def test_a_short_panel_stands_together_at_the_top(qtbot: QtBot) -> None:
    record: Any = SimpleNamespace(title="Stain", id="stain-1", notes=("fitted",), parts=())
    panel = ResultPanel(record, SimpleNamespace())  # type: ignore[arg-type]
    qtbot.addWidget(panel)
    panel.resize(300, 900)
    panel.show()
    buttons = panel.findChildren(QPushButton)
    assert buttons
    assert max(b.geometry().bottom() for b in buttons) < 200


def test_tiles_are_coloured_by_words_groups_and_numbers() -> None:
    xy = np.array([[0.0, 0], [10, 0], [20, 0]])
    words = Tiles("t", xy, 10, {"kept": np.array(["pen", "kept", "kept"], object)}, "kept")
    shown = tiles_shown(words)
    assert shown is not None
    assert shown.categories == ("kept", "pen")
    assert shown.counts == (2, 1)
    layer: Any = part_layer(words, "t", Frame(None))
    assert tuple(layer.edge_color[1]) == tuple(layer.edge_color[2]) != tuple(layer.edge_color[0])
    groups = tiles_shown(Tiles("t", xy, 10, {"cluster": np.array([0, 1, 2])}, "cluster"))
    assert groups is not None
    assert groups.missing == 1
    assert groups.categories == ("1", "2")
    assert tiles_shown(Tiles("t", xy, 10)) is None


def test_a_heat_map_moves_in_its_layer_and_keeps_what_the_user_set() -> None:
    frame = Frame(None)
    first = Heatmap("h", np.ones((2, 2), np.float32), Affine.scaling(4), limits=(0.0, 3.0))
    layer: Any = part_layer(first, "h", frame)
    assert tuple(layer.contrast_limits) == (0, 3)
    layer.opacity = 0.2
    second = Heatmap("h", np.zeros((3, 3), np.float32), Affine.translation(8, 0)
                     @ Affine.scaling(4))  # fmt: skip
    assert refreshed(layer, second, frame)
    assert layer.data.shape == (3, 3)
    assert layer.opacity == 0.2
    np.testing.assert_allclose(layer.translate, part_layer(second, "h", frame).translate)
    turned = Heatmap("h", second.pixels, Affine.rotation(30))
    assert not refreshed(layer, turned, frame)
    assert not refreshed(layer, Mask("h", np.ones((3, 3), int), Affine()), frame)


@pytest.fixture
def display(qapp: QApplication) -> None:
    if qapp.platformName() == "offscreen":
        pytest.skip("there is no display: napari's canvas cannot be made")


@pytest.fixture
def state(display: None, make_napari_viewer: Any, tmp_path: Any) -> Iterator[Any]:
    """A viewer with a section of one colour."""
    from napari_stml.core.geometry import ScaleSource, UmPerPx
    from napari_stml.io.contents import Contents, PlacedSlide
    from napari_stml.io.section import Section
    from napari_stml.io.slides.array import ArraySlide
    from napari_stml.viewer.state import state_of

    pixels = np.full((200, 200, 3), 220, np.uint8)
    contents = Contents("made", "made", images={"he": PlacedSlide(ArraySlide(pixels))},
                        um_per_px=UmPerPx.square(0.5, ScaleSource.USER))  # fmt: skip
    made = state_of(make_napari_viewer())
    made.open(Section(tmp_path / "made", contents, {}))
    yield made
    made.close()


def test_live_layers_go_with_the_panel_and_stored_ones_stay(state: Any) -> None:
    from napari_stml.widgets.live_painting import LivePainting

    record = SimpleNamespace(id="attention-1", parts=[SimpleNamespace(name="attention")])
    painting = LivePainting(state, record)  # type: ignore[arg-type]
    pixels = np.ones((2, 2), np.float32)
    tile = Tiles("looked at", np.zeros((1, 2)), 20.0)
    stored, passing = (Heatmap(n, pixels, Affine.scaling(10)) for n in ("attention", "tile"))
    painting.paint(Result.of("made", stored))
    painting.paint(Result.of("made", passing, tile))
    view = state.current
    assert view.part_of("attention-1", "tile") is not None
    same = view.part_of("attention-1", "tile")
    painting.paint(Result.of("made", passing, tile))
    assert view.part_of("attention-1", "tile") is same
    painting.paint(Result.of("made", stored))
    assert view.part_of("attention-1", "tile") is None
    painting.paint(Result.of("made", passing))
    painting.clear()
    assert view.part_of("attention-1", "tile") is None
    assert view.part_of("attention-1", "attention") is not None


def test_the_brush_hands_over_what_differs(
    state: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_stml.widgets.brush import BrushBox

    mask = Mask("tissue", np.ones((20, 20), np.uint8), Affine.scaling(10), {1: "tissue"})
    monkeypatch.setattr(BrushBox, "_stored", lambda _: mask)
    box = BrushBox(state, "tissue-1", "tissue")
    qtbot.addWidget(box)
    said: list[str] = []
    box.said.connect(said.append)
    box.begin()
    layer = state.current.part_of("tissue-1", "tissue")
    assert layer.mode == "paint"
    assert layer.selected_label == 1
    box.finish()
    assert "Nothing was painted" in said[-1]
    layer.data_setitem((np.array([3, 3, 4]), np.array([5, 6, 5])), 0)
    with qtbot.waitSignal(box.keep_requested) as kept:
        box.finish()
    assert kept.args is not None
    after = painted(mask.pixels, kept.args[0])
    assert (after == 0).sum() == 3
    assert mask.pixels.all(), "the first mask stays as it is"
    layer.undo()
    assert layer.data.all()


def test_any_click_on_the_canvas_has_a_place(state: Any) -> None:
    found: list[Any] = []
    state.clicked_at.connect(found.append)
    event = SimpleNamespace(type="mouse_press", button=1, position=(25.0, 10.0), modifiers=())
    for step in state.pointer._pressed(state.viewer, event):
        assert step is None
        event.type = "mouse_release"
    assert found == [(20.0, 50.0)]


def test_networks_run_on_the_device_that_the_user_prefers(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_stml.core.scope import Scope
    from napari_stml.runs.desk import analyses
    from napari_stml.widgets import run_wishes
    from napari_stml.widgets.preferences import Preferences

    asked: list[Any] = []
    control = SimpleNamespace(
        published=SimpleNamespace(connect=lambda _: None),
        run=lambda wish: asked.append(wish) or SimpleNamespace(spec=SimpleNamespace(run_id="x-1")),
    )
    state = SimpleNamespace(
        clicked_at=SimpleNamespace(connect=lambda _: None),
        closing=SimpleNamespace(connect=lambda _: None),
        current=SimpleNamespace(section=object()),
    )
    wishes = run_wishes.RunWishes(state, control)  # type: ignore[arg-type]
    monkeypatch.setattr(run_wishes, "preferences", lambda: Preferences(device="auto"))
    for name in ("features", "tissue"):
        wishes.run(name, analyses()[name].Params(), Scope())
    wishes.run("features", analyses()["features"].Params(), Scope(), device="cpu")
    assert [wish.device for wish in asked] == ["auto", "cpu", "cpu"]
