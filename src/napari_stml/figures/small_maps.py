"""Small maps side by side: a scatter of places with a panel for every set of labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.charts import tile_places
from napari_stml.core.colours import MISSING, ColourScale, limits, palette
from napari_stml.core.results import Values
from napari_stml.figures.lettering import SIZE_PT, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from napari_stml.core.charts import Chart
    from napari_stml.core.results import Labels


def small_maps(
    figure: Figure, chart: Chart, x: NDArray[np.float64], y: NDArray[np.float64], part_of: Any
) -> None:
    """One set of colours for all maps: a category, or a number, looks the same in each."""
    panels = list(chart.data["panels"])
    parts = [part_of(panel["value"]) for panel in panels]
    drawn = _by_number(parts) if isinstance(parts[0], Values) else _by_code(parts)
    axes = figure.subplots()
    axes.set_aspect("equal")
    axes.axis("off")
    across = min(len(panels), 4)
    size = 3.2 * (figure.get_figwidth() / across) ** 2 * 500 / max(len(x), 200)
    known = np.isfinite(x)
    for panel, inks, (left, up) in zip(panels, drawn, tile_places(x, y, len(panels)), strict=True):
        axes.scatter(left[known], up[known], s=size, c=inks[known],
                     linewidths=0, rasterized=True)  # fmt: skip
        axes.text(float(np.nanmin(left)), float(np.nanmax(up)) + 0.03, plain(panel["title"], 30),
                  fontsize=SIZE_PT - 1, va="bottom")  # fmt: skip


def _by_code(labels: Sequence[Labels]) -> list[NDArray[Any]]:
    names = sorted({n for part in labels for n in part.categories}, key=lambda n: (len(n), n))
    table = np.vstack([palette(names)[: len(names)], MISSING])
    places = [np.array([names.index(n) for n in part.categories] + [-1]) for part in labels]
    return [table[at[part.codes]] for at, part in zip(places, labels, strict=True)]


def _by_number(values: Sequence[Values]) -> list[NDArray[Any]]:
    colours = ColourScale("viridis", *limits(np.concatenate([v.values for v in values])))
    return [colours(np.asarray(v.values)) for v in values]


def height_mm(chart: Chart, width: float) -> float:
    """Rows of maps of about square tissue."""
    return 14.0 + width / 4.4 * 1.22 * math.ceil(len(chart.data["panels"]) / 4)
