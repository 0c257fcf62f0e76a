"""What a command line or a recipe asks for by names: a map, a chart, or panels of maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError
from napari_stml.figures.charts import stored_chart
from napari_stml.figures.panels import Panel, panel_figure
from napari_stml.figures.tissue import tissue_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_stml.figures.drawing import Drawing
    from napari_stml.figures.panel_scales import Scales
    from napari_stml.figures.tissue import Print
    from napari_stml.io.section import Section


def asked_figure(
    sections: Sequence[Section], values: Sequence[str], how: Print, *, scales: Scales = "auto",
    columns: int = 0, chart_mm: float | None = None,
) -> Drawing:  # fmt: skip
    """Draw values of sections; ``chart_mm`` is a chart's width, where one was asked for.

    Panels come section by section; several values of several sections make a row of each.
    """
    named = list(values) or [""]
    charts = [value for value in named if _is_chart(sections[0], value)]
    if charts and len(named) * len(sections) > 1:
        raise StmlError("A chart is a figure of its own", where=charts[0],
                        do="draw it alone; panels are for maps")  # fmt: skip
    if charts:
        return stored_chart(sections[0], charts[0], width_mm=chart_mm, dpi=how.dpi)
    if len(named) * len(sections) == 1:
        return tissue_figure(sections[0], named[0], how)
    panels = [Panel(section, value) for section in sections for value in named]
    rows = len(named) if min(len(named), len(sections)) > 1 else 0
    return panel_figure(panels, how, scales=scales, columns=columns or rows)


def _is_chart(section: Section, name: str) -> bool:
    run, _, value = name.partition("/")
    if section.shelf is None or run not in section.shelf.records:
        return False
    return any(e.kind == "Chart" and e.name == value for e in section.shelf.entries(run))
