"""SpaCon (0.1.3 on PyPI): what is computed, written anew.

The last layer and its batch norm are never laid out over all genes while training: with H the
aggregated rows, the loss needs only H'H and H'X (`reconstruction.error`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from napari_stml.models.spacon.attention import DROPOUT, GraphAttention
from napari_stml.models.spacon.layer import layer
from napari_stml.models.spacon.reconstruction import error

if TYPE_CHECKING:
    from napari_stml.models.spacon.edges import Edges
    from napari_stml.models.spacon.reconstruction import Moments

Fusion = Literal["concat", "add"]


@dataclass(frozen=True)
class Views:
    """What the encoders give: the last layers of both, and the sums that skip to the decoder."""

    con: Tensor
    spa: Tensor
    skip1: Tensor
    skip2: Tensor


class Encoder(nn.Module):
    """Three layers of attention along one graph."""

    def __init__(self, sizes: tuple[int, int, int, int], dropout: float) -> None:
        super().__init__()
        genes, first, second, third = sizes
        self.conv1 = GraphAttention(genes, first, dropout)
        self.conv2 = GraphAttention(first, second, dropout)
        self.conv3 = GraphAttention(second, third, dropout)
        self.bn1, self.bn2 = nn.BatchNorm1d(first), nn.BatchNorm1d(second)
        self.bn3 = nn.BatchNorm1d(third)

    def forward(self, x: Tensor, edges: Edges) -> tuple[Tensor, Tensor, Tensor]:
        """Give all three layers."""
        h1 = layer(x, self.conv1, self.bn1, edges)
        h2 = layer(h1, self.conv2, self.bn2, edges)
        return h1, h2, layer(h2, self.conv3, self.bn3, edges, bent=False)


class Decoder(nn.Module):
    """From the fused views back to the genes, on the connections alone."""

    def __init__(self, width: int, sizes: tuple[int, int, int, int], dropout: float) -> None:
        super().__init__()
        genes, first, second, _ = sizes
        self.conv3_ = GraphAttention(width, second, dropout)
        self.conv2_ = GraphAttention(second, first, dropout)
        self.conv1_ = GraphAttention(first, genes, dropout)
        self.bn3_, self.bn2_ = nn.BatchNorm1d(second), nn.BatchNorm1d(first)
        self.bn1_ = nn.BatchNorm1d(genes)

    def forward(self, fused: Tensor, views: Views, edges: Edges) -> Tensor:
        """Up to the input of the last layer."""
        g = layer(fused, self.conv3_, self.bn3_, edges)
        g = layer(g + views.skip2, self.conv2_, self.bn2_, edges)
        return g + views.skip1


class SpaCon(nn.Module):
    """Two encoders of the same shape, fused, one decoder.

    Parameters
    ----------
    hidden
        Widths of the three layers; the last one is that of both views.
    """

    def __init__(
        self, genes: int, hidden: tuple[int, int, int], fusion: Fusion = "concat",
        dropout: float = DROPOUT,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = (genes, *hidden)
        self.fusion = fusion
        self.encoder_con = Encoder(sizes, dropout)
        self.encoder_spa = Encoder(sizes, dropout)
        width = 2 * hidden[2] if fusion == "concat" else hidden[2]
        self.decoder = Decoder(width, sizes, dropout)

    def views(self, x: Tensor, con: Edges, spa: Edges) -> Views:
        """Run both encoders."""
        (con1, con2, con3), (spa1, spa2, spa3) = (
            self.encoder_con(x, con), self.encoder_spa(x, spa),
        )  # fmt: skip
        return Views(con3, spa3, con1 + spa1, con2 + spa2)

    def fused(self, views: Views) -> Tensor:
        if self.fusion == "concat":
            return torch.cat([views.con, views.spa], dim=1)
        return normalize(views.con) + normalize(views.spa)

    def reconstruction(self, x: Tensor, con: Edges, spa: Edges) -> Tensor:
        """Expression as decoded, (n, genes)."""
        h = self._last(x, con, spa)
        decoded: Tensor = self.decoder.bn1_(self.decoder.conv1_(h, con))
        return decoded

    def loss(self, x: Tensor, con: Edges, spa: Edges, moments: Moments | None = None) -> Tensor:
        """Sum of squared errors over all nodes and genes; only while training."""
        h = self.decoder.conv1_.narrow(self._last(x, con, spa), con)
        return error(x, h, self.decoder.conv1_.lin_src, self.decoder.bn1_, moments)

    def draw_from(self, generator: torch.Generator) -> None:
        """Draw all dropout from this generator."""
        for module in self.modules():
            if isinstance(module, GraphAttention):
                module.generator = generator

    def _last(self, x: Tensor, con: Edges, spa: Edges) -> Tensor:
        views = self.views(x, con, spa)
        last: Tensor = self.decoder(self.fused(views), views, con)
        return last
