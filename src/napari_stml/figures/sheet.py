"""One map of a figure: what it shows, the slide below it, its legend, its scale bar."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.colours import hex_of
from napari_stml.core.errors import StmlError
from napari_stml.core.results import View
from napari_stml.figures import legend, observed, overlays
from napari_stml.figures.drawn import REGIONS, drawn_regions
from napari_stml.figures.lettering import INK, MM_PER_INCH, SIZE_PT, width_mm
from napari_stml.figures.placing import place_picture
from napari_stml.figures.region import part_of
from napari_stml.figures.scale_bar import in_words, round_length
from napari_stml.figures.values import Shown, shown_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from napari_stml.core.geometry import Box
    from napari_stml.core.results import Part as ResultPart
    from napari_stml.figures.region import Part
    from napari_stml.figures.tissue import Print
    from napari_stml.io.section import Section

NO_SCALE = "none: micrometres per pixel of this section are unknown"


@dataclass
class Sheet:
    """A figure on the way: what is placed where, in mm and in whole pixels of the print."""

    print: Print
    part: Part
    shown: Shown | None
    overlay: ResultPart | None = None
    rows: Any = None
    report: dict[str, Any] = field(default_factory=dict)


def sheet_of(section: Section, value: str | Shown, how: Print) -> Sheet:
    """Find a value by its name, or take it as it is, and the observations that are drawn."""
    part = part_of(section, how.region)
    sheet = Sheet(how, part, *((value, None) if isinstance(value, Shown)
                               else _value_of(section, value, how)))  # fmt: skip
    shown = sheet.shown
    if shown is not None and sheet.overlay is None and section.observations is not None:
        rows = observed.inside(section.observations, part.box)
        sheet.rows = rows if shown.off is None else rows[~shown.off[rows]]
    return sheet


def _value_of(section: Section, value: str, how: Print) -> tuple[Shown | None, ResultPart | None]:
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


def draw_map(axes: Axes, section: Section, sheet: Sheet, size_px: tuple[int, int]) -> None:
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
    seen = sheet.overlay if isinstance(sheet.overlay, View) else None
    if seen is not None:
        name = seen.image or name
        placed = section.images.get(name)
        if placed is None or not placed.slide.rgb:
            raise StmlError("The image of this value is not there", where=name or section.name)
    if placed is not None and (how.image or seen is not None):
        if not placed.slide.rgb:
            axes.set_facecolor("black")
        through = overlays.through(seen, shown) if seen is not None and shown is not None else None
        picture = place_picture(axes, placed, box, size_px, through=through)
        if picture is not None:
            level = placed.slide.levels[picture.level]
            sheet.report["image"] = {
                "name": name, "level": picture.level, "downsample": level.downsample_x,
                "pixels": [picture.pixels.shape[1], picture.pixels.shape[0]],
            }  # fmt: skip
    drawn = ""
    if seen is not None:
        drawn = "pixels, computed at the resolution of the print"
    elif shown is not None and sheet.overlay is not None:
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


def plan_of(
    sheet: Sheet, room: float, tallest: float, wide: float | None = None
) -> legend.Plan | None:
    """The legend of a map that may take its share of ``wide`` mm, else of the figure."""
    wide = sheet.print.width_mm if wide is None else wide
    shown = sheet.shown
    if shown is None or (shown.codes is not None and not shown.names):
        return None
    missing = shown.missing
    count = 0
    if sheet.overlay is None:
        missing = missing[sheet.rows]
        count = int(missing.sum())
    if shown.codes is not None:
        codes = shown.codes if sheet.overlay is not None else shown.codes[sheet.rows]
        return legend.plan(shown, codes, count, wide, room, tallest)
    return legend.plan(shown, shown.numbers, count, wide, room, tallest)


def facts(section: Section, sheet: Sheet) -> dict[str, Any]:
    """What the report of a figure says of one map."""
    scale = section.um_per_px
    return {
        "section": section.name,
        "region_px": asdict(sheet.part.box), "region": sheet.part.title,
        "um_per_px": [scale.x, scale.y] if scale else None,
        "um_per_px_source": scale.source.value if scale else "unknown",
        **({"value": _value_words(sheet)} if sheet.shown is not None else {}),
    }  # fmt: skip


def _value_words(sheet: Sheet) -> dict[str, Any]:
    """The value in the report: how it is coloured, and the Run that left it."""
    shown = sheet.shown
    assert shown is not None
    said: dict[str, Any] = {"name": shown.name, "opacity": sheet.print.opacity}
    if sheet.print.layer:
        said["layer"] = sheet.print.layer
    if sheet.rows is not None:
        said["observations"] = len(sheet.rows)
        said["missing"] = int(shown.missing[sheet.rows].sum())
    if shown.off is not None and shown.off.any():
        said["switched off"] = int(shown.off.sum())
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
