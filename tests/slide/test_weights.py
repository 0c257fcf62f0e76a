"""Weights come from strangers: nothing is run, everything fits, or the message says why."""

from __future__ import annotations

import os
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("timm", reason="timm is not installed")
from safetensors.torch import save_file  # noqa: E402

from napari_stml.core.errors import StmlError  # noqa: E402
from napari_stml.slide.encoders.network import build, load, preset_of  # noqa: E402
from napari_stml.slide.encoders.presets import PRESETS, Preset  # noqa: E402
from napari_stml.slide.encoders.weights import (  # noqa: E402
    WeightsError,
    find_weights,
    fitted,
    load_strictly,
    read_weights,
)

if TYPE_CHECKING:
    from pathlib import Path

TINY = Preset(
    "tiny", "vit_tiny_patch16_224", 32, pixels=32,
    options={"img_size": 32, "embed_dim": 32, "depth": 2, "num_heads": 2},
)  # fmt: skip


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.mark}",))


@pytest.fixture
def state() -> dict[str, Any]:
    torch.manual_seed(1)
    return build(TINY).state_dict()


def same(model: Any, state: dict[str, Any]) -> bool:
    return all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_good_files_are_loaded(
    state: dict[str, Any], tmp_path: Path, suffix: str, wrapped: bool
) -> None:
    path = tmp_path / f"tiny{suffix}"
    named = {f"module.{k}": v.clone() for k, v in state.items()} if wrapped else state
    named = {**named, ("module." if wrapped else "") + "head.weight": torch.zeros(3, 32)}
    if suffix == ".safetensors":
        save_file(named, path)
    else:
        torch.save({"state_dict": named, "epoch": 7} if wrapped else named, path)
    model = build(TINY)
    load_strictly(model, fitted(read_weights(path), TINY), path)
    assert same(model, state)


@pytest.mark.parametrize("how", ["zip", "bare", "legacy"])
def test_payloads_are_not_run(tmp_path: Path, how: str) -> None:
    mark, path = tmp_path / "mark", tmp_path / "evil.pth"
    evil = {"norm.weight": torch.zeros(3), "x": Payload(str(mark))}
    if how == "bare":
        path.write_bytes(pickle.dumps(Payload(str(mark))))
    else:
        torch.save(evil, path, _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(WeightsError, match=r"nothing of it was run|was not opened"):
        read_weights(path)
    assert not mark.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("kept", [0, 3, 40, 0.5, 0.999])
def test_truncated_files_are_refused(
    state: dict[str, Any], tmp_path: Path, suffix: str, kept: float
) -> None:
    path = tmp_path / f"tiny{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    with pytest.raises(WeightsError):
        read_weights(path)


def test_bombs_are_refused_before_they_are_opened(state: dict[str, Any], tmp_path: Path) -> None:
    path, bomb = tmp_path / "tiny.pth", tmp_path / "bomb.pth"
    torch.save(state, path)
    with (
        zipfile.ZipFile(path) as good,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for entry in good.infolist():
            bad.writestr(entry.filename, good.read(entry))
        bad.writestr("tiny/data/9999", b"\0" * (64 << 20))
    assert bomb.stat().st_size < 2 << 20
    with pytest.raises(WeightsError, match="promises more than it holds"):
        read_weights(bomb)


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"PK\x03\x04", b"\0" * 64], ids=["empty", "gif", "zip", "zeros"]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    for suffix in (".pth", ".safetensors"):
        path = tmp_path / f"x{suffix}"
        path.write_bytes(content)
        with pytest.raises(WeightsError):
            read_weights(path)
    with pytest.raises(WeightsError, match="Check the name"):
        read_weights(tmp_path / "nowhere.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="no table"):
        read_weights(tmp_path / "list.pth")


def test_what_does_not_fit_is_named(state: dict[str, Any]) -> None:
    model = build(TINY)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    lacking = {k: v for k, v in state.items() if not k.startswith("blocks.1.attn")}
    with pytest.raises(WeightsError, match=r"missing: blocks\.1\.attn\.qkv\.weight"):
        load_strictly(model, lacking, "x")
    with pytest.raises(WeightsError, match="not of this model: extra"):
        load_strictly(model, {**state, "extra": torch.zeros(1)}, "x")
    with pytest.raises(WeightsError, match=r"cls_token: \(1, 1, 16\) instead of \(1, 1, 32\)"):
        load_strictly(model, {**state, "cls_token": torch.zeros(1, 1, 16)}, "x")
    assert same(model, before), "a refused file changes nothing"


def test_the_weights_folder_works_offline(
    state: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STML_WEIGHTS", str(tmp_path))
    with pytest.raises(StmlError, match=r"MahmoodLab/UNI.*accepting its licence.*uni\.safetensors"):
        load("uni")
    save_file(state, tmp_path / "tiny.safetensors")
    assert find_weights("tiny") == tmp_path / "tiny.safetensors"
    (tmp_path / "other").mkdir()
    save_file(state, tmp_path / "other" / "model.safetensors")
    (tmp_path / "other" / "pytorch_model.bin").write_bytes(b"x")
    assert find_weights("other") == tmp_path / "other" / "model.safetensors"


def test_presets_build_and_say_their_licence() -> None:
    for preset in PRESETS.values():
        with torch.device("meta"):
            model = build(preset)
        width = model.num_features * (2 if preset.output == "class and mean" else 1)
        assert width == preset.length, preset.name
        assert preset.licence
    assert set(PRESETS) >= {
        "uni", "uni2-h", "virchow2", "phikon", "hibou-b", "hibou-l", "ctranspath", "gigapath",
        "h-optimus-0", "conch", "resnet50",
    }  # fmt: skip


def test_any_name_of_timm_is_an_encoder() -> None:
    preset = preset_of("vit_small_patch16_224.augreg_in1k")
    assert (preset.pixels, preset.output) == (224, "class")
    assert preset.mean == (0.5, 0.5, 0.5), "as timm says, not as usual"
    assert "head." in preset.drop
    with pytest.raises(StmlError, match="no encoder 'nonsense'"):
        preset_of("nonsense")


def test_a_transformers_checkpoint_is_renamed_completely() -> None:
    small = Preset(
        "small", "vit_tiny_patch16_224", 32, pixels=32, layout="transformers",
        drop=("head.", "pooler."),
        options={"img_size": 32, "embed_dim": 32, "depth": 2, "num_heads": 2, "norm_eps": 1e-12},
    )  # fmt: skip
    state = build(small).state_dict()
    theirs = {"pooler.dense.weight": torch.zeros(2)}
    names = {
        "cls_token": "embeddings.cls_token", "pos_embed": "embeddings.position_embeddings",
        "attn.proj": "attention.output.dense", "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense", "norm1": "layernorm_before", "norm2": "layernorm_after",
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
    }  # fmt: skip
    for key, value in state.items():
        new = key.replace("blocks.", "encoder.layer.")
        if "attn.qkv" in key:
            for part, name in zip(value.chunk(3), ("query", "key", "value"), strict=True):
                theirs[new.replace("attn.qkv", f"attention.attention.{name}")] = part
            continue
        for ours, other in names.items():
            new = new.replace(ours, other)
        theirs["layernorm." + key[5:] if key.startswith("norm.") else new] = value
    model = build(small)
    load_strictly(model, fitted(theirs, small), "x")
    assert same(model, state)
    theirs.pop("encoder.layer.1.attention.attention.key.weight")
    with pytest.raises(WeightsError, match=r"missing: blocks\.1\.attn\.qkv\.weight"):
        load_strictly(model, fitted(theirs, small), "x")


def test_an_old_swin_checkpoint_is_renamed() -> None:
    preset = PRESETS["ctranspath"]
    state = build(preset).state_dict()
    old = {"layers.0.blocks.1.attn_mask": torch.zeros(1)}
    for key, value in state.items():
        part = key.split(".")
        if "downsample" in key:
            part[1] = str(int(part[1]) - 1)
        old[".".join(part)] = value
    model = build(preset)
    load_strictly(model, fitted(old, preset), "x")
    assert same(model, state)
