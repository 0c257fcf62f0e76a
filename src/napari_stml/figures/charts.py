"""Charts of Runs for print: every declarative kind, with the conventions of the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.figures.chart_kinds import DRAW
from napari_stml.figures.drawing import Drawing, creator
from napari_stml.figures.lettering import FAINT, MM_PER_INCH, SIZE_PT, fitting, lines, style

if TYPE_CHECKING:
    from napari_stml.core.charts import Chart
    from napari_stml.figures.chart_kinds import PartOf
    from napari_stml.io.section import Section

NOTE_MM = 3.4
COLUMN_MM, WIDE_MM = 90.0, 150.0


def chart_figure(
    chart: Chart, part_of: PartOf | None = None, *, width_mm: float | None = None, dpi: int = 300,
    report: dict[str, Any] | None = None,
) -> Drawing:  # fmt: skip
    """Draw a chart.

    Parameters
    ----------
    width_mm
        None for one column of a journal, or nearly two for what has many names.
    part_of
        Finds a value of the same Run by name, for charts of stored values.
    report
        What stands in the file about how the chart came to be.
    """
    from matplotlib.figure import Figure

    sized, draw = DRAW[chart.chart]
    width_mm = natural_width(chart) if width_mm is None else width_mm
    if not 30 <= width_mm <= 2000 or not 36 <= dpi <= 2400:
        raise StmlError(
            "A chart is 30 to 2000 mm wide and has 36 to 2400 pixels per inch",
            where=f"{width_mm:g} mm, {dpi} dpi",
        )
    with style():
        notes = [line for note in chart.notes for line in lines(note, width_mm - 4, SIZE_PT - 1)]
        high = sized(chart, width_mm) + NOTE_MM * len(notes)
        wide_px, high_px = (round(mm / MM_PER_INCH * dpi) for mm in (width_mm, high))
        inches = (wide_px / dpi, high_px / dpi)
        figure = Figure(figsize=inches, dpi=dpi, layout="constrained")
        figure.set_facecolor("white")
        engine: Any = figure.get_layout_engine()
        foot = NOTE_MM * len(notes) / high
        engine.set(rect=(0, foot, 1, 1 - foot), w_pad=0.03, h_pad=0.03)
        draw(figure, chart, part_of or _nothing_stored)
        title = fitting(chart.title, width_mm - 6, SIZE_PT + 1, bold=True)
        figure.suptitle(title, fontsize=SIZE_PT + 1, fontweight="bold", x=0.02, ha="left")
        for i, note in enumerate(notes):
            figure.text(0.02, (len(notes) - i - 0.5) * NOTE_MM / high, note, color=FAINT,
                        va="center", fontsize=SIZE_PT - 1)  # fmt: skip
    said = {"program": creator(), "chart": chart.name, "title": chart.title, **(report or {})}
    return Drawing(figure, dpi, chart.title, said)


def natural_width(chart: Chart) -> float:
    """The width in mm at which its names can be read."""
    many = len(chart.data.get("columns", ())) > 12 or len(set(chart.data.get("panel") or ())) > 6
    many = many or "panels" in chart.data
    return WIDE_MM if many else COLUMN_MM


def stored_chart(
    section: Section, name: str, *, width_mm: float | None = None, dpi: int = 300
) -> Drawing:
    """Draw ``<run id>/<chart>`` of a section."""
    run, _, chart_name = name.partition("/")
    shelf = section.shelf
    if shelf is None or run not in shelf.records:
        raise StmlError(f"There is no Run '{run}'", where=section.name)
    chart: Any = shelf.part(run, chart_name)
    if type(chart).__name__ != "Chart":
        raise StmlError("This value is no chart", where=name)
    record = shelf.records[run]
    about = {
        "section": section.name,
        "run": record.model_dump(mode="json", exclude={"parts", "notes", "error", "seconds"}),
    }
    return chart_figure(
        chart, lambda value: shelf.part(run, value), width_mm=width_mm, dpi=dpi, report=about
    )


def _nothing_stored(name: str) -> Any:
    raise StmlError("This chart shows a stored value, which is not given", where=name)
