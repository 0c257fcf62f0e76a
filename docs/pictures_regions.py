"""Screenshots of docs/regions.md: a tumour drawn on the demo, its surroundings, taught classes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def take(store: Path, folder: Path) -> dict[str, Path]:
    """Open the store in a window, draw on it, and leave pictures in a folder."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_stml.plugin import show_dock

    def settle(seconds: float = 0.5, until: Any = None) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until is not None and until()):
            QApplication.processEvents()
            time.sleep(0.01)

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 768)
    dock: Any = show_dock(viewer)
    dock.open(store)
    settle(120, lambda: not dock.busy and dock.regions.desk.book is not None)
    dock.show_page("Regions")
    desk, page = dock.regions.desk, dock.regions
    desk.answered()
    page.banner.hide()
    desk.do(lambda d: d.delete(*[r.id for r in d.regions]))
    dock.state.colour_by("truth_domain")
    page.operations.from_shown()
    settle(60, lambda: not dock.busy and len(desk.drawing) > 0)
    first = max(desk.drawing.regions, key=lambda r: r.outline.area)
    smallest = min(
        (r for r in desk.drawing.regions if desk.book.count(r) > 60), key=lambda r: r.outline.area
    )
    desk.do(lambda d: d.delete(*[r.id for r in d.regions if r.id != smallest.id]))
    desk.do(lambda d: d.change([smallest.id], "class", kind="Tumour", name="nest 1"))
    page.operations.simplify(30)
    desk.choose([smallest.id])
    page.operations.ring(0, 200)
    desk.do(lambda d: d.change(list(desk.chosen), "class", kind="Stroma", name="within 200 µm"))
    middle = np.array(first.outline.representative_point().coords[0])
    wave = 60 * np.sin(np.linspace(0, 6, 40))
    path = middle + np.column_stack([np.linspace(-300, 300, 40), wave])
    desk.pen = "Normal"
    from napari_stml.regions.shaping import stroke

    desk.choose([])
    desk.finish(stroke(path, 90))
    page.hand.take("select")
    desk.choose([smallest.id])
    dock.state.wishes.overlay_requested(False)
    viewer.reset_view()
    taken = {}

    def shoot(name: str) -> None:
        settle(3, None)
        taken[name] = folder / f"{name}.png"
        viewer.screenshot(str(taken[name]), canvas_only=False, flash=False)

    shoot("regions")
    dock.state.wishes.overlay_requested(True)
    page.hand.take("")
    desk.choose([])
    page.teach.on.setChecked(True)
    settle(120, lambda: page.teach.answer is not None)
    shoot("teach")
    dock.shut()
    dock.state.close()
    viewer.close()
    return taken
