from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")
from safetensors.numpy import save_file  # noqa: E402

from napari_stml.core.errors import StmlError  # noqa: E402
from napari_stml.slide.encoders.hub import fetched  # noqa: E402
from napari_stml.slide.encoders.presets import PRESETS, Preset  # noqa: E402
from napari_stml.slide.encoders.weights import find_weights  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

OPEN = Preset("small", "vit_small_patch16_224", 384, hub="somebody/small", licence="MIT")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A weights folder of its own, and a hub that is not there unless a test says what it has."""
    monkeypatch.setenv("STML_WEIGHTS", str(tmp_path / "weights"))

    def nothing(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no network in tests\nand a second line")

    monkeypatch.setattr(hub, "list_repo_files", nothing)
    monkeypatch.setattr(hub, "hf_hub_download", nothing)
    monkeypatch.setattr("socket.create_connection", lambda *_, **__: nullcontext())
    return tmp_path / "weights"


def test_the_safest_file_is_fetched_and_found_offline_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def download(repository: str, name: str, *, local_dir: Path) -> str:
        asked.append((repository, name))
        local_dir.mkdir(parents=True)
        save_file({"w": np.zeros(3, np.float32)}, local_dir / name)
        return str(local_dir / name)

    monkeypatch.setattr(hub, "list_repo_files", lambda _: ["README.md", "pytorch_model.bin",
                                                           "model.safetensors"])  # fmt: skip
    monkeypatch.setattr(hub, "hf_hub_download", download)
    path = fetched(OPEN)
    assert asked == [("somebody/small", "model.safetensors")]
    assert find_weights("small") == path
    assert [p.name for p in path.parent.iterdir()] == ["small.safetensors"]


def test_without_a_network_it_says_where_the_file_goes(home: Path) -> None:
    with pytest.raises(StmlError, match=r"no network in tests\)") as said:
        fetched(OPEN)
    assert str(home) in str(said.value)
    with pytest.raises(StmlError, match="are not on this computer"):
        fetched(PRESETS["resnet50"])


@pytest.mark.parametrize("code", [401, 403])
def test_gates_are_explained_with_the_licence(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refused(_: str) -> Any:
        error = hub.errors.HfHubHTTPError.__new__(hub.errors.HfHubHTTPError)
        error.response = SimpleNamespace(status_code=code)
        raise error

    monkeypatch.setattr(hub, "list_repo_files", refused)
    with pytest.raises(StmlError, match="gated") as said:
        fetched(PRESETS["uni"])
    assert "CC BY-NC-ND" in str(said.value)
    assert "huggingface.co/MahmoodLab/UNI" in str(said.value)


def test_a_repository_without_known_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "list_repo_files", lambda _: ["README.md", "weights.pkl"])
    with pytest.raises(StmlError, match="no file of weights"):
        fetched(OPEN)


@pytest.mark.parametrize(
    ("proxy", "door"),
    [("", ("huggingface.co", 443)), ("http://gate.example:3128", ("gate.example", 3128))],
)
def test_a_closed_door_is_told_after_seconds(
    monkeypatch: pytest.MonkeyPatch, proxy: str, door: tuple[str, int]
) -> None:
    knocked = []

    def closed(address: tuple[str, int], timeout: float) -> Any:
        knocked.append((address, timeout <= 5))
        raise TimeoutError("timed out")

    monkeypatch.setattr("socket.create_connection", closed)
    monkeypatch.setattr("napari_stml.slide.encoders.hub.getproxies", lambda: {"https": proxy})
    monkeypatch.setattr("napari_stml.slide.encoders.hub.proxy_bypass", lambda _: False)
    with pytest.raises(StmlError, match="could not be downloaded"):
        fetched(OPEN)
    assert knocked == [(door, True)]
