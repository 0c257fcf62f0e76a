"""Weights out of a file: nothing in it is ever executed, and all of it has to fit.

safetensors files hold numbers only. Files of torch are zip archives with a pickle inside, which is
read by torch's restricted reader (``weights_only=True``); archives that are compressed (torch never
does that) or that promise more than they hold are refused before they are opened.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotOpenError, StmlError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from napari_stml.slide.encoders.presets import Preset

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
WRAPPERS = ("state_dict", "model", "teacher", "model_state_dict")
PREFIXES = ("module.", "backbone.", "visual.trunk.", "encoder.", "model.")
_REFUSED = "use weights saved as safetensors, or as a plain torch state dictionary"


class WeightsError(CannotOpenError):
    """A file of weights that is unsafe, damaged, or of another model."""


def weights_folder() -> Path:
    """Where weights are looked for: ``STML_WEIGHTS``, else the user's data folder."""
    given = os.environ.get("STML_WEIGHTS")
    if given:
        return Path(given)
    home = os.environ.get("STML_DATA_HOME")
    if home:
        return Path(home) / "weights"
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-stml", appauthor=False)) / "weights"


def find_weights(name: str) -> Path | None:
    """A file named after the encoder, or the only file of weights in a folder of its name."""
    home = weights_folder()
    for suffix in SUFFIXES:
        if (home / f"{name}{suffix}").is_file():
            return home / f"{name}{suffix}"
    folder = home / name
    files = sorted(p for p in folder.glob("*") if p.suffix in SUFFIXES) if folder.is_dir() else []
    safe = [p for p in files if p.suffix == ".safetensors"] or files
    if len(safe) > 1:
        raise WeightsError(
            f"There are {len(safe)} files of weights", where=folder, do="keep one, or choose a file"
        )
    return safe[0] if safe else None


def content_hash(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, by key, on the CPU."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise WeightsError(
            f"The weights cannot be read ({error.strerror})", where=path, do="check the name"
        ) from error
    if path.suffix == ".safetensors":
        return _safetensors(path)
    if head[:2] == b"PK":
        return _torch(path)
    if head[:1] == b"\x80":
        raise WeightsError(
            "This is a bare pickle, which can run programs when it is opened; it was not opened",
            where=path, do=_REFUSED,
        )  # fmt: skip
    raise WeightsError("This is no file of weights", where=path, do=_REFUSED)


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"The file is damaged or no safetensors ({error})", where=path, do="copy it again"
        ) from error
    return found


def _torch(path: Path) -> dict[str, Tensor]:
    import torch

    _check_archive(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error))
        what = f" ({named.group(1)})" if named else ""
        raise WeightsError(
            f"This file holds more than numbers{what}; nothing of it was run", where=path,
            do=_REFUSED,
        ) from error  # fmt: skip
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, AttributeError,
            TypeError, IndexError) as error:  # fmt: skip
        raise WeightsError(
            "The file is damaged: it cannot be read to its end", where=path, do="copy it again"
        ) from error
    return _tensors(found, path)


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise WeightsError(
            "The file is damaged: its end is missing", where=path, do="copy it again"
        ) from error
    size = path.stat().st_size
    packed = [e for e in entries if e.compress_type != zipfile.ZIP_STORED]
    if packed or sum(e.file_size for e in entries) > size:
        raise WeightsError(
            "The archive is compressed or promises more than it holds, which torch never writes; "
            "it was not opened", where=path, do=_REFUSED,
        )  # fmt: skip
    if not any(e.filename.endswith("/data.pkl") for e in entries):
        raise WeightsError("This archive holds no weights of torch", where=path, do=_REFUSED)


def _tensors(found: Any, path: Path) -> dict[str, Tensor]:
    import torch

    for name in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
            break
    if not isinstance(found, dict):
        raise WeightsError("This file holds no table of weights", where=path, do=_REFUSED)
    tensors = {str(k): v for k, v in found.items() if isinstance(v, torch.Tensor)}
    if not tensors:
        raise WeightsError("This file holds no weights", where=path, do=_REFUSED)
    return tensors


def fitted(weights: Mapping[str, Tensor], preset: Preset) -> dict[str, Tensor]:
    """The same weights under timm's names, without wrappers and unused heads."""
    found = {k: v for k, v in weights.items() if not k.startswith(preset.drop)}
    for prefix in PREFIXES:
        if found and all(k.startswith(prefix) for k in found):
            found = {k.removeprefix(prefix): v for k, v in found.items()}
            found = {k: v for k, v in found.items() if not k.startswith(preset.drop)}
    bare = {k.removeprefix("vit.") for k in found}
    if preset.layout == "transformers" and any(k.startswith("embeddings.") for k in bare):
        return _from_transformers({k.removeprefix("vit."): v for k, v in found.items()})
    if preset.layout == "swin-2022":
        return _from_old_swin(found)
    return found


_RENAMED = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"blocks.\1.attn.proj."),
    (r"^encoder\.layer\.(\d+)\.intermediate\.dense\.", r"blocks.\1.mlp.fc1."),
    (r"^encoder\.layer\.(\d+)\.output\.dense\.", r"blocks.\1.mlp.fc2."),
    (r"^encoder\.layer\.(\d+)\.layernorm_before\.", r"blocks.\1.norm1."),
    (r"^encoder\.layer\.(\d+)\.layernorm_after\.", r"blocks.\1.norm2."),
    (r"^layernorm\.", "norm."),
)
_QKV = re.compile(r"^encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.(\w+)$")


def _from_transformers(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a ViT of the transformers library; its three projections become one."""
    import torch

    found: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in weights.items():
        match = _QKV.match(key)
        if match:
            name = f"blocks.{match.group(1)}.attn.qkv.{match.group(3)}"
            parts.setdefault(name, {})[match.group(2)] = value
            continue
        for pattern, new in _RENAMED:
            renamed, count = re.subn(pattern, new, key)
            if count:
                found[renamed] = value
                break
        else:
            found[key] = value
    for name, three in parts.items():
        if len(three) == 3:
            found[name] = torch.cat([three["query"], three["key"], three["value"]])
    return found


def _from_old_swin(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Swin checkpoints before timm 0.9: a stage's downsampling stood at its end."""
    found = {}
    for key, value in weights.items():
        if key.endswith(("relative_position_index", "attn_mask")):
            continue  # made anew by the model; no weights
        match = re.match(r"^layers\.(\d+)\.downsample\.(.+)$", key)
        new = f"layers.{int(match.group(1)) + 1}.downsample.{match.group(2)}" if match else key
        found[new] = value
    return found


def load_strictly(model: nn.Module, weights: Mapping[str, Tensor], where: object) -> None:
    """Load all weights, or say which are missing, left over, or of another size."""
    wanted = model.state_dict()
    missing = [k for k in wanted if k not in weights and not k.endswith("num_batches_tracked")]
    extra = [k for k in weights if k not in wanted]
    sizes = [
        f"{k}: {tuple(weights[k].shape)} instead of {tuple(v.shape)}"
        for k, v in wanted.items() if k in weights and weights[k].shape != v.shape
    ]  # fmt: skip
    said = [
        f"{len(found)} {words}: {', '.join(found[:6])}{', ...' if len(found) > 6 else ''}"
        for found, words in (
            (missing, "weights of the model are missing"), (extra, "are not of this model"),
            (sizes, "have another size"),
        ) if found
    ]  # fmt: skip
    if said:
        raise WeightsError(
            f"These weights do not fit the encoder; {'; '.join(said)}", where=where,
            do="choose the weights of this encoder, or the encoder of these weights",
        )  # fmt: skip
    kept = {k: weights.get(k, v) for k, v in wanted.items()}
    model.load_state_dict(kept, strict=True)


def missing_weights(preset: Preset) -> StmlError:
    """What to say where an encoder is asked for and its weights are not there."""
    gate = " after accepting its licence there" if preset.gated else ""
    source = f"download them from huggingface.co/{preset.hub}{gate}" if preset.hub else "get them"
    return StmlError(
        f"The weights of '{preset.name}' are not on this computer", where=weights_folder(),
        do=f"{source}, put the file into this folder as {preset.name}.safetensors or "
        f"{preset.name}.pth, or choose it. Licence: {preset.licence or 'see its authors'}",
    )  # fmt: skip
