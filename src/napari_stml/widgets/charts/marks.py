"""How each kind of chart is drawn: marks on a plot, and which mark lies under a click.

The conventions of a chart's data stand in `napari_stml.analyses._shared.charts`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg

from napari_stml.viewer.colours import PALETTE, ColourScale, limits
from napari_stml.widgets.charts.upright import UprightAxis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_stml.core.charts import Chart

    Resolve = Callable[[dict[str, Any]], NDArray[Any]]

MISSING = (158, 158, 158, 90)
CHOSEN = "#f28e00"
"""The ring of what is selected: seen on dark and on light ground."""


@dataclass
class Marks:
    """What was drawn: a function from plot coordinates to the index of a mark."""

    hit: Callable[[float, float], int | None] = lambda x, y: None
    highlight: Callable[[frozenset[int]], None] = field(default=lambda chosen: None)


def pen(i: int = 0, width: float = 2) -> Any:
    return pg.mkPen(PALETTE[i % len(PALETTE)], width=width)


def columns(chart: Chart) -> tuple[str, list[Any], dict[str, list[Any]]]:
    """The x column and the series behind it."""
    (name, x), *rest = chart.data.items()
    return name, list(x), {k: list(v) for k, v in rest}


def line(plot: pg.PlotItem, chart: Chart) -> Marks:
    _, x, series = columns(chart)
    position = _numbers(x)
    for i, (name, y) in enumerate(series.items()):
        plot.plot(position, _numbers(y), pen=pen(i), name=name, symbol="o", symbolSize=4,
                  symbolBrush=PALETTE[i % len(PALETTE)], symbolPen=None)  # fmt: skip
    _legend(plot, tuple(series))
    return Marks(hit=lambda px, py: _nearest(position, px))


def _legend(plot: pg.PlotItem, names: Sequence[str]) -> None:
    """Which colour is which, where there are several."""
    if len(names) < 2:
        return
    legend = plot.addLegend(offset=(-5, 5), labelTextSize="8pt", verSpacing=-6)
    legend.clear()
    for i, name in enumerate(names):
        brush = pg.mkBrush(PALETTE[i % len(PALETTE)])
        legend.addItem(pg.ScatterPlotItem(symbol="s", size=8, brush=brush, pen=None), name)


def bar(plot: pg.PlotItem, chart: Chart) -> Marks:
    _, x, series = columns(chart)
    numeric = all(isinstance(v, int | float) for v in x) and len(x) > 1
    position = _numbers(x) if numeric else np.arange(len(x), dtype=float)
    step = float(np.median(np.diff(position))) if numeric else 1.0
    width = 0.8 * abs(step) / max(1, len(series))
    items = []
    by_category = len(series) == 1 and any(k.kind == "category" for k in chart.links)
    own = [PALETTE[i % len(PALETTE)] if by_category else PALETTE[0] for i in range(len(x))]
    for i, y in enumerate(series.values()):
        shift = (i - (len(series) - 1) / 2) * width
        item = pg.BarGraphItem(
            x=position + shift, height=np.nan_to_num(_numbers(y)), width=width, pen=None,
            **({"brushes": [pg.mkBrush(c) for c in own]} if i == 0 else {"brush": PALETTE[i % 20]}),
        )  # fmt: skip
        plot.addItem(item)
        items.append(item)
    _legend(plot, tuple(series))
    if not numeric:
        _ticks(plot, "bottom", x)
        plot.setXRange(-0.6, len(x) - 0.4, padding=0)

    def highlight(chosen: frozenset[int]) -> None:
        if items:
            shown = [own[i] if not chosen or i in chosen else MISSING for i in range(len(x))]
            items[0].setOpts(brushes=[pg.mkBrush(c) for c in shown])

    inside = abs(step) / 2
    return Marks(lambda px, py: _nearest(position, px, inside), highlight)


def scatter(plot: pg.PlotItem, chart: Chart, resolve: Resolve) -> Marks:
    """Points; stored values are resolved, so that half a million marks need no copy."""
    if isinstance(chart.data.get("x"), dict):
        x, y = (resolve(chart.data[k]) for k in ("x", "y"))
        tint = resolve(chart.data["colour"]) if "colour" in chart.data else None
        plot.addItem(pg.ScatterPlotItem(
            x=np.nan_to_num(x), y=np.nan_to_num(y), size=_size(len(x)), pen=None,
            brush=_brushes(tint, len(x)), pxMode=True,
        ))  # fmt: skip
    else:
        x, y = _series(plot, chart)
    ring = pg.ScatterPlotItem(size=_size(len(x)) + 4, pen=pg.mkPen(CHOSEN, width=1.2),
                              brush=None, pxMode=True)  # fmt: skip
    plot.addItem(ring)

    def highlight(chosen: frozenset[int]) -> None:
        rows = np.fromiter(chosen, dtype=int, count=len(chosen))
        ring.setData(x=x[rows], y=y[rows])

    def hit(px: float, py: float) -> int | None:
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if not len(known):
            return None
        spread = np.array([np.ptp(x[known]) or 1, np.ptp(y[known]) or 1])
        away = np.hypot((x[known] - px) / spread[0], (y[known] - py) / spread[1])
        best = int(away.argmin())
        return int(known[best]) if away[best] < 0.02 else None

    return Marks(hit, highlight)


def _series(plot: pg.PlotItem, chart: Chart) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each series in its colour; a mark stands where the first series that has it says."""
    _, first, series = columns(chart)
    x, every = _numbers(first), [_numbers(values) for values in series.values()]
    y = np.full(len(x), np.nan)
    for i, own in enumerate(every):
        known = np.isfinite(own) & np.isfinite(x)
        plot.addItem(pg.ScatterPlotItem(
            x=x[known], y=own[known], size=_size(len(x)), pen=None, pxMode=True,
            brush=pg.mkBrush(PALETTE[i % len(PALETTE)]),
        ))  # fmt: skip
        y = np.where(np.isfinite(y), y, own)
    _legend(plot, tuple(series))
    return x, y


def matrix(plot: pg.PlotItem, chart: Chart) -> Marks:
    """A heat map, or a dot plot when the data carry sizes."""
    rows, titles = list(chart.data["rows"]), list(chart.data["columns"])
    values = np.array([_numbers(r) for r in chart.data["values"]])
    low, high = limits(values, 0, 100)
    diverging = low < 0 < high
    reach = max(abs(low), abs(high))
    scale = ColourScale("RdBu_r", -reach, reach) if diverging else ColourScale("magma", low, high)
    if "size" in chart.data:
        size = np.array([_numbers(r) for r in chart.data["size"]])
        at_y, at_x = np.mgrid[: len(rows), : len(titles)]
        brushes = [pg.mkBrush(*(int(255 * c) for c in colour)) for colour in scale(values.ravel())]
        plot.addItem(pg.ScatterPlotItem(
            x=at_x.ravel() + 0.5, y=at_y.ravel() + 0.5, brush=brushes, pen=pg.mkPen("#888888"),
            size=2 + 14 * np.nan_to_num(size.ravel()), pxMode=True,
        ))  # fmt: skip
    else:
        picture = pg.ImageItem((scale(values) * 255).astype(np.ubyte), axisOrder="row-major")
        plot.addItem(picture)
    plot.invertY(True)
    _ticks(plot, "left", rows, 0.5)
    _ticks(plot, "bottom", titles, 0.5)
    plot.setRange(xRange=(0, len(titles)), yRange=(0, len(rows)), padding=0)

    def hit(px: float, py: float) -> int | None:
        i, j = int(np.floor(py)), int(np.floor(px))
        return i * len(titles) + j if 0 <= i < len(rows) and 0 <= j < len(titles) else None

    return Marks(hit)


def boxes(plot: pg.PlotItem, chart: Chart) -> Marks:
    """Boxes; within violins they are slim."""
    data = chart.data
    half = 0.3 if chart.chart == "boxes" else 0.08
    position = np.arange(len(data["label"]), dtype=float)
    low, q1, median, q3, high = (_numbers(data[k]) for k in ("low", "q1", "median", "q3", "high"))
    whisker = np.column_stack([low, high]).ravel()
    plot.plot(np.repeat(position, 2), whisker, connect="pairs", pen=pg.mkPen("#888888", width=1.5))
    panels = list(data.get("panel") or ())
    kinds = list(dict.fromkeys(data["label"])) if panels else [None]
    brushes = [PALETTE[kinds.index(k) % len(PALETTE)] if panels else PALETTE[0]
               for k in data["label"]]  # fmt: skip
    if chart.chart == "violins":
        _violins(plot, chart, position, brushes)
        brushes = ["#333333"] * len(position)
    plot.addItem(pg.BarGraphItem(x=position, y0=q1, height=q3 - q1, width=2 * half,
                                 brushes=brushes, pen=None))  # fmt: skip
    sides = np.column_stack([position - half, position + half]).ravel()
    plot.plot(sides, np.repeat(median, 2), connect="pairs", pen=pg.mkPen("#ffffff", width=2))
    if panels:  # one name in the middle of each group; colours tell the boxes apart
        groups = list(dict.fromkeys(panels))
        middle = [position[[p == g for p in panels]].mean() for g in groups]
        _ticks(plot, "bottom", groups, at=middle)
    else:
        _ticks(plot, "bottom", list(data["label"]))
    return Marks(lambda px, py: _nearest(position, px, 0.5))


def _violins(
    plot: pg.PlotItem, chart: Chart, position: NDArray[np.float64], colours: Sequence[Any]
) -> None:
    bottom, top = (_numbers(chart.data[k]) for k in ("bottom", "top"))
    for i, widths in enumerate(chart.data["density"]):
        wide = 0.45 * np.nan_to_num(_numbers(widths))
        if not wide.any():
            continue
        heights = np.linspace(bottom[i], top[i], len(wide))
        left, right = (
            pg.PlotDataItem(position[i] + side * wide, heights, pen=pg.mkPen(colours[i], width=1))
            for side in (-1, 1)
        )
        shade = pg.mkColor(colours[i])
        shade.setAlpha(130)
        plot.addItem(left)
        plot.addItem(right)
        plot.addItem(pg.FillBetweenItem(left, right, brush=shade))


def network(plot: pg.PlotItem, chart: Chart) -> Marks:
    """Nodes on a circle, edges as wide as their weight; nodes are the first marks."""
    names = list(chart.data["nodes"])
    angle = 2 * np.pi * np.arange(len(names)) / max(1, len(names))
    at = np.column_stack([np.cos(angle), np.sin(angle)])
    weights = np.abs(_numbers(chart.data["weight"]))
    strongest = weights.max() if len(weights) else 1.0
    place = {n: i for i, n in enumerate(names)}
    ends = [(place[a], place[b]) for a, b in zip(chart.data["from"], chart.data["to"], strict=True)]
    for (a, b), weight in zip(ends, weights, strict=True):
        plot.plot(at[[a, b], 0], at[[a, b], 1],
                  pen=pg.mkPen("#888888", width=0.5 + 5 * weight / (strongest or 1)))  # fmt: skip
    size = _numbers(chart.data.get("size", [1] * len(names)))
    colours = chart.data.get("colour") or [PALETTE[i % len(PALETTE)] for i in range(len(names))]
    kinds = list(chart.data.get("kind") or [""] * len(names))
    shapes = dict(zip(sorted(set(kinds)), ("o", "s", "d", "t"), strict=False))
    symbols = [shapes.get(k, "o") for k in kinds]
    plot.addItem(pg.ScatterPlotItem(
        x=at[:, 0], y=at[:, 1], size=12 + 18 * size / (size.max() or 1),
        brush=[pg.mkBrush(c) for c in colours], symbol=symbols, pen=None,
    ))  # fmt: skip
    for name, (x, y) in zip(names, at, strict=True):
        across = 0.5 if abs(x) < 0.35 else 0.0 if x > 0 else 1.0
        along = 0.5 if abs(y) < 0.8 else 1.0 if y > 0 else 0.0
        label = pg.TextItem(name, anchor=(across, along), color="#888888")
        label.setPos(1.2 * x, 1.2 * y)
        plot.addItem(label)
    plot.hideAxis("left")
    plot.hideAxis("bottom")
    plot.setRange(xRange=(-2.1, 2.1), yRange=(-1.5, 1.5))
    middles = np.array([at[list(e)].mean(axis=0) for e in ends]).reshape(-1, 2)
    every = np.vstack([at, middles])

    def hit(px: float, py: float) -> int | None:
        away = np.hypot(every[:, 0] - px, every[:, 1] - py)
        best = int(away.argmin())
        return best if away[best] < 0.15 else None

    return Marks(hit)


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)


def _nearest(position: NDArray[np.float64], x: float, inside: float = np.inf) -> int | None:
    if not len(position):
        return None
    best = int(np.abs(position - x).argmin())
    return best if abs(position[best] - x) <= inside else None


def _ticks(
    plot: pg.PlotItem, side: str, names: Sequence[Any], shift: float = 0.0,
    at: Sequence[float] | None = None,
) -> None:  # fmt: skip
    """Names as ticks; every n-th where there are too many to read."""
    places = list(at) if at is not None else [i + shift for i in range(len(names))]
    every = max(1, len(names) // 25)
    axis = plot.getAxis(side)
    ticks = [(places[i], str(n)[:18]) for i, n in enumerate(names) if i % every == 0]
    if isinstance(axis, UprightAxis):
        axis.name(ticks)
    else:
        axis.setTicks([ticks])
    if side == "left":
        axis.setWidth(16 + 6 * max((min(len(str(n)), 18) for n in names), default=1))


def _size(count: int) -> float:
    return 6.0 if count < 2000 else 4.0 if count < 20_000 else 2.0


def _brushes(tint: NDArray[Any] | None, count: int) -> Any:
    if tint is None:
        return pg.mkBrush(PALETTE[0])
    if tint.dtype.kind in "iu":
        table = [pg.mkBrush(c) for c in PALETTE]
        missing = pg.mkBrush(MISSING)
        return [table[int(v) % len(table)] if v >= 0 else missing for v in tint]
    colours = (ColourScale("viridis", *limits(tint))(tint) * 255).astype(int)
    return [pg.mkBrush(*colour) for colour in colours.tolist()]
