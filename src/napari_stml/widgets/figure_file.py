"""A figure for print of what the tissue shows now: drawn from the data, not from the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from napari_stml.core.geometry import Box
from napari_stml.widgets.scopes import visible_box_of

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

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
    """Draw in a thread; colours and their limits are those of the window."""
    view = state.current
    if view is None:
        return
    section, shown = view.section, view.shown
    part: Box | None = None
    if visible:
        left, top, right, bottom = visible_box_of(state).bounds
        part = Box(left, top, right - left, bottom - top)

    def draw() -> tuple[str, ...]:
        from napari_stml.figures.drawing import check_format
        from napari_stml.figures.tissue import Print, tissue_figure

        check_format(target)
        scale = shown.scale if shown is not None else None
        how = Print(
            width_mm=WIDTH_MM, dpi=DPI, region=part,
            limits=(scale.low, scale.high) if scale is not None else None,
            colour_map=scale.name if scale is not None else "",
        )  # fmt: skip
        return tissue_figure(section, shown.name if shown is not None else "", how).save(target)

    def done(notes: tuple[str, ...]) -> None:
        state.said.emit(" ".join((f"Saved: {target.name}, {WIDTH_MM:g} mm wide.", *notes)))

    state.background.run("figure", draw, done, state.said.emit)
