"""Axes of printed charts: names, ticks that can be read, legends of series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.figures.lettering import SIZE_PT, number, plain, width_mm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_stml.core.charts import Axis, Chart

ROW_MM = 2.2
"""A tick's name needs this much, upright."""


def numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    """Plain JSON numbers; None is missing."""
    return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)


def name_axes(axes: Axes, chart: Chart) -> None:
    axes.set_xlabel(_text(chart.x))
    axes.set_ylabel(_text(chart.y))


def named(axis: Any, position: Any, names: Sequence[Any], room_mm: float) -> None:
    """Names as ticks: upright where they do not fit side by side, every n-th where too many."""
    texts = [plain(n, 24) for n in names]
    size = SIZE_PT - 1
    every = max(1, math.ceil(len(texts) * ROW_MM / max(room_mm, ROW_MM)))
    shown = range(0, len(texts), every)
    slot = room_mm / max(1, len(shown))
    upright = axis.axis_name == "x" and any(width_mm(texts[i], size) + 1.0 > slot for i in shown)
    axis.set_ticks([float(position[i]) for i in shown], [texts[i] for i in shown])
    axis.set_tick_params(labelsize=size, rotation=90 if upright else 0)


def series_legend(axes: Axes, count: int) -> None:
    """A legend beside the axes where there is more than one series."""
    if count < 2:
        return
    handles, labels = axes.get_legend_handles_labels()
    two = len(labels) > 14
    legend = axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False,
        ncols=2 if two else 1, handletextpad=0.4, columnspacing=0.8, borderaxespad=0.0,
        markerscale=1.6,
    )  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)


def spread(position: NDArray[np.float64], *, log: bool) -> tuple[Any, Any]:
    """The borders between positions, half-way (on a log axis in the logarithm)."""
    if len(position) < 2:
        return position - 0.5, position + 0.5
    at = np.log1p(position) if log else position
    middle = (at[1:] + at[:-1]) / 2
    left = np.concatenate([[2 * at[0] - middle[0]], middle])
    right = np.concatenate([middle, [2 * at[-1] - middle[-1]]])
    return (np.expm1(left), np.expm1(right)) if log else (left, right)


def log_axis(axes: Axes, which: str) -> None:
    """A logarithmic axis that takes zero (log1p), with plain numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    seen = axes.dataLim.intervalx if which == "x" else axes.dataLim.intervaly
    low, high = (float(v) for v in seen) if np.isfinite(seen).all() else (0.0, 1.0)
    scale: Any = axes.set_xscale if which == "x" else axes.set_yscale
    scale("function", functions=(_log1p, np.expm1))
    margin = 0.03 * (np.log1p(high) - np.log1p(max(low, 0.0)))
    low, high = (float(np.expm1(np.log1p(max(v, 0.0)) + m)) for v, m in ((low, -margin),
                                                                       (high, margin)))  # fmt: skip
    low = max(low, 0.0)
    steps = [s * 10.0**p for p in range(13) for s in (1, 2, 5)]
    ticks = [s for s in steps if low <= s <= high]
    if len(ticks) > 8:
        ticks = [t for t in ticks if f"{t:e}"[0] == "1"]
    axis.set_major_locator(FixedLocator(([0.0] if low == 0 else []) + ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda v, _: _tick(v)))
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)


def _log1p(values: Any) -> Any:
    return np.log1p(np.maximum(values, -0.5))


def _tick(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else number(value)


def _text(axis: Axis) -> str:
    return plain(f"{axis.title} ({axis.unit})" if axis.unit else axis.title)
