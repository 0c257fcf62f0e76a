"""Encoders that are networks: built by timm, run in static batches on the GPU or the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.slide.encoders.presets import PRESETS, Preset
from napari_stml.slide.encoders.weights import (
    content_hash,
    find_weights,
    fitted,
    load_strictly,
    missing_weights,
    read_weights,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from napari_stml.slide.encoders.presets import Output

RANDOM = "random"
"""Instead of a file: weights drawn anew, as a control. Its features say nothing of tissue."""


def preset_of(name: str) -> Preset:
    """A preset, or any model of timm with what timm knows of its input."""
    key = name.strip().lower()
    if key in PRESETS:
        return PRESETS[key]
    timm = _timm()
    base = name.strip().partition(".")[0]
    if not timm.is_model(base):
        near = timm.list_models(f"*{base[:8]}*")[:5]
        raise StmlError(
            f"There is no encoder '{name}'", where="encoder",
            do=f"choose 'basic', one of {', '.join(PRESETS)}, or a name of timm"
            + (f" ({', '.join(near)})" if near else ""),
        )  # fmt: skip
    config = timm.get_pretrained_cfg(name.strip()) or timm.models.get_pretrained_cfg(base)
    size = int(config.input_size[-1]) if config is not None else 224
    mean, sd = (
        (config.mean, config.std)
        if config is not None
        else (PRESETS["uni"].mean, PRESETS["uni"].sd)
    )
    vit = hasattr(timm.models, "vision_transformer") and base.startswith(("vit_", "deit"))
    head = config.classifier if config is not None else None
    heads = tuple(f"{h}." for h in ([head] if isinstance(head, str) else head or ()))
    return Preset(
        name.strip(), base, 0, "class" if vit else "pooled", size, mean=tuple(mean), sd=tuple(sd),
        drop=(*heads, "head_dist."), licence=str(getattr(config, "license", "") or ""),
        hub=_repository(config),
    )  # fmt: skip


def _repository(config: Any) -> str:
    """Where timm itself would fetch the weights of a model."""
    place = str(getattr(config, "hf_hub_id", "") or "")
    return f"{place}{config.architecture}.{config.tag}" if place.endswith("/") else place


def build(preset: Preset) -> nn.Module:
    """The network without weights, its head removed."""
    timm = _timm()
    options: dict[str, Any] = {"num_classes": 0, **preset.options}
    eps = options.pop("norm_eps", None)
    for name, value in options.items():
        if value in _CLASSES:
            options[name] = _CLASSES[value]()
    if eps is not None:
        import torch

        options["norm_layer"] = partial(torch.nn.LayerNorm, eps=eps)
    model: nn.Module = timm.create_model(preset.timm, pretrained=False, **options)
    return model.eval()


def _swiglu() -> Any:
    from timm import layers

    return layers.SwiGLUPacked  # type: ignore[attr-defined]


def _silu() -> Any:
    import torch

    return torch.nn.SiLU


def _stem() -> Any:
    from napari_stml.models.stem import ConvStem

    return ConvStem


_CLASSES = {"SwiGLUPacked": _swiglu, "SiLU": _silu, "ConvStem": _stem}


def load(name: str, weights: str | Path = "", *, seed: int = 0) -> tuple[nn.Module, Preset, str]:
    """The network with its weights, its preset, and the identity of the weights.

    ``weights`` is a file, ``random`` (a control), or empty: then the weights folder is searched.
    """
    preset = preset_of(name)
    if str(weights) == RANDOM:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build(preset), preset, f"random {seed}"
    path = Path(weights).expanduser() if weights else find_weights(preset.name)
    if path is None:
        raise missing_weights(preset)
    found = fitted(read_weights(path), preset)
    model = build(preset)
    load_strictly(model, found, path)
    return model, preset, content_hash(path)


def pick_device(asked: str) -> str:
    """Say where to compute: "auto" takes the GPU where there is one."""
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if asked in {"auto", ""}:
        return "cuda" if cuda else "mps" if mps else "cpu"
    if (asked.startswith("cuda") and not cuda) or (asked == "mps" and not mps):
        raise StmlError(f"There is no device '{asked}' here", where="device", do="choose cpu")
    return asked


@dataclass
class NetworkEncoder:
    """Encodes tiles with a network; batches have one static shape, halved where memory is short."""

    model: Any
    preset: Preset
    weights: str
    output: Output
    device: str = "cpu"
    batch: int = 64

    def __post_init__(self) -> None:
        import torch

        self.half = self.device.startswith("cuda") and torch.cuda.is_bf16_supported()
        self.dtype = torch.bfloat16 if self.half else torch.float32
        self.model = self.model.to(self.device, self.dtype).eval()
        if not hasattr(self.model, "patch_embed"):
            self.model = self.model.to(memory_format=torch.channels_last)
        self._mean = torch.tensor(self.preset.mean, device=self.device).view(1, 3, 1, 1) * 255
        self._sd = torch.tensor(self.preset.sd, device=self.device).view(1, 3, 1, 1) * 255
        self.length = self._measure()

    def _measure(self) -> int:
        import torch

        p = self.preset.pixels
        with torch.inference_mode():
            length = int(self.features(self.tensor(np.zeros((1, p, p, 3), np.uint8))).shape[1])
        if (
            self.preset.length
            and self.output == self.preset.output
            and length != self.preset.length
        ):
            raise StmlError(
                f"'{self.preset.name}' gives {length} features where {self.preset.length} belong",
                where="encoder", do="this build of timm does not fit the preset",
            )  # fmt: skip
        return length

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"f{i:04d}" for i in range(self.length))

    @property
    def identity(self) -> str:
        import torch

        kind = self.device.partition(":")[0]
        threads = torch.get_num_threads() if kind == "cpu" else 0
        return f"{self.preset.name} {self.weights} {self.output} {self.dtype} {kind} {threads}"

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.over(tiles, self.features, self.length)

    def over(
        self, tiles: NDArray[np.uint8], take: Callable[[Tensor], Tensor], length: int
    ) -> NDArray[np.float32]:
        """``take`` over all tiles, (n, length); the batch is halved where memory is short."""
        p = self.preset.pixels
        if tiles.shape[1:] != (p, p, 3):
            raise StmlError(
                f"'{self.preset.name}' takes tiles of {p} px and got {tiles.shape[1]} px",
                where="tiles", do=f"make tiles of {p} px",
            )  # fmt: skip
        import torch

        while True:
            try:
                with torch.inference_mode():
                    return self._in_batches(tiles, take, length)
            except torch.cuda.OutOfMemoryError as error:
                if self.batch <= 1:
                    raise StmlError(
                        "One tile alone does not fit into the GPU's memory", where=self.device,
                        do="choose the device cpu or a smaller encoder",
                    ) from error  # fmt: skip
                self.batch = max(1, self.batch // 2)
                torch.cuda.empty_cache()

    def _in_batches(
        self, tiles: NDArray[np.uint8], take: Callable[[Tensor], Tensor], length: int
    ) -> NDArray[np.float32]:
        """Always ``batch`` tiles at once: the last ones are filled up, so shapes never change."""
        out = np.empty((len(tiles), length), dtype=np.float32)
        for start in range(0, len(tiles), self.batch):
            part = tiles[start : start + self.batch]
            count = len(part)
            if count < self.batch:
                part = np.concatenate([part, np.repeat(part[-1:], self.batch - count, axis=0)])
            found = take(self.tensor(part))[:count]
            out[start : start + count] = found.float().cpu().numpy()
        return out

    def tensor(self, tiles: NDArray[np.uint8]) -> Tensor:
        """Tiles as the network takes them: sent as bytes, normalised on the device."""
        import torch

        pixels = torch.from_numpy(np.ascontiguousarray(tiles))
        if self.device.startswith("cuda") and not pixels.is_pinned():
            pixels = pixels.pin_memory()
        pixels = pixels.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        return ((pixels.float() - self._mean) / self._sd).to(self.dtype)

    def features(self, images: Tensor) -> Tensor:
        """The chosen output, (batch, length)."""
        if self.output == "pooled":
            pooled: Tensor = self.model(images)
            return pooled.flatten(1)
        return self.of_tokens(self.model.forward_features(images))

    def of_tokens(self, tokens: Tensor) -> Tensor:
        """The chosen output out of the tokens (batch, tokens, width) after the last layer."""
        import torch

        if self.output == "pooled":
            pooled: Tensor = self.model.forward_head(tokens)
            return pooled.flatten(1)
        if tokens.ndim != 3:
            raise StmlError(
                f"'{self.preset.name}' has no class and patch tokens", where="output",
                do="choose the default output",
            )  # fmt: skip
        prefix = int(getattr(self.model, "num_prefix_tokens", 1))
        parts = []
        if self.output in {"class", "class and mean"}:
            if prefix == 0:
                raise StmlError(f"'{self.preset.name}' has no class token", where="output",
                                do="choose the mean")  # fmt: skip
            parts.append(tokens[:, 0])
        if self.output in {"mean", "class and mean"}:
            parts.append(tokens[:, prefix:].mean(dim=1))
        return torch.cat(parts, dim=1)

    def of_patches(self, images: Tensor) -> Tensor:
        """Features of every patch, (batch, patches, length), row by row over the tile."""
        tokens: Tensor = self.model.forward_features(images)
        if tokens.ndim != 3:
            raise StmlError(
                f"'{self.preset.name}' has no patches", where="output", do="choose another output"
            )
        return tokens[:, int(getattr(self.model, "num_prefix_tokens", 1)) :]

    def patch_tokens(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`of_patches` of a few tiles."""
        import torch

        with torch.inference_mode():
            return np.asarray(self.of_patches(self.tensor(tiles)).float().cpu().numpy())

    def buffer(self, count: int) -> NDArray[np.uint8]:
        """Memory for a batch that a GPU can fetch by itself."""
        p = self.preset.pixels
        if not self.device.startswith("cuda"):
            return np.empty((count, p, p, 3), dtype=np.uint8)
        import torch

        pinned = torch.empty((count, p, p, 3), dtype=torch.uint8, pin_memory=True)
        return np.asarray(pinned.numpy())

    def release(self) -> None:
        """Give the GPU's memory back."""
        self.model = None
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()


def network_encoder(
    name: str, weights: str | Path = "", *, output: str = "default", device: str = "cpu",
    batch: int = 64, seed: int = 0,
) -> NetworkEncoder:  # fmt: skip
    """Build an encoder ready to run."""
    model, preset, identity = load(name, weights, seed=seed)
    chosen: Any = preset.output if output == "default" else output
    return NetworkEncoder(model, preset, identity, chosen, pick_device(device), batch)


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise StmlError(
            "Encoders with weights need torch and timm", where="encoder",
            do='install them: pip install "napari-stml[models]", or choose \'basic\'',
        ) from error  # fmt: skip
    return timm
