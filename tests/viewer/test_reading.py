"""Stores that are slow or fail: nothing is read on the main thread, nothing is lost for good."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.io.contents import PlacedSlide
from napari_stml.io.slides.base import Level, Slide
from napari_stml.viewer.prepare import channel_limits, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from napari_stml.io.section import Section
    from napari_stml.viewer.state import ViewerState


class Watched(Slide):
    """A slide of one colour that notes who reads it, and can be broken."""

    uri, rgb = "watched", True
    channels: tuple[str, ...] = ("red", "green", "blue")

    def __init__(self, side: int = 4096, channels: int = 3) -> None:
        self.levels = tuple(
            Level(side >> i, side >> i, float(1 << i), float(1 << i), 256, 256) for i in range(4)
        )
        self.rgb = channels == 3
        self.dtype = np.dtype(np.uint8 if self.rgb else np.uint16)
        if channels != 3:
            self.channels = tuple(f"c{i}" for i in range(channels))
        self.broken = False
        self.readers: set[str] = set()

    @property
    def key(self) -> str:
        return "watched"

    def tile(self, level: int, row: int, col: int) -> Any:
        raise NotImplementedError

    def read(
        self, x: int, y: int, level: int, w: int, h: int, *, channel: int | None = None
    ) -> Any:
        self.readers.add(threading.current_thread().name)
        if self.broken:
            raise OSError("the network is down")
        depth = len(self.channels) if channel is None else 1
        pixels = np.full((h, w, depth), 77, self.dtype)
        pixels[:, : w // 2] = 200
        return pixels

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def _async_slicing(state: ViewerState) -> Iterator[None]:
    from napari.settings import get_settings

    settings = get_settings().experimental
    before, settings.async_ = settings.async_, True
    yield
    settings.async_ = before


def prepared(state: ViewerState, section: Section, qtbot: QtBot) -> Section:
    done: list[Section] = []
    state.background.run("open", lambda: prepare(section), done.append, pytest.fail)
    qtbot.waitUntil(lambda: bool(done))
    return done[0]


@pytest.mark.usefixtures("_async_slicing")
@pytest.mark.parametrize("channels", [3, 2])
def test_opening_and_moving_read_nothing_on_the_main_thread(
    state: ViewerState, make: Callable[..., Section], qtbot: QtBot, channels: int
) -> None:
    slide = Watched(channels=channels)
    section = make(slide=slide)
    if channels != 3:
        images = {"dapi": PlacedSlide(slide, role="channels")}
        section.contents = type(section.contents)(**{**vars(section.contents), "images": images})
    state.open(prepared(state, section, qtbot))
    assert all(layer.loaded is not None for layer in state.viewer.layers)
    for layer in state.current.slide_layers:  # type: ignore[union-attr]
        # what a draw does with the camera closer by
        layer._update_draw(0.2, np.array([[100, 100], [700, 700]]), (500, 500))
    qtbot.waitUntil(lambda: all(layer.loaded for layer in state.viewer.layers))
    assert slide.readers
    assert threading.main_thread().name not in slide.readers
    if channels != 3:
        limits = state.current.slide_layers[0].contrast_limits  # type: ignore[union-attr]
        np.testing.assert_allclose(limits, [77, 200])


def test_limits_of_a_dark_channel_keep_its_bright_cells() -> None:
    pixels = np.zeros((100, 100))
    pixels[:10] = 500
    assert channel_limits(pixels) == (0.0, 500.0)
    assert channel_limits(np.zeros((5, 5))) == (-0.5, 0.5)


def test_what_cannot_be_read_is_grey_said_and_tried_again(
    state: ViewerState, make: Callable[..., Section], qtbot: QtBot
) -> None:
    said: list[str] = []
    state.said.connect(said.append)
    slide = Watched()
    state.open(prepared(state, make(slide=slide), qtbot))
    view = state.current
    assert view is not None
    recovery: Any = state._recovery
    layer = view.slide_layers[0]
    slide.broken = True
    assert (np.asarray(layer.data[0][:10, :10]) == 128).all()
    recovery.look()
    assert "the network is down" in said[-1]
    recovery.look()
    recovery.look()
    qtbot.waitUntil(lambda: not state.busy)  # the first attempt fails as well
    recovery.look()
    assert said[-1].count("trying again") == 1
    assert recovery._wait["he"] == 4
    slide.broken = False
    for _ in range(4):
        recovery.look()
    qtbot.waitUntil(lambda: "can be read again" in said[-1])
    assert (np.asarray(layer.data[0][:10, :5]) != 128).all()
    assert layer in state.viewer.layers


def test_a_slide_that_cannot_be_read_at_all_opens_grey_and_recovers(
    state: ViewerState, make: Callable[..., Section], qtbot: QtBot
) -> None:
    said: list[str] = []
    state.said.connect(said.append)
    slide = Watched()
    slide.broken = True
    state.open(prepared(state, make(slide=slide), qtbot))
    recovery: Any = state._recovery
    recovery.look()
    assert "cannot be read" in said[-1]
    slide.broken = False
    recovery._wait["he"] = 1
    recovery.look()
    qtbot.waitUntil(lambda: "can be read again" in said[-1])
    assert state.current is not None
    coarse = state.current.slide_layers[0].data[-1]
    assert set(np.unique(coarse).tolist()) == {77, 200}


def test_a_column_that_fails_while_reading_is_said(
    state: ViewerState, make: Callable[..., Section], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = make()
    state.open(section)

    def fails(*_: Any, **__: Any) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(section, "values", fails)
    said: list[str] = []
    state.said.connect(said.append)
    state.wishes.colour_requested("domain")
    qtbot.waitUntil(lambda: bool(said))
    assert "the disk is gone" in said[0]


def test_closing_while_something_is_read_is_quiet(
    state: ViewerState, make: Callable[..., Section], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = make()
    state.open(section)
    go = threading.Event()
    values = section.values
    monkeypatch.setattr(section, "values", lambda *a, **k: (go.wait(5), values(*a, **k))[1])
    state.wishes.colour_requested("domain")
    view = state.current
    state.close_current()
    go.set()
    qtbot.waitUntil(lambda: not state.busy)
    assert view is not None
    assert view.shown is None
    assert not len(state.viewer.layers)
