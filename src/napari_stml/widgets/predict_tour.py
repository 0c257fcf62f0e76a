"""A tour of expression from morphology in the real window: train, look at the maps, predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QApplication, QScrollArea

from napari_stml.viewer.state import state_of
from napari_stml.widgets.analysis_page import AnalysisPage
from napari_stml.widgets.dock import RUNS, StmlDock
from napari_stml.widgets.tour import LARGE, _Camera, wait

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.core.progress import Progress
    from napari_stml.widgets.run_control import RunControl

PAGE = "Predict"
PATIENCE_S = 1200
KINDS = ("predicted", "measured", "difference")


def predict_tour(
    section: Path, into: Path, control: RunControl | None = None, *, step_um: float = 0.0,
    **training: Any,
) -> list[Path]:  # fmt: skip
    """Pictures of the form, a training and its charts, of the maps, a swipe, and a prediction.

    Parameters
    ----------
    step_um
        Of the grid that is predicted in the end; 0 predicts at the spots.
    training
        What the form of the training is filled with.
    """
    import napari

    viewer = napari.Viewer(title="napari-stml", show=True)
    viewer.window.resize(*LARGE)
    dock = StmlDock(viewer, control)
    viewer.window.add_dock_widget(dock, name="STML", area="right")
    take = _Camera(viewer, dock, into)
    try:
        dock.open(section)
        wait(lambda: not dock.busy and dock.state.current is not None, "the section to open",
             PATIENCE_S)  # fmt: skip
        _fill(dock, "train-expression", {"network": "stf", "genes": "variable"})
        take("form")
        _fill(dock, "train-expression", {"genes": "markers"})
        run = _run(dock, take, "train-expression", training)
        _scroll(dock)
        take("charts")
        _scroll(dock, to=0)
        _maps(dock, take, run)
        where = {"where": "grid", "step_um": step_um} if step_um else {"compare": True}
        _run(dock, take, "predict-expression", {"model": run, **where})
    finally:
        dock.shut()
        state_of(viewer).close()
        viewer.close()
        QApplication.processEvents()
    return take.pictures


def _run(dock: StmlDock, take: _Camera, analysis: str, values: dict[str, Any]) -> str:
    """Fill the form, click Run, watch, look at what it left; the id of the Run."""
    page = _fill(dock, analysis, values)
    take(f"form-{analysis}")
    ended: list[str | RuntimeError] = []
    curves: list[Progress] = []
    dock.control.published.connect(lambda planned, _: ended.append(planned.spec.run_id))
    dock.control.failed.connect(lambda _, words: ended.append(RuntimeError(words)))
    dock.control.progressed.connect(lambda _, p: curves.append(p) if p.curves else None)
    page.button.click()
    wait(lambda: bool(ended) or len(curves) > 1, analysis, PATIENCE_S)
    if curves and not ended:
        take("learning")
    wait(lambda: bool(ended), analysis, PATIENCE_S)
    if isinstance(ended[0], RuntimeError):
        raise ended[0]
    dock.show_page(RUNS)
    take(f"run-{analysis}")
    return ended[0]


def _fill(dock: StmlDock, analysis: str, values: dict[str, Any]) -> AnalysisPage:
    page = dock.pages[PAGE]
    assert isinstance(page, AnalysisPage)
    dock.show_page(PAGE)
    page.choose(analysis)
    assert page.form is not None
    for name, value in values.items():
        page.form.rows[name].write(value)
    QApplication.processEvents()
    return page


def _maps(dock: StmlDock, take: _Camera, run: str) -> None:
    """The best gene predicted, measured, their difference; then the first two at a line."""
    panel = dock.runs.panel
    assert panel is not None
    listed = [panel.values.itemText(i) for i in range(panel.values.count())]
    names = {k: next(n for n in listed if n.startswith(k)) for k in KINDS}
    for kind, name in names.items():
        panel.values.setCurrentText(name)
        panel.values.textActivated.emit(name)
        wait(lambda: not dock.busy, kind, PATIENCE_S)
        take(kind)
    dock.look.colour_requested.emit(f"{run}/{names['measured']}", "viridis")
    wait(lambda: not dock.busy, "measured", PATIENCE_S)
    dock.look.swipe_requested.emit(f"{run}/{names['predicted']}", "viridis")
    take("measured-beside-predicted")
    dock.look.swipe_requested.emit("", "viridis")


def _scroll(dock: StmlDock, to: int | None = None) -> None:
    """Bring the first chart of the Run into sight, or go back to the top."""
    panel = dock.runs.panel
    assert panel is not None
    for area in dock.runs.findChildren(QScrollArea):
        if to is None and panel.charts and area.isAncestorOf(panel):
            area.ensureWidgetVisible(panel.charts[-1])
        bar = area.verticalScrollBar()
        if to is not None and bar is not None:
            bar.setValue(to)
    QApplication.processEvents()
