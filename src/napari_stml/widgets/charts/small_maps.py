"""Small maps side by side in the dock; a click picks the observation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg

from napari_stml.core.charts import tile_places
from napari_stml.viewer.colours import PALETTE
from napari_stml.widgets.charts.marks import MISSING, Marks

if TYPE_CHECKING:
    from napari_stml.core.charts import Chart


def small_maps(plot: pg.PlotItem, chart: Chart, resolve: Any) -> Marks:
    """Codes of all labels are numbers of the same clusters, so they share their colours."""
    panels = list(chart.data["panels"])
    x, y = (np.asarray(resolve(chart.data[k]), dtype=float) for k in ("x", "y"))
    tiles = tile_places(x, y, len(panels))
    brushes = [pg.mkBrush(c) for c in PALETTE] + [pg.mkBrush(*MISSING)]
    known = np.flatnonzero(np.isfinite(x))
    for panel, (left, up) in zip(panels, tiles, strict=True):
        codes = np.asarray(resolve(panel))
        place = np.where(codes < 0, len(PALETTE), codes % len(PALETTE))
        plot.addItem(pg.ScatterPlotItem(
            x=left[known], y=up[known], size=2.5 if len(x) < 4000 else 1.5, pen=None, pxMode=True,
            brush=[brushes[place[i]] for i in known],
        ))  # fmt: skip
        title = pg.TextItem(panel["title"], color="#888888", anchor=(0, 1))
        title.setPos(float(np.nanmin(left)), float(np.nanmax(up)))
        plot.addItem(title)
    plot.setAspectLocked(True)
    for side in ("left", "bottom"):
        plot.hideAxis(side)

    def hit(px: float, py: float) -> int | None:
        for left, up in tiles:
            away = np.hypot(left - px, up - py)
            best = int(np.nanargmin(away))
            if away[best] < 0.04:
                return best
        return None

    return Marks(hit)
