"""The column beside a map: classes with their colours, or a colour bar with its limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.colours import MISSING
from napari_stml.figures.lettering import FAINT, SIZE_PT, fitting, number, width_mm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_stml.figures.values import Shown

LINE_MM, DOT_MM, GAP_MM = 3.6, 2.2, 1.2
BAR_MM = (3.0, 32.0)
MOST_SHARE, LEAST_MM = 0.4, 26.0
"""Of the figure's width that the column may take, and what it may take in any case."""


@dataclass(frozen=True)
class Entry:
    """One line: a title, a class or a remark; ``colour`` is RGBA."""

    text: str
    colour: Any = None


@dataclass(frozen=True)
class Plan:
    """What the legend needs: its width and the entries of each of its columns."""

    width: float
    height: float
    title: str
    columns: tuple[tuple[Entry, ...], ...]
    shown: Shown
    missing: str = ""


def missing_text(count: int) -> str:
    return f"no value ({count:,})" if count else ""


def plan(
    shown: Shown, present: Any, missing: int, figure_mm: float, room_mm: float, tallest_mm: float
) -> Plan:
    """Lay out the legend.

    Parameters
    ----------
    present
        Codes that are drawn: other classes need no line.
    missing
        How many of the drawn observations have no value.
    room_mm, tallest_mm
        The height beside the image, and the most there can be. A longer list goes into two
        columns, or makes the figure taller where its names are too long for two; what does not
        fit is counted.
    """
    widest = min(max(figure_mm * MOST_SHARE, LEAST_MM), figure_mm / 2)
    remark = missing_text(missing)
    if shown.codes is None:
        labels = [text for _, text in bar_ticks(shown, present)]
        wide = BAR_MM[0] + 2.5 + max(width_mm(t) for t in labels)
        wide = max(wide, width_mm(shown.title, bold=True))
        if remark:
            wide = max(wide, DOT_MM + 1.8 + width_mm(remark))
        height = LINE_MM * 1.6 + min(BAR_MM[1], room_mm * 0.6) + (LINE_MM * 1.6 if remark else 0)
        return Plan(min(wide, widest) + GAP_MM, height, shown.title, (), shown, remark)
    assert shown.colours is not None
    there = [i for i in range(len(shown.names)) if i in set(np.unique(present).tolist())]
    entries = [Entry(shown.names[i], shown.colours[i]) for i in there]
    if remark:
        entries.append(Entry(remark, shown.colours[-1]))
    rows = max(5, int(room_mm / LINE_MM) - 1)
    longest = max((width_mm(e.text) for e in entries), default=8.0) + DOT_MM + 1.8
    count = 1 if len(entries) <= rows else 2
    if count == 2 and 2 * longest > widest:
        count, rows = 1, max(5, int(tallest_mm / LINE_MM) - 1)
    if len(entries) > count * rows:
        left = len(entries) - count * rows + 1
        entries = [*entries[: count * rows - 1], Entry(f"and {left} more")]
    each = math.ceil(len(entries) / count) if entries else 1
    columns = tuple(tuple(entries[i : i + each]) for i in range(0, len(entries), each))
    wide = max(longest * count, width_mm(shown.title, bold=True))
    return Plan(
        min(wide, widest) + GAP_MM, LINE_MM * (each + 1), shown.title, columns, shown, remark
    )


def draw(figure: Figure, plan: Plan, left: float, top: float, size: tuple[float, float]) -> None:
    """Draw at ``left``, ``top`` (mm from the upper left) on a figure of ``size`` mm."""
    sheet = _sheet(figure, size)
    room = plan.width - GAP_MM
    title = fitting(plan.title, room + 1.0, bold=True)
    sheet.text(left, top + LINE_MM / 2, title, va="center", fontweight="bold", fontsize=SIZE_PT)
    if plan.shown.codes is None:
        _bar(figure, sheet, plan, left, top + LINE_MM * 1.4, size)
        return
    wide = room / max(1, len(plan.columns))
    for i, column in enumerate(plan.columns):
        for row, entry in enumerate(column):
            y = top + LINE_MM * (row + 1.5)
            _line(sheet, entry, left + i * wide, y, wide)


def bar_ticks(shown: Shown, numbers: Any) -> list[tuple[float, str]]:
    """Values and texts beside a colour bar; its ends say where numbers lie beyond them."""
    from matplotlib.ticker import MaxNLocator

    scale = shown.scale
    assert scale is not None
    low, high = scale.low, scale.high
    there = np.asarray(numbers)[np.isfinite(numbers)]
    below = "≤ " if there.size and there.min() < low else ""
    above = "≥ " if there.size and there.max() > high else ""
    span = high - low
    inner = [
        float(v) for v in MaxNLocator(4).tick_values(low, high)
        if low + 0.12 * span < v < high - 0.12 * span
    ]  # fmt: skip
    between = [(v, number(v if abs(v) > span * 1e-9 else 0.0)) for v in inner]
    return [(low, below + number(low)), *between, (high, above + number(high))]


def _line(sheet: Axes, entry: Entry, x: float, y: float, room: float) -> None:
    from matplotlib.patches import Circle

    at = x
    if entry.colour is not None:
        dot = Circle((x + DOT_MM / 2, y), DOT_MM / 2, facecolor=tuple(entry.colour),
                     edgecolor=FAINT, linewidth=0.3)  # fmt: skip
        sheet.add_patch(dot)
        at += DOT_MM + 1.0
    text = fitting(entry.text, room - (at - x) - 0.3)
    sheet.text(at, y, text, va="center_baseline", fontsize=SIZE_PT)


def _bar(
    figure: Figure, sheet: Axes, plan: Plan, left: float, top: float, size: tuple[float, float]
) -> None:
    scale = plan.shown.scale
    assert scale is not None
    remark = LINE_MM * 1.6 if plan.missing else 0.0
    high = max(8.0, plan.height - LINE_MM * 1.6 - remark)
    place = (left / size[0], 1 - (top + high) / size[1], BAR_MM[0] / size[0], high / size[1])
    axes = figure.add_axes(place)
    axes.imshow(
        scale.table[::-1, None, :3], aspect="auto", interpolation="none",
        extent=(0.0, 1.0, scale.low, scale.high),
    )  # fmt: skip
    axes.set_ylim(scale.low, scale.high)
    axes.set_xticks([])
    ticks = bar_ticks(plan.shown, plan.shown.numbers)
    axes.yaxis.tick_right()
    axes.set_yticks([v for v, _ in ticks], [t for _, t in ticks], fontsize=SIZE_PT)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.4)
    axes.set_label("colour bar")
    if plan.missing:
        _line(sheet, Entry(plan.missing, MISSING), left, top + high + LINE_MM, plan.width)


def _sheet(figure: Figure, size: tuple[float, float]) -> Axes:
    """Axes over the whole figure that count in mm from the upper left."""
    sheet = figure.add_axes((0, 0, 1, 1), label="sheet")
    sheet.set_axis_off()
    sheet.set_xlim(0, size[0])
    sheet.set_ylim(size[1], 0)
    return sheet
