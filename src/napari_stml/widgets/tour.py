"""A tour of a section through the real window: what a first user sees and does, as pictures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_stml.viewer.state import state_of
from napari_stml.widgets.analysis_page import AnalysisPage
from napari_stml.widgets.dock import RUNS, StmlDock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari.viewer

LARGE, LAPTOP = (1600, 1000), (1366, 768)
SIGHTS = (("truth_domain", "domains"), ("ERBB2", "gene-ERBB2"), ("COL1A1", "gene-COL1A1"))


def tour(section: Path, into: Path, *, size: tuple[int, int] = LARGE) -> list[Path]:
    """Open, colour, swipe, run an analysis, look at it; a screenshot of each sight in ``into``."""
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(title="napari-stml", show=True)
    viewer.window.resize(*size)
    widget = StmlDock(viewer)
    viewer.window.add_dock_widget(widget, name="STML", area="right")
    take = _Camera(viewer, widget, into)
    try:
        widget.open(section)
        wait(lambda: not widget.busy and widget.state.current is not None, "the section to open")
        take("slide-and-spots")
        for name, title in _sights(widget):
            widget.look.colour_requested.emit(name, "magma")
            take(title)
        _compare(widget, take)
        _look_closely(viewer, widget, take)
        _run(widget, take)
        viewer.theme = "light"
        viewer.window.resize(*LAPTOP)
        take("laptop-light")
    finally:
        widget.shut()
        state_of(viewer).close()
        viewer.close()
        QApplication.processEvents()
    return take.pictures


class _Camera:
    """Takes numbered pictures when nothing is loading any more."""

    def __init__(self, viewer: napari.viewer.Viewer, widget: StmlDock, into: Path) -> None:
        self._viewer, self._widget, self._into = viewer, widget, into
        self.pictures: list[Path] = []

    def __call__(self, title: str) -> None:
        still = time.monotonic()

        def settled() -> bool:
            nonlocal still
            if self._widget.busy or not all(layer.loaded for layer in self._viewer.layers):
                still = time.monotonic()
            return time.monotonic() - still > 0.3

        wait(settled, "the picture")
        path = self._into / f"{len(self.pictures) + 1}-{title}.png"
        self._viewer.screenshot(str(path), canvas_only=False, flash=False)
        self.pictures.append(path)


def _sights(widget: StmlDock) -> list[tuple[str, str]]:
    view = widget.state.current
    if view is None:
        return []
    known = {*view.section.columns()}
    return [(n, t) for n, t in SIGHTS if n in known or n in view.section.search(n, limit=3)]


def _compare(widget: StmlDock, take: _Camera) -> None:
    """One value left, another right of a line; and a rule that selects."""
    sights = _sights(widget)
    if len(sights) < 2:
        return
    widget.look.swipe_requested.emit(sights[0][0], "magma")
    take("swipe")
    widget.look.swipe_requested.emit("", "magma")
    widget.look.rule_requested.emit(f"{sights[1][0]} > 3")
    take("rule")
    widget.look.rule_requested.emit("")


def _look_closely(viewer: napari.viewer.Viewer, widget: StmlDock, take: _Camera) -> None:
    widget.look.opacity_requested.emit(0.35)
    centre, zoom = tuple(viewer.scene.camera.center), float(viewer.scene.camera.zoom)
    viewer.scene.camera.zoom = 6 * zoom
    take("close")
    viewer.scene.camera.center, viewer.scene.camera.zoom = centre, zoom
    widget.look.opacity_requested.emit(0.85)


def _run(widget: StmlDock, take: _Camera) -> None:
    """Clusters from the dock, as a user clicks them."""
    page = widget.pages["Prepare"]
    if not isinstance(page, AnalysisPage):
        return
    widget.show_page("Prepare")
    page.choose("clusters")
    take("form")
    ended: list[object] = []
    widget.control.published.connect(lambda *_: ended.append("done"))
    widget.control.failed.connect(lambda _run, words: ended.append(words))
    page.button.click()
    wait(lambda: bool(ended), "the clusters", 300)
    widget.show_page(RUNS)
    take("clusters")


def wait(ready: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Let the window live until something is so."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        QApplication.processEvents()
        time.sleep(0.01)
