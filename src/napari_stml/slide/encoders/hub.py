"""Weights from huggingface.co, where the user asks for it; never on its own."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from napari_stml.core.errors import StmlError
from napari_stml.slide.encoders.weights import missing_weights, weights_folder

if TYPE_CHECKING:
    from napari_stml.slide.encoders.presets import Preset

FILES = ("model.safetensors", "open_clip_model.safetensors", "pytorch_model.bin")
"""What repositories call their weights, the safest first."""

PATIENCE_S = 4.0
"""Until a computer without a network is told so; the hub's own client tries for half a minute."""


def fetched(preset: Preset) -> Path:
    """Download the weights of a preset into the weights folder; the file lies there afterwards.

    The file is read as strictly as any other: what it holds is not trusted.
    """
    if not preset.hub:
        raise missing_weights(preset)
    try:
        import huggingface_hub as hub
        from huggingface_hub import errors
    except ImportError as error:
        raise StmlError(
            "Downloading needs huggingface_hub", where=preset.name,
            do='install it: pip install "napari-stml[models]", or put the file there yourself',
        ) from error  # fmt: skip
    unreachable: tuple[type[Exception], ...] = (OSError, getattr(errors, "HTTPError", OSError))
    target = weights_folder() / preset.name
    try:
        _knock(hub.constants.ENDPOINT)
        there = set(hub.list_repo_files(preset.hub))
        name = next((f for f in FILES if f in there), None)
        if name is None:
            raise StmlError(
                "This repository holds no file of weights that is known", where=preset.hub,
                do="download it by hand and choose the file",
            )  # fmt: skip
        draft = Path(hub.hf_hub_download(preset.hub, name, local_dir=target / "download"))
        done = target / f"{preset.name}{draft.suffix}"
        os.replace(draft, done)
    except errors.GatedRepoError as error:
        raise _gated(preset) from error
    except (errors.RepositoryNotFoundError, errors.HfHubHTTPError) as error:
        raise _refused(preset, error) from error
    except unreachable as error:
        raise StmlError(
            f"The weights of '{preset.name}' could not be downloaded ({_first_line(error)})",
            where=f"huggingface.co/{preset.hub}",
            do=f"check the network, or put the file into {weights_folder()} by hand",
        ) from error  # fmt: skip
    _sweep(target / "download")
    return done


def _knock(address: str) -> None:
    """Raise OSError where neither the hub nor the proxy before it can be reached."""
    name = urlsplit(address).hostname or ""
    proxy = None if proxy_bypass(name) else getproxies().get(urlsplit(address).scheme)
    door = urlsplit(proxy or address)
    port = door.port or (80 if door.scheme == "http" else 443)
    with socket.create_connection((door.hostname or name, port), timeout=PATIENCE_S):
        pass


def _gated(preset: Preset) -> StmlError:
    return StmlError(
        f"'{preset.name}' is gated: its authors give access to persons, not to programs",
        where=f"huggingface.co/{preset.hub}",
        do="accept its licence on that page with your own account, sign in once with "
        f"'huggingface-cli login', and run again. Licence: {preset.licence or 'see the page'}",
    )  # fmt: skip


def _refused(preset: Preset, error: Exception) -> StmlError:
    code = getattr(getattr(error, "response", None), "status_code", 0)
    if code in {401, 403}:
        return _gated(preset)
    return StmlError(
        f"The weights of '{preset.name}' could not be downloaded ({_first_line(error)})",
        where=f"huggingface.co/{preset.hub}", do="look whether the page is still there",
    )  # fmt: skip


def _first_line(error: Any) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _sweep(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
