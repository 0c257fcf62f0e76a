"""A trained model as a folder: ``config.json``, ``model.safetensors``, ``card.json``.

A training that goes on keeps its state beside them (``training.safetensors``, ``training.json``).
Every file is written under another name and renamed, so that a kill leaves the last complete one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError, CannotSaveError
from napari_stml.core.results import Model
from napari_stml.io.run_parts.plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "card.json"
STATE, STATE_SAID = "training.safetensors", "training.json"
IN_CARD = "config"
"""The part of a card that the network is built from."""


def trainings_folder() -> Path:
    """Where trainings keep their state: ``STML_CACHE_HOME`` or the user's cache folder."""
    home = os.environ.get("STML_CACHE_HOME")
    if home:
        return Path(home) / "training"
    import platformdirs

    return Path(platformdirs.user_cache_dir("napari-stml", appauthor=False)) / "training"


def write_model(folder: Path, model: Model) -> None:
    card = plain(dict(model.card))
    config = card.pop(IN_CARD, {})
    _write(folder, {
        WEIGHTS: _packed(model.tensors), CONFIG: _text(config), CARD: _text(card),
    })  # fmt: skip


def read_model(folder: Path) -> Model:
    """The model of a folder; an error says what is missing."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    missing = [n for n in (CONFIG, WEIGHTS) if not (folder / n).is_file()]
    if missing:
        raise CannotOpenError(
            f"This folder holds no model: {' and '.join(missing)} missing", where=folder,
            do="choose the folder that was written by a training",
        )  # fmt: skip
    try:
        tensors = load((folder / WEIGHTS).read_bytes())
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        said = folder / CARD
        card = json.loads(said.read_text(encoding="utf-8")) if said.is_file() else {}
    except (OSError, ValueError, SafetensorError) as error:
        raise CannotOpenError(
            f"The model cannot be read ({error})", where=folder, do="train it again"
        ) from error
    return Model(folder.name, tensors, {**card, IN_CARD: config})


def write_state(folder: Path, tensors: Mapping[str, NDArray[Any]], said: Mapping[str, Any]) -> None:
    """Keep the state of a training; the text, written last, names the size of its tensors."""
    packed = _packed(tensors)
    _write(folder, {STATE: packed, STATE_SAID: _text({**said, "bytes": len(packed)})})


def read_state(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """The last complete state, None where there is none."""
    from safetensors.numpy import load

    try:
        said = json.loads((folder / STATE_SAID).read_text(encoding="utf-8"))
        packed = (folder / STATE).read_bytes()
    except (OSError, ValueError):
        return None
    if said.get("bytes") != len(packed):
        return None
    return load(packed), said


def forget_state(folder: Path) -> None:
    for name in (STATE, STATE_SAID):
        (folder / name).unlink(missing_ok=True)


def _packed(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    from safetensors.numpy import save

    packed: bytes = save({k: np.ascontiguousarray(v) for k, v in tensors.items()})
    return packed


def _text(value: Any) -> bytes:
    return json.dumps(plain(value), indent=1).encode()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            part = folder / f"{name}.part"
            part.write_bytes(content)
            os.replace(part, folder / name)
    except OSError as error:
        raise CannotSaveError(
            f"The model cannot be written ({error.strerror})", where=folder,
            do="free some space or choose another folder",
        ) from error  # fmt: skip
