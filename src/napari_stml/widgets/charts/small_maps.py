"""Small maps side by side in the dock; a click picks the observation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg

from napari_stml.core.charts import tile_places
from napari_stml.viewer.colours import PALETTE, ColourScale, limits
from napari_stml.widgets.charts.marks import MISSING, Marks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.core.charts import Chart

STEPS = 64


def small_maps(plot: pg.PlotItem, chart: Chart, resolve: Any) -> Marks:
    """Codes of labels are numbers of the same clusters, and numbers have one scale in all maps."""
    panels = list(chart.data["panels"])
    x, y = (np.asarray(resolve(chart.data[k]), dtype=float) for k in ("x", "y"))
    tiles = tile_places(x, y, len(panels))
    values = [np.asarray(resolve(panel)) for panel in panels]
    brushes, places = _by_number(values) if values[0].dtype.kind == "f" else _by_code(values)
    known = np.flatnonzero(np.isfinite(x))
    for panel, place, (left, up) in zip(panels, places, tiles, strict=True):
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


def _by_code(values: list[NDArray[Any]]) -> tuple[list[Any], list[NDArray[np.int64]]]:
    brushes = [pg.mkBrush(c) for c in PALETTE] + [pg.mkBrush(*MISSING)]
    return brushes, [np.where(v < 0, len(PALETTE), v % len(PALETTE)) for v in values]


def _by_number(values: list[NDArray[Any]]) -> tuple[list[Any], list[NDArray[np.int64]]]:
    """Brushes of the scale's steps, and the step of each mark; the last is for missing ones."""
    low, high = limits(np.concatenate(values))
    share = [(v - low) / max(high - low, 1e-12) for v in values]
    steps = np.linspace(low, high, STEPS)
    colours = (ColourScale("viridis", low, high)(steps) * 255).astype(int).tolist()
    brushes = [pg.mkBrush(*c) for c in colours] + [pg.mkBrush(*MISSING)]
    at = [np.round(np.clip(np.nan_to_num(s), 0, 1) * (STEPS - 1)).astype(np.int64) for s in share]
    return brushes, [np.where(np.isfinite(s), a, STEPS) for s, a in zip(share, at, strict=True)]
