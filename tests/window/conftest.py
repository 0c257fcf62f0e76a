from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QCoreApplication, Qt

from napari_stml.runs.settings import WorkerSettings
from napari_stml.widgets.dock import StmlDock
from napari_stml.widgets.run_control import RunControl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtpy.QtWidgets import QApplication

TOYS = str(Path(__file__).parents[1] / "widgets")
for folder in (TOYS, str(Path(__file__).parents[1] / "runs"), str(Path(__file__).parent)):
    if folder not in sys.path:
        sys.path.append(folder)


@pytest.fixture
def dock(qapp: QApplication) -> Iterator[StmlDock]:
    """The dock in a window that is really shown, with Qt's own dialogs.

    napari's own fixture counts viewers that are still held; one that was shown is.
    """
    if qapp.platformName() == "offscreen":
        pytest.skip("there is no display: napari's canvas cannot be made")
    no_native = Qt.ApplicationAttribute.AA_DontUseNativeDialogs
    before = QCoreApplication.testAttribute(no_native)
    QCoreApplication.setAttribute(no_native, True)
    import napari
    from napari._qt.qt_viewer import QtViewer

    viewer = napari.Viewer(show=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="no signature found for builtin")  # napari's own
        viewer.window.show()
    viewer.window.resize(1366, 768)
    made = StmlDock(viewer, RunControl(WorkerSettings(path=(TOYS,), threads=1)))
    viewer.window.add_dock_widget(made, name="STML", area="right")
    yield made
    made.shut()
    made.state.close()
    viewer.close()
    QtViewer._instances.clear()
    QCoreApplication.setAttribute(no_native, before)
