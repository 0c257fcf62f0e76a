"""A tour of the demo through the real window: what a first user sees, as pictures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_stml.viewer.state import state_of
from napari_stml.widgets.dock import StmlDock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari.viewer


def tour(demo: Path, into: Path, *, size: tuple[int, int] = (1600, 1000)) -> list[Path]:
    """Open the demo, colour it, zoom, and leave a screenshot of each sight in ``into``."""
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(title="napari-stml", show=True)
    viewer.window.resize(*size)
    widget = StmlDock(viewer)
    viewer.window.add_dock_widget(widget, name="STML", area="right")
    pictures: list[Path] = []
    try:
        widget.open(demo)
        wait(lambda: not widget.busy and widget.state.current is not None, "the demo to open")
        pictures.append(_picture(viewer, into / "1-slide-and-spots.png"))
        for number, (name, title) in enumerate(sights(widget), start=2):
            widget.look.colour_requested.emit(name, "magma")
            pictures.append(_picture(viewer, into / f"{number}-{title}.png"))
        widget.look.opacity_requested.emit(0.35)
        viewer.scene.camera.zoom *= 6
        pictures.append(_picture(viewer, into / "9-close.png"))
    finally:
        state_of(viewer).close()
        viewer.close()
        QApplication.processEvents()
    return pictures


def sights(widget: StmlDock) -> list[tuple[str, str]]:
    """What the tour colours by: the planted domains and two genes."""
    section = widget.state.current.section if widget.state.current else None
    if section is None:
        return []
    wanted = [("truth_domain", "domains"), ("ERBB2", "gene-ERBB2"), ("COL1A1", "gene-COL1A1")]
    known = {*section.columns()}
    return [(n, t) for n, t in wanted if n in known or n in section.search(n, limit=3)]


def wait(ready: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Let the window live until something is so."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        QApplication.processEvents()
        time.sleep(0.01)


def _picture(viewer: napari.viewer.Viewer, path: Path) -> Path:
    wait(lambda: all(layer.loaded for layer in viewer.layers), "the picture")
    for _ in range(5):
        wait(lambda: True, "a frame")
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    return path
