"""The window is killed in the middle of a stroke: every finished one is offered back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_stml import Section
from napari_stml.io.regions import RegionKeeper

DRAWING = """
import importlib.util, sys, time
import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

spec = importlib.util.spec_from_file_location("page", sys.argv[1])
page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(page)

if __name__ == "__main__":
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 768)
    dock = page.StmlDock(viewer, page.RunControl(page.WorkerSettings(threads=1)))
    viewer.window.add_dock_widget(dock, name="STML")
    dock.open(sys.argv[2], um_per_px=0.5)
    while dock.busy or dock.regions.desk.book is None:
        QApplication.processEvents()
        time.sleep(0.01)
    person = page.Person(dock)
    dock.regions.tools.buttons["polygon"].click()
    for x in (20, 140, 260):
        person.click((x, 20), (x + 80, 20), (x + 80, 100), (x, 100))
        person.press(Qt.Key.Key_Return)
    person.click((20, 200), (100, 200), (100, 300))
    print("drawing", len(dock.regions.desk.drawing), flush=True)
    while True:
        person.click((20, 300), (60, 260))
        time.sleep(0.05)
"""


@pytest.mark.screen
def test_every_finished_stroke_is_offered_back(tmp_path: Path) -> None:
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        pytest.skip("there is no display: napari's canvas cannot be made")
    import anndata as ad
    import pandas as pd

    names = pd.Index([f"s{i}" for i in range(400)], dtype=object)
    table = ad.AnnData(np.ones((400, 2), np.float32), obs=pd.DataFrame(index=names))
    table.obsm["spatial"] = np.column_stack([np.arange(400) % 20, np.arange(400) // 20]) * 20.0
    path = tmp_path / "section.h5ad"
    table.write_h5ad(path)
    program = tmp_path / "drawing.py"
    program.write_text(DRAWING)
    page = Path(__file__).with_name("test_regions_page.py")
    environment = {k: v for k, v in os.environ.items() if k != "QT_QPA_PLATFORM"}
    child = subprocess.Popen(
        [sys.executable, str(program), str(page), str(path)], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=environment,
    )  # fmt: skip
    assert child.stdout is not None
    said = ""
    while not said.startswith("drawing"):
        said = child.stdout.readline()
        assert said, "the window came up and was drawn in"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert said.split() == ["drawing", "3"]
    with Section.open(path) as section:
        keeper = RegionKeeper(section)
        drawing = keeper.load()
        drawing.listeners.append(keeper.note)
        offer = keeper.offer()
        if offer is not None:
            offer.bring_back(drawing)
            keeper.answered()
        bounds = sorted(round(r.outline.bounds[0], -1) for r in drawing.regions)
        assert bounds == [20, 140, 260]
        keeper.close()
