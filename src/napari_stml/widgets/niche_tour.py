"""A tour of the niches in the real window: run them, move a slider, select, click a spot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QApplication, QScrollArea, QWidget

from napari_stml.viewer.selection import selected
from napari_stml.viewer.state import state_of
from napari_stml.widgets.analysis_page import AnalysisPage
from napari_stml.widgets.dock import RUNS, StmlDock
from napari_stml.widgets.tour import LARGE, _Camera, wait

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.widgets.run_control import RunControl

PATIENCE_S = 580


def niche_tour(
    section: Path, into: Path, control: RunControl | None = None, **niches: Any
) -> list[Path]:
    """Pictures of the page, of a selection against the rest, a clicked spot and the network.

    Parameters
    ----------
    niches
        What the form of the niches is filled with.
    """
    import napari

    viewer = napari.Viewer(title="napari-stml", show=True)
    viewer.window.resize(*LARGE)
    dock = StmlDock(viewer, control)
    viewer.window.add_dock_widget(dock, name="STML", area="right")
    take = _Camera(viewer, dock, into)
    try:
        dock.open(section)
        wait(lambda: not dock.busy and dock.state.current is not None, "the section to open")
        run = run_from_page(dock, take, "niches", **niches)
        _follow(dock, take)
        types = niches.get("column") or f"{run}/main type"
        run_from_page(dock, take, "contacts", column=types, niches=f"{run}/niches")
        _show(dock, "network")
        take("network")
    finally:
        dock.shut()
        state_of(viewer).close()
        viewer.close()
        QApplication.processEvents()
    return take.pictures


def run_from_page(
    dock: StmlDock, take: _Camera, analysis: str, tab: str = "Niches", **values: Any
) -> str:
    """Fill the form, click Run, wait; give the Run's id."""
    page = dock.pages[tab]
    assert isinstance(page, AnalysisPage)
    dock.show_page(tab)
    page.choose(analysis)
    assert page.form is not None
    for name, value in values.items():
        page.form.rows[name].write(value)
    take(f"form-{analysis}")
    ended: list[Any] = []
    dock.control.published.connect(lambda planned, _: ended.append(planned.spec.run_id))
    dock.control.failed.connect(lambda _, words: ended.append(RuntimeError(words)))
    page.button.click()
    wait(lambda: bool(ended), analysis, PATIENCE_S)
    if isinstance(ended[0], RuntimeError):
        raise ended[0]
    dock.show_page(RUNS)
    take(f"run-{analysis}")
    return str(ended[0])


def _follow(dock: StmlDock, take: _Camera) -> None:
    """Move the bandwidth, select a disc of spots, click one of them."""
    panel, view = dock.runs.panel, dock.state.current
    assert panel is not None
    assert panel.live is not None
    assert view is not None
    observed = view.section.observations
    assert observed is not None
    live = panel.live
    live.move(bandwidth_factor=2.0)
    wait(lambda: "bandwidth" in live.readout.text(), "the slider", PATIENCE_S)
    away = ((observed.xy - np.median(observed.xy, axis=0)) ** 2).sum(axis=1)
    dock.state.select(selected(away < np.quantile(away, 0.15), observed, "a disc"))
    wait(lambda: len(live.charts.views) > 2, "the selection", PATIENCE_S)
    drawn = time.monotonic()
    wait(lambda: time.monotonic() > drawn + 0.5, "the charts to be laid out")
    take("selection")
    dock.state.select(None)
    live.take_place((float(observed.xy[away.argmin(), 0]), float(observed.xy[away.argmin(), 1])))
    wait(lambda: any(v.chart.name == "one cell" for v in live.charts.views), "a spot", PATIENCE_S)
    scroll_to(live.charts.views[0])
    take("spot")


def _show(dock: StmlDock, chart: str) -> None:
    panel = dock.runs.panel
    if panel is not None:
        scroll_to(next(view for view in panel.charts if view.chart.name == chart))


def scroll_to(widget: QWidget) -> None:
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QScrollArea):
        parent = parent.parent()
    if isinstance(parent, QScrollArea):
        parent.ensureWidgetVisible(widget, 0, 300)
        QApplication.processEvents()
