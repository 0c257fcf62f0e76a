"""What a Run's panel offers besides its values, by the kinds of value that it holds."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_stml.core.errors import StmlError
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
    """The brush of a mask, the gallery of tiles, Keep of a preview, a file of what was learnt."""
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
    if wishes.is_preview(record.id):
        keep = QPushButton("Keep this preview")
        keep.setToolTip(f"Else the next {record.title} takes its place")
        keep.clicked.connect(partial(wishes.keep_preview, record.id))
        keep.clicked.connect(keep.hide)
        found.append(keep)
    if "Model" in kinds:
        save = QPushButton("Save what it learnt ...")
        save.setToolTip("A .safetensors file with its card; a classifier is applied to other "
                        "sections by Apply a learnt classifier")  # fmt: skip
        save.clicked.connect(partial(_ask_model, wishes, state, record.id, save))
        found.append(save)
    return found


def _ask_model(
    wishes: RunWishes, state: ViewerState, run: str, above: QPushButton, _: bool = False
) -> None:
    chosen, _kind = QFileDialog.getSaveFileName(
        above, "Save what it learnt", f"{run}.safetensors", "Model (*.safetensors)"
    )
    if chosen:
        save_model(wishes, state, run, Path(chosen))


def save_model(wishes: RunWishes, state: ViewerState, run: str, target: Path) -> None:
    """Write the model of a Run; the file dialog has asked before it lets an old file go."""
    from napari_stml.io.run_parts.model_file import model_of, write_model

    if state.current is None:
        return
    if target.suffix != ".safetensors":
        target = target.with_name(f"{target.name}.safetensors")
    try:
        write_model(target, model_of(state.current.section, (run,)), overwrite=True)
    except StmlError as error:
        wishes.said.emit(str(error))
        return
    wishes.said.emit(f"Saved: {target.name}")


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
