"""A figure for print of what the tissue shows now: drawn from the data, not from the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QFileDialog

from napari_stml.core.geometry import Box
from napari_stml.widgets.scopes import visible_box_of

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_stml.figures.values import Shown as Printed
    from napari_stml.io.section import Section
    from napari_stml.viewer.shown import Shown
    from napari_stml.viewer.state import ViewerState

WIDTH_MM, DPI = 180.0, 300
KINDS = "PDF (*.pdf);;SVG (*.svg);;PNG (*.png);;TIFF (*.tif)"


def ask_figure(state: ViewerState, above: QWidget, visible: bool) -> None:
    """Ask for a file and draw the section, or what of it is visible."""
    if state.current is None:
        state.said.emit("Open a section first.")
        return
    target, _ = QFileDialog.getSaveFileName(above, "Save a figure", "figure.pdf", KINDS)
    if target:
        save_figure(state, Path(target), visible=visible)


def save_figure(state: ViewerState, target: Path, *, visible: bool = False) -> None:
    """Draw in a thread what the window shows, also what is stored nowhere; a swipe as panels."""
    view = state.current
    if view is None:
        return
    section, sides = view.section, (view.shown, view.beside)
    part: Box | None = None
    if visible:
        left, top, right, bottom = visible_box_of(state).bounds
        part = Box(left, top, right - left, bottom - top)
    opacity = view.opacity

    def draw() -> tuple[str, ...]:
        from napari_stml.figures.drawing import check_format
        from napari_stml.figures.panels import Panel, panel_figure
        from napari_stml.figures.tissue import Print, tissue_figure

        check_format(target)
        how = Print(width_mm=WIDTH_MM, dpi=DPI, region=part, opacity=opacity)
        values = [_as_shown(section, side) for side in sides if side is not None]
        if len(values) == 2:
            return panel_figure([Panel(section, v) for v in values], how).save(target)
        return tissue_figure(section, values[0] if values else "", how).save(target)

    def done(notes: tuple[str, ...]) -> None:
        state.said.emit(" ".join((f"Saved: {target.name}, {WIDTH_MM:g} mm wide.", *notes)))

    state.background.run("figure", draw, done, state.said.emit)


def _as_shown(section: Section, shown: Shown) -> Printed:
    """What the canvas shows, for print; it may be nowhere stored (several genes, a live view)."""
    from napari_stml.figures.values import Shown as Printed

    run, _, name = shown.name.partition("/")
    record = section.shelf.records.get(run) if section.shelf is not None else None
    title = name if record is not None else shown.name
    if shown.drawn is not None:
        off = np.isin(shown.drawn.codes, list(shown.off))
        return Printed(shown.name, title, codes=shown.drawn.codes, names=shown.drawn.names,
                       colours=shown.drawn.colours, record=record, off=off)  # fmt: skip
    assert shown.numbers is not None
    numbers, beyond = shown.numbers.astype(np.float64), shown.threshold.beyond(shown.numbers)
    if record is not None and shown.unit:
        title = f"{title} ({shown.unit})"
    hide = shown.threshold.hide
    return Printed(shown.name, title, numbers if hide else np.where(beyond, np.nan, numbers),
                   shown.scale, record=record, off=beyond if hide else None)  # fmt: skip
