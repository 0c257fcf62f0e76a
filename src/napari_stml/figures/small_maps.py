"""Small maps side by side: a scatter of places with a panel for every set of labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.charts import tile_places
from napari_stml.core.colours import MISSING, palette
from napari_stml.core.results import Labels
from napari_stml.figures.lettering import SIZE_PT, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from napari_stml.core.charts import Chart


def small_maps(
    figure: Figure, chart: Chart, x: NDArray[np.float64], y: NDArray[np.float64], part_of: Any
) -> None:
    """One set of colours for all maps: a category is the same in each."""
    panels = list(chart.data["panels"])
    labels = [part_of(panel["value"]) for panel in panels]
    names = sorted({n for part in labels for n in part.categories}, key=lambda n: (len(n), n))
    table = np.vstack([palette(names)[: len(names)], MISSING])
    axes = figure.subplots()
    axes.set_aspect("equal")
    axes.axis("off")
    across = min(len(panels), 4)
    size = 3.2 * (figure.get_figwidth() / across) ** 2 * 500 / max(len(x), 200)
    known = np.isfinite(x)
    for panel, part, (left, up) in zip(panels, labels, tile_places(x, y, len(panels)), strict=True):
        assert isinstance(part, Labels)
        place = np.array([names.index(n) for n in part.categories] + [-1])
        axes.scatter(left[known], up[known], s=size, c=table[place[part.codes]][known],
                     linewidths=0, rasterized=True)  # fmt: skip
        axes.text(float(np.nanmin(left)), float(np.nanmax(up)) + 0.03, plain(panel["title"], 30),
                  fontsize=SIZE_PT - 1, va="bottom")  # fmt: skip


def height_mm(chart: Chart, width: float) -> float:
    """Rows of maps of about square tissue."""
    return 14.0 + width / 4.4 * 1.22 * math.ceil(len(chart.data["panels"]) / 4)
