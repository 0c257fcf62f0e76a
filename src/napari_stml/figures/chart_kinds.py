"""How each kind of chart is drawn for print; conventions as in `analyses._shared.charts`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.colours import MISSING, PALETTE, ColourScale, limits, palette
from napari_stml.core.results import Labels, Matrix, Values
from napari_stml.figures.chart_axes import (
    log_axis,
    name_axes,
    named,
    numbers,
    series_legend,
    spread,
)  # fmt: skip
from napari_stml.figures.lettering import FAINT, INK, SIZE_PT, fitting, number, plain, width_mm
from napari_stml.figures.small_maps import height_mm as maps_height
from napari_stml.figures.small_maps import small_maps

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from napari_stml.core.charts import Chart
    from napari_stml.core.results import Part

    PartOf = Callable[[str], Part]
    Draw = Callable[[Figure, Chart, PartOf], None]
    Height = Callable[[Chart, float], float]

MOST_VECTORS = 5000
PANEL_MM = 11.0


def columns(chart: Chart) -> tuple[list[Any], dict[str, list[Any]]]:
    """The x column, and the series behind it by name."""
    (_, x), *rest = chart.data.items()
    return list(x), {k: list(v) for k, v in rest}


def line(figure: Figure, chart: Chart, part_of: PartOf) -> None:
    axes = figure.subplots()
    x, series = columns(chart)
    for i, (name, y) in enumerate(series.items()):
        axes.plot(numbers(x), numbers(y), color=PALETTE[i % len(PALETTE)], linewidth=1.2,
                  marker="o", markersize=2.5, label=plain(name, 40))  # fmt: skip
    series_legend(axes, len(series))
    _finish(axes, chart)


def bar(figure: Figure, chart: Chart, part_of: PartOf) -> None:
    """Bars; a numeric first column is an axis of numbers, anything else are classes."""
    axes = figure.subplots()
    x, series = columns(chart)
    numeric = len(x) > 1 and all(isinstance(v, int | float) for v in x)
    position = numbers(x) if numeric else np.arange(len(x), dtype=float)
    left, right = spread(position, log=chart.x.log and numeric)
    share = (right - left) * 0.9 / max(1, len(series))
    for i, (name, y) in enumerate(series.items()):
        start = left + (right - left) * 0.05 + i * share
        axes.bar(start, np.nan_to_num(numbers(y)), width=share, align="edge", linewidth=0,
                 color=PALETTE[i % len(PALETTE)], label=plain(name, 40))  # fmt: skip
    series_legend(axes, len(series))
    _finish(axes, chart, x_log=numeric and chart.x.log)
    if not numeric:
        named(axes.xaxis, position, x, room_mm=figure.get_figwidth() * 25.4 - 14)
        axes.set_xlim(-0.6, len(x) - 0.4)


def scatter(figure: Figure, chart: Chart, part_of: PartOf) -> None:
    """Points; stored values are looked up, so that all observations are marks."""
    axes = figure.subplots()
    if isinstance(chart.data.get("x"), dict):
        x, y = (_stored(chart.data[k], part_of) for k in ("x", "y"))
        if "panels" in chart.data:
            figure.clear()
            small_maps(figure, chart, x, y, part_of)
            return
        tint = part_of(chart.data["colour"]["value"]) if "colour" in chart.data else None
        for (name, colour), chosen in _classes_of(tint, len(x)):
            _points(axes, x[chosen], y[chosen], len(x), color=colour, label=plain(name, 40))
        if isinstance(tint, Values):
            low, high = limits(tint.values)
            colours = ColourScale("viridis", low, high)
            _points(axes, x, y, len(x), c=colours(np.asarray(tint.values)))
            _colour_bar(figure, axes, colours, f"{tint.name} ({tint.unit})" if tint.unit
                        else tint.name)  # fmt: skip
        series_legend(axes, 2 if isinstance(tint, Labels) else 1)
    else:
        first, series = columns(chart)
        for i, (name, values) in enumerate(series.items()):
            _points(axes, numbers(first), numbers(values), len(first),
                    color=PALETTE[i % len(PALETTE)], label=plain(name, 40))  # fmt: skip
        series_legend(axes, len(series))
    _finish(axes, chart, x_log=chart.x.log, y_log=chart.y.log)


def matrix(figure: Figure, chart: Chart, part_of: PartOf) -> None:
    """A heat map, or a dot plot where the data carry sizes."""
    axes = figure.subplots()
    rows, titles = list(chart.data["rows"]), list(chart.data["columns"])
    values = np.array([numbers(r) for r in chart.data["values"]]).reshape(len(rows), len(titles))
    low, high = limits(values, 0, 100)
    reach = max(abs(low), abs(high))
    diverging = low < 0 < high
    colours = ColourScale("RdBu_r", -reach, reach) if diverging else ColourScale("magma", low, high)
    drawn = colours(values.ravel()).reshape(len(rows), len(titles), 4)
    if "size" in chart.data:
        size = np.nan_to_num([numbers(r) for r in chart.data["size"]])
        cell_pt = (figure.get_figwidth() * 72 - 90) / max(1, len(titles))
        largest = max(2.0, min(9.0, cell_pt * 0.95)) ** 2
        at_y, at_x = np.mgrid[: len(rows), : len(titles)]
        axes.scatter(at_x.ravel(), at_y.ravel(), s=size.ravel() * largest, linewidths=0.25,
                     c=drawn.reshape(-1, 4), edgecolors=FAINT)  # fmt: skip
        axes.set_xlim(-0.7, len(titles) - 0.3)
        axes.set_ylim(len(rows) - 0.3, -0.7)
        axes.set_axisbelow(True)
        for share in (0.25, 0.5, 1.0):
            axes.scatter([], [], s=share * largest, c="#bdbdbd", edgecolors=FAINT,
                         linewidths=0.25, label=f"{share:.0%}")  # fmt: skip
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 0.35), frameon=False, title="size",
                    title_fontsize=SIZE_PT - 1, handletextpad=0.3)  # fmt: skip
    else:
        axes.imshow(drawn, aspect="auto", interpolation="none")
    width = figure.get_figwidth() * 25.4
    named(axes.xaxis, np.arange(len(titles)), titles, room_mm=width * 0.72)
    named(axes.yaxis, np.arange(len(rows)), rows, room_mm=figure.get_figheight() * 25.4 - 26)
    name_axes(axes, chart)
    _colour_bar(figure, axes, colours, "")


def boxes(figure: Figure, chart: Chart, part_of: PartOf) -> None:
    """Boxes from five numbers each, or violins; panels below each other, in columns where many."""
    data = chart.data
    panels = list(data.get("panel") or [""] * len(data["label"]))
    names = list(dict.fromkeys(panels))
    across = _columns_of(len(names))
    grid = figure.subplots(-(-len(names) // across), across, sharex="col", squeeze=False)
    for cell in grid.ravel()[len(names) :]:
        cell.set_axis_off()
    for k, (panel, axes) in enumerate(zip(names, grid.ravel(), strict=False)):
        rows = [i for i, p in enumerate(panels) if p == panel]
        slim = chart.chart == "violins"
        if slim:
            _violins(axes, *([data[key][i] for i in rows] for key in ("bottom", "top", "density")))
        _boxes(axes, {key: [data[key][i] for i in rows] for key in
                      ("low", "q1", "median", "q3", "high")}, slim)  # fmt: skip
        last = k + across >= len(names)
        room = (figure.get_figwidth() * 25.4 - 12) / across - 8
        named(axes.xaxis, np.arange(len(rows)), [data["label"][i] for i in rows], room_mm=room)
        axes.tick_params(axis="x", labelbottom=last or len(names) == 1)
        if panel:
            axes.set_ylabel(fitting(panel, 20.0), rotation=0, ha="right", va="center")
            axes.yaxis.set_label_position("left")
            axes.tick_params(axis="y", labelsize=SIZE_PT - 2)
            axes.locator_params(axis="y", nbins=2)
    if names == [""]:
        name_axes(grid[0, 0], chart)
    else:
        figure.supxlabel(_axis_text(chart.x), fontsize=SIZE_PT)
        figure.supylabel(_axis_text(chart.y), fontsize=SIZE_PT)


def network(figure: Figure, chart: Chart, part_of: PartOf) -> None:
    """Nodes on a circle, edges as wide as their weight; an edge to itself is a ring."""
    from matplotlib.patches import Circle

    axes = figure.subplots()
    names = [str(n) for n in chart.data["nodes"]]
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(names)) / max(1, len(names))
    at = np.column_stack([np.cos(angle), np.sin(angle)])
    place = {name: i for i, name in enumerate(names)}
    weights = np.nan_to_num(np.abs(numbers(chart.data["weight"])))
    strongest = float(weights.max()) if len(weights) and weights.max() > 0 else 1.0
    for a, b, weight in zip(chart.data["from"], chart.data["to"], weights, strict=True):
        width = 0.3 + 4 * weight / strongest
        start, end = at[place[str(a)]], at[place[str(b)]]
        if str(a) == str(b):
            axes.add_patch(Circle(start * 1.13, 0.11, fill=False, edgecolor=FAINT, linewidth=width))
        else:
            axes.plot(*zip(start, end, strict=True), color=FAINT, linewidth=width, zorder=1,
                      alpha=0.75, solid_capstyle="round")  # fmt: skip
    size = np.nan_to_num(numbers(chart.data.get("size", [1] * len(names))))
    area = 30 + 130 * size / (size.max() if len(size) and size.max() > 0 else 1)
    colours = list(chart.data.get("colour") or palette(names)[:-1])
    kinds = list(chart.data.get("kind") or [""] * len(names))
    for shape, kind in zip("osD^", sorted(set(kinds)), strict=False):
        some = [i for i, k in enumerate(kinds) if k == kind]
        axes.scatter(at[some, 0], at[some, 1], s=area[some], c=[colours[i] for i in some],
                     marker=shape, zorder=2, edgecolors="white")  # fmt: skip
    for name, (x, y) in zip(names, at, strict=True):
        side = "center" if abs(x) < 0.3 else "left" if x > 0 else "right"
        level = "center" if abs(y) < 0.9 else "bottom" if y > 0 else "top"
        axes.text(x * 1.17, y * 1.17, fitting(name, 28), ha=side, va=level, zorder=3)
    axes.set_xlim(-2.0, 2.0)
    axes.set_ylim(-1.4, 1.4)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.text(0.99, 0.01, f"widest edge: {number(strongest)}", ha="right", color=FAINT,
              fontsize=SIZE_PT - 1, transform=axes.transAxes)  # fmt: skip


def _violins(axes: Axes, bottom: list[Any], top: list[Any], density: list[list[Any]]) -> None:
    for i, (low, high, widths) in enumerate(zip(bottom, top, density, strict=True)):
        wide = 0.45 * np.nan_to_num(numbers(widths))
        if low is not None and wide.any():
            heights = np.linspace(low, high, len(wide))
            axes.fill_betweenx(heights, i - wide, i + wide, color=PALETTE[0], alpha=0.55,
                               linewidth=0)  # fmt: skip


def _boxes(axes: Axes, five: dict[str, list[Any]], slim: bool = False) -> None:
    half = 0.06 if slim else 0.3
    low, q1, median, q3, high = (numbers(v) for v in five.values())
    at = np.arange(len(low), dtype=float)
    axes.vlines(at, low, high, color=FAINT, linewidth=0.8)
    colour = INK if slim else PALETTE[0]
    axes.bar(at, q3 - q1, bottom=q1, width=2 * half, color=colour, linewidth=0)
    axes.hlines(median, at - half, at + half, color="white", linewidth=1.0)
    axes.set_xlim(-0.6, len(low) - 0.4)


def _points(axes: Axes, x: Any, y: Any, count: int, **look: Any) -> Any:
    size = 9.0 if count < 300 else 4.0 if count < 5000 else 1.0
    return axes.scatter(
        x, y, s=size, linewidths=0, rasterized=count > MOST_VECTORS, alpha=0.85, **look
    )


def _classes_of(tint: Part | None, count: int) -> list[tuple[tuple[str, Any], NDArray[np.bool_]]]:
    """Groups of marks: name, colour and which they are; one group without classes."""
    if tint is None:
        return [(("", PALETTE[0]), np.ones(count, dtype=bool))]
    if not isinstance(tint, Labels):
        return []
    chosen = {n: c for n, c in zip(tint.categories, tint.colours, strict=False) if c}
    colours = palette(tint.categories, chosen)
    groups: list[tuple[tuple[str, Any], NDArray[np.bool_]]] = []
    for i, name in enumerate(tint.categories):
        member = np.asarray(tint.codes) == i
        if member.any():
            groups.append(((name, tuple(colours[i])), member))
    lost = np.asarray(tint.codes) < 0
    if lost.any():
        groups.insert(0, (("no value", tuple(MISSING)), lost))
    return groups


def _stored(reference: dict[str, Any], part_of: PartOf) -> NDArray[np.float64]:
    part = part_of(reference["value"])
    if isinstance(part, Matrix):
        values: Any = part.values
        one = values[:, reference.get("column") or 0]
        return np.asarray(one.toarray().ravel() if hasattr(one, "toarray") else one, np.float64)
    if isinstance(part, Labels):
        return np.where(part.codes < 0, np.nan, part.codes).astype(np.float64)
    if isinstance(part, Values):
        return np.asarray(part.values, dtype=np.float64)
    raise TypeError(f"{reference['value']} cannot be drawn")


def _colour_bar(figure: Figure, axes: Axes, colours: ColourScale, title: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    listed = ListedColormap(colours.table[:, :3].tolist())
    source = ScalarMappable(Normalize(colours.low, colours.high), listed)
    beside = figure.colorbar(source, ax=axes, shrink=0.5, aspect=12, pad=0.02, anchor=(0, 1.0))
    beside.outline.set_linewidth(0.4)
    beside.ax.tick_params(labelsize=SIZE_PT - 1, color=INK)
    if title:
        beside.set_label(plain(title, 40), fontsize=SIZE_PT - 1)


def _finish(axes: Axes, chart: Chart, *, x_log: bool = False, y_log: bool = False) -> None:
    name_axes(axes, chart)
    if x_log or (chart.x.log and chart.chart == "line"):
        log_axis(axes, "x")
    if y_log or chart.y.log:
        log_axis(axes, "y")


def _axis_text(axis: Any) -> str:
    return plain(f"{axis.title} ({axis.unit})" if axis.unit else axis.title)


def _columns_of(panels: int) -> int:
    return 1 if panels <= 6 else 2 if panels <= 24 else 3


def _low(chart: Chart, width: float) -> float:
    return min(60.0, width * 0.68)


def _square(chart: Chart, width: float) -> float:
    if "panels" in chart.data:
        return maps_height(chart, width)
    return width * 0.82


def _rows(chart: Chart, width: float) -> float:
    names = [plain(c, 24) for c in chart.data["columns"]]
    longest = max((width_mm(n) for n in names), default=5.0)
    crowded = sum(map(width_mm, names)) > width * 0.6
    return 22.0 + 3.4 * max(6, len(chart.data["rows"])) + (longest if crowded else 0.0)


def _panels(chart: Chart, width: float) -> float:
    names = dict.fromkeys(chart.data.get("panel") or ())
    if not names:
        return _low(chart, width)
    return 22.0 + PANEL_MM * math.ceil(len(names) / _columns_of(len(names)))


DRAW: dict[str, tuple[Height, Draw]] = {
    "line": (_low, line),
    "bar": (_low, bar),
    "scatter": (_square, scatter),
    "matrix": (_rows, matrix),
    "boxes": (_panels, boxes),
    "violins": (_panels, boxes),
    "network": (_square, network),
}
"""By kind: how high (mm) it is at a width, and how it is drawn."""
