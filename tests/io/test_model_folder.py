"""A trained model as a folder, and the state of a training that goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_stml.core.errors import CannotOpenError, CannotSaveError
from napari_stml.core.results import Model
from napari_stml.io import model_folder

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = {"head.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T, "scale": np.float32([2])}
CARD = {"genes": ["A", "B"], "r": np.float32(0.5), "config": {"network": "tile vit", "width": 8}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model_folder.write_model(tmp_path / "mine", Model("model", WEIGHTS, CARD))
    return tmp_path / "mine"


def test_a_model_comes_back_as_it_was(folder: Path) -> None:
    back = model_folder.read_model(folder)
    assert back.name == "mine"
    assert back.card == {"genes": ["A", "B"], "r": 0.5, "config": CARD["config"]}
    for name, values in WEIGHTS.items():
        np.testing.assert_array_equal(back.tensors[name], values)


def test_what_the_network_is_built_from_stands_apart(folder: Path) -> None:
    assert json.loads((folder / "config.json").read_text()) == CARD["config"]
    assert "config" not in json.loads((folder / "card.json").read_text())
    assert not list(folder.glob("*.part"))


def test_a_model_without_its_card_is_read(folder: Path) -> None:
    (folder / "card.json").unlink()
    assert model_folder.read_model(folder).card == {"config": CARD["config"]}


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CannotOpenError, match=name):
        model_folder.read_model(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "card.json"])
def test_a_torn_file_is_an_error_of_ours(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CannotOpenError, match="cannot be read"):
        model_folder.read_model(folder)


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(CannotSaveError):
        model_folder.write_model(tmp_path / "taken", Model("model", WEIGHTS, CARD))


def test_the_state_of_a_training(tmp_path: Path) -> None:
    assert model_folder.read_state(tmp_path) is None
    model_folder.write_state(tmp_path, WEIGHTS, {"key": "k", "history": [[0, 1.5, None]]})
    state = model_folder.read_state(tmp_path)
    assert state is not None
    np.testing.assert_array_equal(state[0]["head.weight"], WEIGHTS["head.weight"])
    assert state[1]["key"] == "k"
    assert state[1]["history"] == [[0, 1.5, None]]


def test_a_half_written_state_is_none(tmp_path: Path) -> None:
    model_folder.write_state(tmp_path, WEIGHTS, {})
    said = (tmp_path / "training.json").read_bytes()
    model_folder.write_state(tmp_path, {"other": np.zeros(50, dtype=np.float32)}, {})
    (tmp_path / "training.json").write_bytes(said)  # killed between the two files
    assert model_folder.read_state(tmp_path) is None


def test_a_forgotten_state_leaves_the_model(folder: Path) -> None:
    model_folder.write_state(folder, WEIGHTS, {})
    model_folder.forget_state(folder)
    model_folder.forget_state(folder)
    assert model_folder.read_state(folder) is None
    assert model_folder.read_model(folder).tensors.keys() == WEIGHTS.keys()


def test_the_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STML_CACHE_HOME", str(tmp_path))
    assert model_folder.trainings_folder() == tmp_path / "training"
