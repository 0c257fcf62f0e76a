"""A section or a region of it for print: image, values in true size, legend, scale bar."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.colours import hex_of
from napari_stml.core.errors import StmlError
from napari_stml.figures import legend, observed, overlays
from napari_stml.figures.drawing import Drawing, creator
from napari_stml.figures.drawn import REGIONS, drawn_regions
from napari_stml.figures.lettering import INK, MM_PER_INCH, SIZE_PT, fitting, style, width_mm
from napari_stml.figures.placing import place_picture
from napari_stml.figures.region import part_of
from napari_stml.figures.scale_bar import in_words, round_length
from napari_stml.figures.values import Shown, shown_value
from napari_stml.io.alignment import with_kept_alignment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_stml.core.geometry import Box
    from napari_stml.core.results import Part as ResultPart
    from napari_stml.figures.region import Part
    from napari_stml.io.section import Section

EDGE_MM, TITLE_MM = 1.5, 5.0
MOST_PIXELS = 100_000_000
NO_SCALE = "none: micrometres per pixel of this section are unknown"


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


@dataclass
class _Sheet:
    """A figure on the way: what is placed where, in mm and in whole pixels of the print."""

    print: Print
    part: Part
    shown: Shown | None
    overlay: ResultPart | None = None
    rows: Any = None
    report: dict[str, Any] = field(default_factory=dict)


def tissue_figure(section: Section, value: str = "", how: Print | None = None) -> Drawing:
    """Draw a section coloured by a column, a gene or a value of a Run; "" for the slide alone."""
    section = with_kept_alignment(section)
    how = how or Print()
    with style():
        sheet = _Sheet(how, part_of(section, how.region), *_shown(section, value, how))
        figure, title = _drawn(section, sheet)
    return Drawing(figure, how.dpi, title or f"{section.name} {value}".strip(), sheet.report)


def _shown(section: Section, value: str, how: Print) -> tuple[Shown | None, ResultPart | None]:
    if not value:
        return None, None
    run, _, name = value.partition("/")
    shelf = section.shelf
    shown, overlay = None, None
    if value == REGIONS and REGIONS not in section.columns():
        return drawn_regions(section)
    if shelf is not None and run in shelf.records:
        kinds = {entry.name: entry.kind for entry in shelf.entries(run)}
        if kinds.get(name) in {kind.__name__ for kind in overlays.OVERLAYS}:
            overlay = shelf.part(run, name)
            shown = overlays.shown_overlay(value, overlay, how.colour_map)
            shown = replace(shown, record=shelf.records[run])
    if shown is None:
        shown = shown_value(section, value, colour_map=how.colour_map, layer=how.layer)
    if how.limits is not None:
        shown = shown.with_limits(*how.limits, percentiles=how.percentiles)
    return shown, overlay


def _drawn(section: Section, sheet: _Sheet) -> tuple[Figure, str]:
    from matplotlib.figure import Figure

    how, box, shown = sheet.print, sheet.part.box, sheet.shown
    if shown is not None and sheet.overlay is None and section.observations is not None:
        sheet.rows = observed.inside(section.observations, box)
    title = _title(section, sheet)
    head = TITLE_MM if title else 0.0
    room = how.tallest_mm - head - 2 * EDGE_MM
    scale = section.um_per_px
    aspect = box.height / box.width * (scale.y / scale.x if scale else 1.0)

    def width_beside(column: legend.Plan | None) -> float:
        taken = column.width + 2 * EDGE_MM if column else 0.0
        return min(how.width_mm - 2 * EDGE_MM - taken, room / aspect)

    beside = _plan(sheet, room, room)
    for _ in range(2):  # a lower image may need a second column, which makes it lower still
        wide = width_beside(beside)
        beside = _plan(sheet, max(wide * aspect, min(40.0, room)), room)
    wide = width_beside(beside)
    size_px = (max(1, how.px(wide)), max(1, how.px(wide * aspect)))
    high = max(wide * aspect, beside.height if beside else 0.0)
    total = (how.px(how.width_mm), how.px(high + head + 2 * EDGE_MM))
    if total[0] * total[1] > MOST_PIXELS:
        raise StmlError(
            f"This figure would have {total[0]} x {total[1]} pixels",
            do="choose a smaller width or resolution",
        )
    size_mm = (total[0] / how.dpi * MM_PER_INCH, total[1] / how.dpi * MM_PER_INCH)
    figure = Figure(figsize=(total[0] / how.dpi, total[1] / how.dpi), dpi=how.dpi)
    figure.set_facecolor("white")
    left, top = how.px(EDGE_MM), how.px(EDGE_MM + head)
    axes = figure.add_axes((
        left / total[0], 1 - (top + size_px[1]) / total[1],
        size_px[0] / total[0], size_px[1] / total[1],
    ))  # fmt: skip
    _tissue(axes, section, sheet, size_px)
    if beside is not None:
        x = EDGE_MM + wide + 2 * EDGE_MM
        legend.draw(figure, beside, x, EDGE_MM + head, size_mm)
    if title:
        words = fitting(title, how.width_mm - 2 * EDGE_MM, SIZE_PT + 1, bold=True)
        figure.text(left / total[0], 1 - how.px(EDGE_MM + head * 0.35) / total[1], words,
                    va="center", fontsize=SIZE_PT + 1, fontweight="bold")  # fmt: skip
    sheet.report |= {
        "program": creator(), "section": section.name, "title": title,
        "width_mm": how.width_mm, "dpi": how.dpi,
        "region_px": asdict(box), "region": sheet.part.title,
        "um_per_px": [scale.x, scale.y] if scale else None,
        "um_per_px_source": scale.source.value if scale else "unknown",
        **({"value": _words(sheet)} if shown is not None else {}),
    }  # fmt: skip
    return figure, title


def _tissue(axes: Axes, section: Section, sheet: _Sheet, size_px: tuple[int, int]) -> None:
    """Everything that lies on the tissue."""
    how, box, shown = sheet.print, sheet.part.box, sheet.shown
    axes.set_xlim(box.x, box.x + box.width)
    axes.set_ylim(box.y + box.height, box.y)
    axes.set_autoscale_on(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_label("tissue")
    for spine in axes.spines.values():
        spine.set_visible(False)
    name, placed = next(iter(section.images.items()), ("", None))
    if placed is not None and how.image:
        if not placed.slide.rgb:
            axes.set_facecolor("black")
        picture = place_picture(axes, placed, box, size_px)
        if picture is not None:
            level = placed.slide.levels[picture.level]
            sheet.report["image"] = {
                "name": name, "level": picture.level, "downsample": level.downsample_x,
                "pixels": [picture.pixels.shape[1], picture.pixels.shape[0]],
            }  # fmt: skip
    drawn = ""
    if shown is not None and sheet.overlay is not None:
        drawn = overlays.draw_overlay(axes, sheet.overlay, shown, how.opacity)
    elif shown is not None:
        drawn = observed.draw(axes, section, shown, sheet.rows, box, how.opacity, size_px)
    if drawn:
        sheet.report["drawn"] = drawn
    if sheet.part.outlines:
        overlays.outline(axes, [shape for _, shape in sheet.part.outlines])
    sheet.report["scale_bar"] = _scale_bar(axes, section, box, size_px, how)
    axes.set_xlim(box.x, box.x + box.width)
    axes.set_ylim(box.y + box.height, box.y)


def _scale_bar(
    axes: Axes, section: Section, box: Box, size_px: tuple[int, int], how: Print
) -> Mapping[str, Any] | str:
    """A bar of a round length at the lower left, on white so that it is read on any stain."""
    from matplotlib.patches import Rectangle

    scale = section.um_per_px
    if scale is None:
        return NO_SCALE
    length = round_length(box.width * scale.x)
    per_mm = (box.width / size_px[0], box.height / size_px[1])
    mm = how.dpi / MM_PER_INCH
    across, down = per_mm[0] * mm, per_mm[1] * mm  # reference pixels per mm of print
    long = length / scale.x
    words = in_words(length)
    room = max(long, width_mm(words) * across)
    x, y = box.x + 3.0 * across, box.y + box.height - 3.4 * down
    axes.add_patch(Rectangle(
        (x - 1.2 * across, y - 4.2 * down), room + 2.4 * across, 6.0 * down,
        facecolor="white", alpha=0.82, linewidth=0, zorder=8, gid="scale-bar-back",
    ))  # fmt: skip
    axes.add_patch(Rectangle(
        (x, y), long, 0.9 * down, facecolor="black", linewidth=0, snap=True, zorder=9,
        gid="scale-bar",
    ))  # fmt: skip
    axes.text(x + long / 2 if long >= room else x, y - 0.5 * down, words, zorder=9, color=INK,
              ha="center" if long >= room else "left", va="bottom", fontsize=SIZE_PT)  # fmt: skip
    return {"um": length, "px": long / per_mm[0]}


def _plan(sheet: _Sheet, room: float, tallest: float) -> legend.Plan | None:
    shown = sheet.shown
    if shown is None:
        return None
    missing = shown.missing
    count = 0
    if sheet.overlay is None:
        missing = missing[sheet.rows]
        count = int(missing.sum())
    if shown.codes is not None:
        codes = shown.codes if sheet.overlay is not None else shown.codes[sheet.rows]
        return legend.plan(shown, codes, count, sheet.print.width_mm, room, tallest)
    return legend.plan(shown, shown.numbers, count, sheet.print.width_mm, room, tallest)


def _title(section: Section, sheet: _Sheet) -> str:
    if sheet.print.title is not None:
        return sheet.print.title
    shown = sheet.shown
    if shown is None:
        return section.name
    if shown.record is not None:
        value = shown.name.partition("/")[2]
        return f"{section.name}: {value} ({shown.record.title}, {shown.record.id})"
    return f"{section.name}: {shown.name}"


def _words(sheet: _Sheet) -> dict[str, Any]:
    """The value in the report: how it is coloured, and the Run that left it."""
    shown = sheet.shown
    assert shown is not None
    said: dict[str, Any] = {"name": shown.name, "opacity": sheet.print.opacity}
    if sheet.print.layer:
        said["layer"] = sheet.print.layer
    if sheet.rows is not None:
        said["observations"] = len(sheet.rows)
        said["missing"] = int(shown.missing[sheet.rows].sum())
    if shown.scale is not None:
        said["colour_map"] = shown.scale.name
        said["limits"] = [shown.scale.low, shown.scale.high]
    elif shown.colours is not None:
        said["classes"] = {
            n: hex_of(c) for n, c in zip(shown.names, np.asarray(shown.colours), strict=False)
        }
    if shown.record is not None:
        said["run"] = shown.record.model_dump(
            mode="json", exclude={"parts", "notes", "error", "seconds"}
        )
    return said
