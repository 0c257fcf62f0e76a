"""A tour of expression from morphology in the real window: train, look at the maps, compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QApplication

from napari_stml.viewer.state import state_of
from napari_stml.widgets.analysis_page import AnalysisPage
from napari_stml.widgets.dock import RUNS, StmlDock
from napari_stml.widgets.tour import LARGE, _Camera, wait

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.widgets.run_control import RunControl

PAGE = "Predict"
PATIENCE_S = 1200


def predict_tour(
    section: Path, into: Path, control: RunControl | None = None, **training: Any
) -> list[Path]:
    """Pictures of the form, of the training's curves, and of predicted and difference.

    Parameters
    ----------
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
        _train(dock, take, training)
        panel = dock.runs.panel
        assert panel is not None
        names = [panel.values.itemText(i) for i in range(panel.values.count())]
        for kind in ("predicted", "measured", "difference"):
            name = next(n for n in names if n.startswith(kind))
            panel.values.setCurrentText(name)
            panel.values.textActivated.emit(name)
            wait(lambda: not dock.busy, kind, PATIENCE_S)
            take(kind)
    finally:
        dock.shut()
        state_of(viewer).close()
        viewer.close()
        QApplication.processEvents()
    return take.pictures


def _train(dock: StmlDock, take: _Camera, training: dict[str, Any]) -> None:
    page = dock.pages[PAGE]
    assert isinstance(page, AnalysisPage)
    dock.show_page(PAGE)
    page.choose("train-expression")
    assert page.form is not None
    for name, value in training.items():
        page.form.rows[name].write(value)
    take("form-train")
    ended: list[str | RuntimeError] = []
    dock.control.published.connect(lambda planned, _: ended.append(planned.spec.run_id))
    dock.control.failed.connect(lambda _, words: ended.append(RuntimeError(words)))
    page.button.click()
    wait(lambda: bool(ended), "the training", PATIENCE_S)
    if isinstance(ended[0], RuntimeError):
        raise ended[0]
    dock.show_page(RUNS)
    take("trained")
