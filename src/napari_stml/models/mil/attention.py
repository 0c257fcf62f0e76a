"""Gated attention over the spots of a slide (Ilse et al. 2018, arXiv 1802.04712)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping


class AttentionMil(nn.Module):
    """One prediction per bag of feature vectors, (B, N, F) to (B, genes)."""

    def __init__(self, features: int, genes: int, width: int = 256, dropout: float = 0.25) -> None:
        super().__init__()
        self.reduce = nn.Linear(features, width)
        self.drop = nn.Dropout(dropout)
        self.content, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        self.weigh = nn.Linear(width, 1)
        self.head = nn.Linear(width, genes)

    def forward(self, features: Tensor, padding: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Genes, and the attention to each spot (B, N, 1); padding gets none."""
        x = self.drop(torch.relu(self.reduce(features)))
        weight = self.weigh(torch.tanh(self.content(x)) * torch.sigmoid(self.gate(x)))
        if padding is not None:
            weight = weight.masked_fill(padding.unsqueeze(-1), float("-inf"))
            x = x.masked_fill(padding.unsqueeze(-1), 0.0)
        share = torch.nan_to_num(weight.softmax(dim=1))
        pooled = (share * x).sum(dim=1)
        return self.head(pooled), share


def from_reference(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a checkpoint of the reference system; its unused third branch is left out."""
    names = {"feature_extractor.0": "reduce", "attention_V.0": "content", "attention_U.0": "gate",
             "attention_w": "weigh", "classifier.0": "head"}  # fmt: skip
    return {
        f"{ours}.{w}": weights[f"{theirs}.{w}"]
        for theirs, ours in names.items() for w in ("weight", "bias")
    }  # fmt: skip
