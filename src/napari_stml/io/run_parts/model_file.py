"""A trained model as a file of its own: safetensors with its card, for other sections."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.core.results import Model
from napari_stml.io.run_parts.plain import plain
from napari_stml.io.take_out.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_stml.io.section import Section

CARD = "napari-stml"


def model_of(section: Section, runs: Sequence[str] = ()) -> Model:
    """The model of a stored Run; without a name, that of the only Run that has one."""
    shelf = section.shelf
    records = shelf.records if shelf is not None else {}
    found = [
        (run, entry.name) for run, record in records.items()
        for entry in record.parts if entry.kind == "Model" and (not runs or run in runs)
    ]  # fmt: skip
    if shelf is None or len(found) != 1:
        raise StmlError(
            "Several Runs hold a model" if found else "No such Run holds a model",
            where=section.name,
            do=f"name one Run: {', '.join(run for run, _ in found)}" if found
            else "run few-strokes first, or look with napari-stml runs",
        )  # fmt: skip
    part = shelf.part(*found[0])
    assert isinstance(part, Model)
    return part


def write_model(path: Path, model: Model, *, overwrite: bool = False) -> None:
    """Write the tensors, with name and card in the file's metadata."""
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(array) for name, array in model.tensors.items()}
    said = json.dumps({"name": model.name, "card": plain(dict(model.card))})
    with whole_file(path, overwrite=overwrite) as draft:
        draft.write_bytes(save(tensors, metadata={CARD: said}))


def read_model(path: Path) -> Model:
    """Read what `write_model` wrote; no code is ever run from it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            said = json.loads((file.metadata() or {}).get(CARD, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise CannotOpenError(f"This is no model: {error}", where=path.name) from error
    if "card" not in said:
        raise CannotOpenError("This file has no model card of ours", where=path.name)
    return Model(str(said["name"]), tensors, said["card"])
