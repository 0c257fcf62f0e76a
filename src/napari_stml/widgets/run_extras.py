"""What a Run's panel offers besides its values, by the kinds of value that it holds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_stml.runs.desk import analyses
from napari_stml.runs.scopes import scope_again
from napari_stml.widgets.brush import BrushBox

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_stml.core.run_record import RunRecord
    from napari_stml.viewer.state import ViewerState
    from napari_stml.widgets.gallery import Gallery
    from napari_stml.widgets.run_wishes import RunWishes


def extras(wishes: RunWishes, state: ViewerState, record: RunRecord) -> list[QWidget]:
    """The brush for a mask, the gallery for maps of tiles."""
    found: list[QWidget] = []
    kinds = {entry.kind: entry.name for entry in record.parts}
    correction = getattr(analyses().get(record.analysis), "corrected_by", "")
    if "Mask" in kinds and correction:
        box = BrushBox(state, record.id, kinds["Mask"])
        box.said.connect(wishes.said)
        box.keep_requested.connect(partial(_keep, wishes, state, record, correction, box))
        found.append(box)
    if {"Heatmap", "Tiles"} <= set(kinds):
        button = QPushButton("Gallery of tiles ...")
        button.setToolTip("Tiles with their maps and values; to look at and to export")
        button.clicked.connect(lambda: show_gallery(wishes, state, record.id))
        found.append(button)
    return found


def show_gallery(wishes: RunWishes, state: ViewerState, run: str) -> Gallery:
    """Open the gallery in a window of its own."""
    from napari_stml.widgets.gallery import Gallery

    made = Gallery(state, run)
    made.said.connect(wishes.said)
    wishes.window = made
    made.destroyed.connect(lambda: setattr(wishes, "window", None))
    made.show()
    return made


def _keep(
    wishes: RunWishes, state: ViewerState, record: RunRecord, correction: str, box: BrushBox,
    changes: str,
) -> None:  # fmt: skip
    view = state.current
    if view is None:
        return
    kind = analyses()[correction]
    first = next(name for name in kind.Params.model_fields if name != "changes")
    params = kind.Params.model_validate({first: record.id, "changes": changes})
    wishes.run(correction, params, scope_again(view.section, record.id))
    box.taken_over()
