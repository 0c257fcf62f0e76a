"""The network itself: features of spots in, genes and pathway scores out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from napari_stml.models.stf.attention import LayerAttention, PathwayBlock
from napari_stml.models.stf.heads import Genes
from napari_stml.models.stf.positions import Learned, Sinusoidal

if TYPE_CHECKING:
    from napari_stml.models.stf.config import StfConfig

START = math.log(1 / 0.07)

Mode = Literal["dense", "global"]


@dataclass(frozen=True)
class StfOutput:
    """What a pass gives: genes (or pi, mu, theta; None without a gene head), scores, attention."""

    genes: Tensor | tuple[Tensor, Tensor, Tensor] | None
    scores: Tensor
    attention: tuple[LayerAttention, ...] = ()

    @property
    def mean(self) -> Tensor:
        """The expected value of the genes; without a gene head the scores."""
        if isinstance(self.genes, tuple):
            pi, mu, _ = self.genes
            return (1 - pi) * mu
        return self.scores if self.genes is None else self.genes


class Stf(nn.Module):
    """Pathway tokens and spots attend to each other; cosine scores between them give the genes."""

    def __init__(self, config: StfConfig, membership: Tensor | None = None) -> None:
        super().__init__()
        pathways = config.pathways if membership is None else len(membership)
        self.config = config
        self.project = nn.Linear(config.features, config.width)
        self.position: Sinusoidal | Learned | None = None
        if config.position != "none":
            kind = Sinusoidal if config.position == "sinusoidal" else Learned
            self.position = kind(config.width)
        self.pathways = nn.Parameter(torch.randn(1, pathways, config.width))
        self.blocks = nn.ModuleList(
            PathwayBlock(config.width, config.heads, config.dropout, config.interactions)
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width) if config.final_norm else None
        self.log_temperature = (
            nn.Parameter(torch.tensor(START)) if config.temperature == "learned" else None
        )
        self.genes: Genes | None = None
        if config.gene_head != "none":
            self.genes = Genes(pathways, config.genes, config.gene_head)
            if membership is not None:
                self.genes.start(membership, config.init)

    def forward(
        self, features: Tensor, xy: Tensor | None = None, padding: Tensor | None = None, *,
        mode: Mode = "dense", attention: bool = False,
    ) -> StfOutput:  # fmt: skip
        """Predict spots (B, S, F) at coordinates (B, S, 2); True in ``padding`` (B, S) is no spot.

        ``attention`` also gives the weights of each layer; it changes nothing else.
        """
        pathways, spots, layers = self.tokens(features, xy, padding, attention=attention)
        scores = self.scored(pathways, spots, padding, mode)
        genes = None if self.genes is None else self.genes(scores)
        return StfOutput(genes, scores, layers)

    def tokens(
        self, features: Tensor, xy: Tensor | None, padding: Tensor | None, *,
        attention: bool = False, head_mean: bool = False,
    ) -> tuple[Tensor, Tensor, tuple[LayerAttention, ...]]:  # fmt: skip
        """Both kinds of tokens after the last layer."""
        if features.shape[-1] != self.config.features:
            raise ValueError(f"this network takes {self.config.features} features, "
                             f"not {features.shape[-1]}")  # fmt: skip
        spots = self.project(features)
        if self.position is not None:
            if xy is None:
                raise ValueError("this network needs the spots' coordinates")
            spots = spots + self.position(xy, padding).to(spots)
        if padding is not None:
            spots = spots.masked_fill(padding.unsqueeze(-1), 0.0)  # whatever stood there
        pathways = self.pathways.expand(len(spots), -1, -1)
        layers: list[LayerAttention] = []
        for block in self.blocks:
            assert isinstance(block, PathwayBlock)
            if attention:
                seen = block.weights(pathways, spots, padding)
                layers.append(seen.head_mean() if head_mean else seen)
            pathways, spots = block.both(pathways, spots, padding)
        if self.norm is not None:
            pathways, spots = self.norm(pathways), self.norm(spots)
        return pathways, spots, tuple(layers)

    def scored(self, pathways: Tensor, spots: Tensor, padding: Tensor | None, mode: Mode) -> Tensor:
        """Cosine of spots (or of the slide's mean spot) and pathways, times the temperature."""
        if mode == "global":
            spots = _mean(spots, padding)
        towards = normalize(pathways, dim=-1, eps=1e-12)
        looks = normalize(spots, dim=-1, eps=1e-12)
        scores = looks @ towards.mT
        if mode == "global":
            scores = scores.squeeze(1)
        elif padding is not None:
            scores = scores.masked_fill(padding.unsqueeze(-1), 0.0)
        if self.log_temperature is None:
            return scores
        factor = self.log_temperature.exp()
        if self.config.temperature_limit is not None:
            factor = factor.clamp(max=self.config.temperature_limit)
        return scores * factor

    def sparsity(self) -> Tensor:
        """Sum of the absolute weights between pathways and genes, to be held small."""
        if self.genes is None:
            return torch.zeros((), device=self.pathways.device)
        return self.genes.mean.weight.abs().sum()

    def token_similarity(self) -> float:
        """Mean cosine between different pathway tokens; above 0.9 they have become one."""
        unit = normalize(self.pathways[0].detach(), dim=-1)
        count = len(unit)
        total = float((unit @ unit.T).sum()) - float(unit.square().sum())
        return total / max(1, count * (count - 1))


def _mean(spots: Tensor, padding: Tensor | None) -> Tensor:
    if padding is None:
        return spots.mean(dim=1, keepdim=True)
    valid = (~padding).unsqueeze(-1).to(spots)
    return (spots * valid).sum(dim=1, keepdim=True) / valid.sum(dim=1, keepdim=True).clamp(min=1)
