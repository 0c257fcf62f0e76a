"""Where an encoder looks within tiles: one pass over them serves every method, layer and head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.slide.encoders.network import NetworkEncoder

Method = Literal["rollout", "last layer", "relevance", "occlusion"]
METHODS: tuple[Method, ...] = get_args(Method)
COARSEST = 7
"""Occlusion covers at most so many cells each way: each costs a pass through the encoder."""


def check_readable(encoder: NetworkEncoder, head: int = -1) -> int:
    """Number of layers of an encoder whose attention can be shown; an error for the others."""
    from napari_stml.models.attention import attention_modules

    try:
        modules: list[Any] = attention_modules(encoder.model)
    except ValueError as error:
        raise StmlError(
            f"The attention of '{encoder.preset.name}' cannot be shown: {error}", where="encoder",
            do="choose a plain vision transformer (uni, virchow2, phikon, vit_small_patch16_224)",
        ) from error  # fmt: skip
    if head >= modules[0].num_heads:
        raise StmlError(
            f"There is no head {head}: this encoder has {modules[0].num_heads}", where="head",
            do=f"choose 0 to {modules[0].num_heads - 1}",
        )  # fmt: skip
    return len(modules)


@dataclass
class Looking:
    """Some tiles under one encoder; what was computed once is kept while this lives.

    ``heads`` "all" keeps every head's weights (100 MB a tile on a large encoder), so that layer
    and head can be chosen afterwards; else heads are averaged (or one taken) at once.
    """

    encoder: NetworkEncoder
    tiles: NDArray[np.uint8]
    heads: Any = "all"
    _images: Any = None
    _weights: Any = None
    _gradients: Any = None
    _tokens: Any = None
    _occluded: Any = field(default=None)

    def maps(self, method: Method, *, layers: int = 0, head: int = -1) -> NDArray[np.float32]:
        """Maps (n, rows, columns) over equal attention: 1 is a patch that counts as any other.

        ``layers`` stops the rollout there, or names the layer looked at ("last layer"); 0 is
        the last. Occlusion gives the fall of the feature vector's cosine, over its mean.
        """
        import torch

        from napari_stml.models import rollout as roll

        if method == "occlusion":
            return self._covered()
        grid, prefix = self._shape()
        with torch.no_grad():
            if method == "relevance":
                self._backward()
                stop = layers or None
                row = roll.relevance_row(self._weights[:stop], self._gradients[:stop],
                                         self._start())  # fmt: skip
            else:
                self._forward()
                fused: Any = "mean" if head < 0 or self._weights[0].shape[1] == 1 else head
                if method == "rollout":
                    row = roll.rollout_row(self._weights, self._start(), fused, layers or None)
                else:
                    one = self._weights[min(layers, len(self._weights)) - 1]
                    mixed = roll.fused_heads(one, fused).float()
                    row = (self._start() @ mixed).reshape(len(self.tiles), -1)
            maps = roll.relative(roll.on_grid(row.float(), grid, prefix))
        return np.asarray(maps.cpu().numpy(), dtype=np.float32)

    def sinks(self) -> NDArray[np.bool_]:
        """Patches of very large norm, (n, rows, columns)."""
        from napari_stml.models import rollout as roll

        grid, prefix = self._shape()
        if self._tokens is None:
            self._forward()
        norms = self._tokens[:, prefix:].float().norm(dim=-1)
        return np.asarray(roll.on_grid(roll.outliers(norms), grid, 0).cpu().numpy(), dtype=np.bool_)

    def _shape(self) -> tuple[tuple[int, int], int]:
        from napari_stml.models import attention as attend

        if self._images is None:
            self._images = self.encoder.tensor(self.tiles)
        model = self.encoder.model
        return attend.patch_grid(model, self._images), attend.prefix_tokens(model)

    def _forward(self) -> None:
        import torch

        from napari_stml.models import attention as attend

        if self._weights is not None:
            return
        self._shape()
        heads = None if self.heads == "all" else self.heads
        with torch.inference_mode(), attend.recorded(self.encoder.model, heads) as weights:
            self._tokens = self.encoder.model.forward_features(self._images)
        self._weights = weights

    def _backward(self) -> None:
        """Weights and gradients of half the squared length of the features, in one pass."""
        from napari_stml.models import attention as attend

        if self._gradients is not None:
            return
        self._shape()
        encoder = self.encoder
        weights, gradients, tokens = attend.weights_and_gradients(
            encoder.model, self._images,
            lambda t: encoder.of_tokens(t).float().square().sum(dim=1) / 2,
            encoder.model.forward_features,
        )  # fmt: skip
        self._gradients, self._tokens = gradients, tokens
        self._weights = weights

    def _start(self) -> Any:
        """What the output looks at: class token, mean of the patches, or half each."""
        import torch

        prefix, tokens = self._shape()[1], self._tokens.shape[1]
        start = torch.zeros(tokens, device=self._tokens.device)
        share = {"class": (1.0, 0.0), "mean": (0.0, 1.0)}.get(self.encoder.output, (0.5, 0.5))
        if prefix == 0:
            share = (0.0, 1.0)
        start[prefix:] = share[1] / (tokens - prefix)
        if prefix:
            start[0] = share[0]
        return start

    def _covered(self) -> NDArray[np.float32]:
        import torch

        from napari_stml.models import attention as attend

        if self._occluded is None:
            grid, _ = self._shape()
            cells = tuple(next(k for k in range(min(n, COARSEST), 0, -1) if n % k == 0)
                          for n in grid)  # fmt: skip
            found = []
            with torch.inference_mode():
                for image in self._images:
                    whole = self.encoder.features(image[None]).float()

                    def alike(features: Any, whole: Any = whole) -> Any:
                        return torch.cosine_similarity(features.float(), whole, dim=1)

                    fill = image.float().mean(dim=(1, 2)).to(image)
                    found.append(attend.occlusion(
                        self.encoder.features, image, alike, (cells[0], cells[1]), fill=fill,
                        batch=min(16, self.encoder.batch),
                    ))  # fmt: skip
            falls = torch.stack(found).clamp(min=0).cpu().numpy()
            falls = falls / np.maximum(falls.mean(axis=(1, 2), keepdims=True), 1e-12)
            repeat = (grid[0] // cells[0], grid[1] // cells[1])
            self._occluded = np.asarray(
                falls.repeat(repeat[0], axis=1).repeat(repeat[1], axis=2), dtype=np.float32
            )
        return np.asarray(self._occluded)


def agreement(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Rank correlation of two maps of one tile; NaN where one is flat."""
    from scipy.stats import rankdata

    known = np.isfinite(first) & np.isfinite(second)
    a, b = rankdata(first[known]), rankdata(second[known])
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / size) if size > 0 else float("nan")
