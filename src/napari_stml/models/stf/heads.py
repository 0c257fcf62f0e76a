"""From pathway scores to genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

if TYPE_CHECKING:
    from napari_stml.models.stf.config import GeneHead, Init

MOST_COUNTS = 1e5


class Genes(nn.Module):
    """A linear layer, started from gene sets where they are given; softplus or ZINB after it."""

    def __init__(self, pathways: int, genes: int, kind: GeneHead) -> None:
        super().__init__()
        self.kind = kind
        self.mean = nn.Linear(pathways, genes)
        if kind == "zinb":
            self.zero, self.spread = nn.Linear(pathways, genes), nn.Linear(pathways, genes)
            for layer, bias in ((self.zero, -3.0), (self.spread, 0.5)):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.constant_(layer.bias, bias)

    def start(self, membership: Tensor, init: Init) -> None:
        """Begin with the sets' members (pathways, genes); other layers stay as they are."""
        if init == "none":
            return
        rows = membership.to(self.mean.weight)
        if init == "row_normalised":
            rows = rows / (rows.sum(dim=1, keepdim=True) + 1e-6)
        with torch.no_grad():
            self.mean.weight.copy_(rows.T)
            self.mean.bias.zero_()

    def forward(self, scores: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        out: Tensor = self.mean(scores)
        if self.kind == "linear":
            return out
        if self.kind == "softplus":
            return softplus(out)
        mu = (softplus(out) + 1e-6).clamp(max=MOST_COUNTS)
        return torch.sigmoid(self.zero(scores)), mu, softplus(self.spread(scores)) + 1e-6
