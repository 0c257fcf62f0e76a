"""A section or a region of it for print: image, values in true size, legend, scale bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError
from napari_stml.figures import legend
from napari_stml.figures.drawing import Drawing, creator
from napari_stml.figures.lettering import MM_PER_INCH, SIZE_PT, fitting, style
from napari_stml.figures.sheet import Sheet, draw_map, facts, plan_of, sheet_of
from napari_stml.io.alignment import with_kept_alignment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_stml.core.geometry import Box
    from napari_stml.figures.values import Shown
    from napari_stml.io.section import Section

EDGE_MM, TITLE_MM = 1.5, 5.0
MOST_PIXELS = 100_000_000


@dataclass(frozen=True)
class Print:
    """How a figure is printed.

    Attributes
    ----------
    width_mm, dpi, tallest_mm
        Of the whole figure with its legend; a tall region is made smaller to fit.
    limits
        Of the colours, as values; with ``percentiles`` as percentiles of the values.
    image
        Draw the slide below the values.
    region
        What `napari_stml.figures.region.part_of` takes; None for the whole section.
    title
        None for section and value; "" for none.
    """

    width_mm: float = 120.0
    dpi: int = 300
    tallest_mm: float = 230.0
    limits: tuple[float, float] | None = None
    percentiles: bool = False
    colour_map: str = ""
    opacity: float = 0.8
    image: bool = True
    region: Box | str | None = None
    layer: str | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("width", self.width_mm, 20, 2000), ("resolution", self.dpi, 36, 2400),
            ("opacity", self.opacity, 0, 1), ("height", self.tallest_mm, 20, 2000),
        ):  # fmt: skip
            if not low <= value <= high:
                raise StmlError(f"The {name} of a figure is {low} to {high}", where=f"{value:g}")

    def px(self, mm: float) -> int:
        return round(mm / MM_PER_INCH * self.dpi)


def tissue_figure(section: Section, value: str | Shown = "", how: Print | None = None) -> Drawing:
    """Draw a section coloured by a column, a gene or a value of a Run; "" for the slide alone.

    A `Shown` is drawn as it is: what a window shows need not be stored.
    """
    section = with_kept_alignment(section)
    how = how or Print()
    with style():
        sheet = sheet_of(section, value, how)
        figure, title = _drawn(section, sheet)
    name = value if isinstance(value, str) else value.name
    return Drawing(figure, how.dpi, title or f"{section.name} {name}".strip(), sheet.report)


def _drawn(section: Section, sheet: Sheet) -> tuple[Figure, str]:
    how, box = sheet.print, sheet.part.box
    title = _title(section, sheet)
    head = TITLE_MM if title else 0.0
    room = how.tallest_mm - head - 2 * EDGE_MM
    scale = section.um_per_px
    aspect = box.height / box.width * (scale.y / scale.x if scale else 1.0)

    def width_beside(column: legend.Plan | None) -> float:
        taken = column.width + 2 * EDGE_MM if column else 0.0
        return min(how.width_mm - 2 * EDGE_MM - taken, room / aspect)

    beside = plan_of(sheet, room, room)
    for _ in range(2):  # a lower image may need a second column, which makes it lower still
        wide = width_beside(beside)
        beside = plan_of(sheet, max(wide * aspect, min(40.0, room)), room)
    wide = width_beside(beside)
    size_px = (max(1, how.px(wide)), max(1, how.px(wide * aspect)))
    high = max(wide * aspect, beside.height if beside else 0.0)
    figure, total = empty_figure(how, high + head + 2 * EDGE_MM)
    size_mm = (total[0] / how.dpi * MM_PER_INCH, total[1] / how.dpi * MM_PER_INCH)
    left, top = how.px(EDGE_MM), how.px(EDGE_MM + head)
    axes = figure.add_axes((
        left / total[0], 1 - (top + size_px[1]) / total[1],
        size_px[0] / total[0], size_px[1] / total[1],
    ))  # fmt: skip
    draw_map(axes, section, sheet, size_px)
    if beside is not None:
        x = EDGE_MM + wide + 2 * EDGE_MM
        legend.draw(figure, beside, x, EDGE_MM + head, size_mm)
    if title:
        words = fitting(title, how.width_mm - 2 * EDGE_MM, SIZE_PT + 1, bold=True)
        figure.text(left / total[0], 1 - how.px(EDGE_MM + head * 0.35) / total[1], words,
                    va="center", fontsize=SIZE_PT + 1, fontweight="bold")  # fmt: skip
    sheet.report |= {
        "program": creator(), "title": title, "width_mm": how.width_mm, "dpi": how.dpi,
        **facts(section, sheet),
    }  # fmt: skip
    return figure, title


def empty_figure(how: Print, high_mm: float) -> tuple[Figure, tuple[int, int]]:
    """A white figure of a print's width, and its size in pixels."""
    from matplotlib.figure import Figure

    wide, high = how.px(how.width_mm), how.px(high_mm)
    if wide * high > MOST_PIXELS:
        raise StmlError(
            f"This figure would have {wide} x {high} pixels",
            do="choose a smaller width or resolution",
        )
    figure = Figure(figsize=(wide / how.dpi, high / how.dpi), dpi=how.dpi)
    figure.set_facecolor("white")
    return figure, (wide, high)


def _title(section: Section, sheet: Sheet) -> str:
    if sheet.print.title is not None:
        return sheet.print.title
    shown = sheet.shown
    if shown is None:
        return section.name
    if shown.record is not None:
        value = shown.name.partition("/")[2]
        return f"{section.name}: {value} ({shown.record.title}, {shown.record.id})"
    return f"{section.name}: {shown.name}"
