"""Maps beside each other on one sheet: genes, measured and predicted, sections, Runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError
from napari_stml.figures import legend
from napari_stml.figures.drawing import Drawing, creator
from napari_stml.figures.lettering import MM_PER_INCH, SIZE_PT, fitting, style
from napari_stml.figures.panel_scales import Cell, common_plan, share
from napari_stml.figures.sheet import draw_map, facts, plan_of, sheet_of
from napari_stml.figures.tissue import EDGE_MM, TITLE_MM, Print, empty_figure
from napari_stml.io.alignment import with_kept_alignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from napari_stml.figures.panel_scales import Scales
    from napari_stml.figures.values import Shown
    from napari_stml.io.section import Section

GAP_MM = 2.0
SLIDE = "slide"
"""The word for a panel without values."""


@dataclass(frozen=True)
class Panel:
    """One map; ``title`` None is the value's name, with the section's where there are several.

    ``limits`` are those of this panel alone, else the print's.
    """

    section: Section
    value: str | Shown
    title: str | None = None
    limits: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        return self.value if isinstance(self.value, str) else self.value.name


def panel_figure(
    panels: Sequence[Panel], how: Print | None = None, *, scales: Scales = "auto", columns: int = 0
) -> Drawing:
    """Draw maps beside each other, row by row, in one magnification where µm are known.

    Parameters
    ----------
    scales
        ``shared`` takes the same limits for all numbers and one legend, ``own`` limits and a
        legend for each; ``auto`` shares what can be compared (`panel_scales.share`).
    columns
        0 for a number that fits.
    """
    how = how or Print()
    if not panels:
        raise StmlError("A figure needs a value at least")
    with style():
        cells = [_cell(panel, panels, how) for panel in panels]
        given = how.limits is not None and not how.percentiles
        given |= any(p.limits is not None or not isinstance(p.value, str) for p in panels)
        together = share(cells, scales, given=given)
        figure = _arranged(cells, how, together, columns or _columns(len(cells)))
    title = how.title or ", ".join(dict.fromkeys(cell.title for cell in cells))
    report = {
        "program": creator(), "title": title, "width_mm": how.width_mm, "dpi": how.dpi,
        "scales": "shared" if together else "own",
        "panels": [{"title": c.title, **c.sheet.report, **facts(c.section, c.sheet)}
                   for c in cells],
    }  # fmt: skip
    return Drawing(figure, how.dpi, title, report)


def _cell(panel: Panel, panels: Sequence[Panel], how: Print) -> Cell:
    section = with_kept_alignment(panel.section)
    own = how if panel.limits is None else replace(how, limits=panel.limits, percentiles=False)
    value = panel.value
    if isinstance(value, str) and value == SLIDE and SLIDE not in section.columns():
        value = ""
    sheet = sheet_of(section, value, own)
    return Cell(section, sheet, panel.title if panel.title is not None else _title(panel, panels))


def _title(panel: Panel, panels: Sequence[Panel]) -> str:
    several = len({(str(p.section.path), p.section.name) for p in panels}) > 1
    one = len({p.name for p in panels}) == 1
    words = [panel.section.name] if several else []
    if not (several and one):
        words.append(panel.name or SLIDE)
    return ": ".join(words)


# places


def _columns(count: int) -> int:
    return count if count <= 3 else 2 if count == 4 else math.ceil(math.sqrt(count))


def _arranged(cells: list[Cell], how: Print, together: bool, columns: int) -> Figure:
    """Place maps and legends; all lengths in mm until they are drawn."""
    columns = min(columns, len(cells))
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    head = TITLE_MM if how.title else 0.0
    room = how.tallest_mm - head - 2 * EDGE_MM
    common = common_plan(cells, how, room) if together else None
    right = common.width + GAP_MM if common is not None else 0.0
    each = (how.width_mm - 2 * EDGE_MM - right - GAP_MM * (columns - 1)) / columns
    if not together:
        for cell in cells:
            beside = max(30.0, room / len(rows) - TITLE_MM)
            cell.plan = plan_of(cell.sheet, beside, room, each)
    widths = [each - (c.plan.width + EDGE_MM if c.plan else 0.0) for c in cells]
    if min(widths) < 8.0:
        raise StmlError("So many panels do not fit beside each other",
                        do="choose a larger width or fewer columns")  # fmt: skip
    free = room - len(rows) * (TITLE_MM + GAP_MM)
    tallest = sum(max(c.high for c in row) for row in rows)
    one_section = len({(str(c.section.path), c.section.name) for c in cells}) == 1
    known = one_section or all(c.section.um_per_px is not None for c in cells)
    one = min(*(w / c.wide for w, c in zip(widths, cells, strict=True)), free / tallest)

    def size(cell: Cell, width: float) -> tuple[float, float]:
        per = one if known else min(width / cell.wide, free / len(rows) / cell.high)
        return cell.wide * per, cell.high * per

    sizes = [size(c, w) for c, w in zip(cells, widths, strict=True)]
    needed = [max(tall, c.plan.height if c.plan is not None else 0.0)
              for c, (_, tall) in zip(cells, sizes, strict=True)]  # fmt: skip
    heights = [TITLE_MM + max(needed[i : i + columns]) for i in range(0, len(cells), columns)]
    high = sum(heights) + GAP_MM * (len(rows) - 1)
    if common is not None:
        high = max(high, common.height + TITLE_MM)
    figure, total = empty_figure(how, high + head + 2 * EDGE_MM)
    size_mm = (total[0] / how.dpi * MM_PER_INCH, total[1] / how.dpi * MM_PER_INCH)
    if how.title:
        words = fitting(how.title, how.width_mm - 2 * EDGE_MM, SIZE_PT + 1, bold=True)
        figure.text(how.px(EDGE_MM) / total[0], 1 - how.px(EDGE_MM + head * 0.35) / total[1],
                    words, va="center", fontsize=SIZE_PT + 1, fontweight="bold")  # fmt: skip
    for i, (cell, (wide, tall)) in enumerate(zip(cells, sizes, strict=True)):
        left = EDGE_MM + (i % columns) * (each + GAP_MM)
        top = EDGE_MM + head + sum(heights[: i // columns]) + GAP_MM * (i // columns)
        _place(figure, cell, (left, top), (wide, tall), each, total, size_mm)
    if common is not None:
        left = EDGE_MM + columns * (each + GAP_MM)
        legend.draw(figure, common, left, EDGE_MM + head + TITLE_MM, size_mm)
    return figure


def _place(
    figure: Figure, cell: Cell, at: tuple[float, float], size: tuple[float, float], room: float,
    total: tuple[int, int], size_mm: tuple[float, float],
) -> None:  # fmt: skip
    how = cell.sheet.print
    left, top = how.px(at[0]), how.px(at[1] + TITLE_MM)
    wide, high = max(1, how.px(size[0])), max(1, how.px(size[1]))
    axes = figure.add_axes((
        left / total[0], 1 - (top + high) / total[1], wide / total[0], high / total[1],
    ))  # fmt: skip
    draw_map(axes, cell.section, cell.sheet, (wide, high))
    words = fitting(cell.title, room, SIZE_PT, bold=True)
    figure.text(left / total[0], 1 - how.px(at[1] + TITLE_MM * 0.5) / total[1], words,
                va="center", fontsize=SIZE_PT, fontweight="bold")  # fmt: skip
    if cell.plan is not None:
        legend.draw(figure, cell.plan, at[0] + size[0] + EDGE_MM, at[1] + TITLE_MM, size_mm)
