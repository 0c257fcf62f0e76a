"""A tour of a trait map in the real window: run it, move the threshold, look at its charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QApplication

from napari_stml.viewer.state import state_of
from napari_stml.widgets.dock import StmlDock
from napari_stml.widgets.niche_tour import PATIENCE_S, run_from_page, scroll_to
from napari_stml.widgets.tour import LARGE, _Camera, wait

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.widgets.charts import ChartView
    from napari_stml.widgets.result_panel import ResultPanel


def gwas_tour(section: Path, into: Path, analysis: str = "gsmap", **asked: Any) -> list[Path]:
    """Pictures of the form, the map, the spots that pass a false discovery rate, genes, charts."""
    import napari

    viewer = napari.Viewer(title="napari-stml", show=True)
    viewer.window.resize(*LARGE)
    dock = StmlDock(viewer)
    viewer.window.add_dock_widget(dock, name="STML", area="right")
    take = _Camera(viewer, dock, into)
    try:
        dock.open(section)
        wait(lambda: not dock.busy and dock.state.current is not None, "the section to open")
        run_from_page(dock, take, analysis, "GWAS", **asked)
        panel = dock.runs.panel
        assert panel is not None
        assert panel.live is not None
        live = panel.live
        live.move(rule="FDR")
        wait(lambda: "significant" in live.readout.text(), "the threshold", PATIENCE_S)
        labels = _scroll(panel, "cauchy")
        take("significance")
        if labels is not None:
            labels.pick(0)
            wait(lambda: len(live.charts.views) > 1, "the selection", PATIENCE_S)
            scroll_to(labels)
            take("label")
            dock.state.select(None)
        genes = _scroll(panel, "genes_")
        if genes is not None:
            genes.pick(0)
            take("expression")
            live.move(show="specificity of a gene")
            wait(lambda: "gene" in live.readout.text(), "the gene", PATIENCE_S)
            genes.pick(0)
            wait(lambda: genes.chart.links[0].ids[0] in live.readout.text(), "the map", PATIENCE_S)
            take("gene")
        if _scroll(panel, "traits") is not None:
            take("traits")
    finally:
        dock.shut()
        state_of(viewer).close()
        viewer.close()
        QApplication.processEvents()
    return take.pictures


def _scroll(panel: ResultPanel, name: str) -> ChartView | None:
    """Bring the first chart whose name begins so into view."""
    view = next((v for v in panel.charts if v.chart.name.startswith(name)), None)
    if view is not None:
        scroll_to(view)
    return view
