"""SpaCon (0.1.3 on PyPI): what is computed, written anew on sparse products.

The last layer and its batch norm are never laid out over all genes while training: with H the
aggregated rows, the loss needs only H'H and H'X (`reconstruction_error`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, normalize

from napari_stml.models.spacon.attention import DROPOUT, GraphAttention
from napari_stml.models.spacon.paired import encoded, paired

if TYPE_CHECKING:
    from napari_stml.models.spacon.edges import Edges

Fusion = Literal["concat", "add"]


@dataclass(frozen=True)
class Views:
    """What the encoders give: the last layers of both, and the sums that skip to the decoder."""

    con: Tensor
    spa: Tensor
    skip1: Tensor
    skip2: Tensor


class Encoder(nn.Module):
    """Three layers of attention; both encoders run together (`paired.encoded`)."""

    def __init__(self, sizes: tuple[int, int, int, int], dropout: float) -> None:
        super().__init__()
        genes, first, second, third = sizes
        self.conv1 = GraphAttention(genes, first, dropout)
        self.conv2 = GraphAttention(first, second, dropout)
        self.conv3 = GraphAttention(second, third, dropout)
        self.bn1, self.bn2 = nn.BatchNorm1d(first), nn.BatchNorm1d(second)
        self.bn3 = nn.BatchNorm1d(third)


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
        g = elu(self.bn3_(self.conv3_(fused, edges)))
        g = elu(self.bn2_(self.conv2_(g + views.skip2, edges)))
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

    def views(self, x: Tensor, con: Edges, spa: Edges, pair: Edges | None = None) -> Views:
        """Run both encoders; ``pair`` are both graphs as `paired.paired` joins them."""
        edges = paired(con, spa) if pair is None else pair
        h1, h2, h3 = encoded(x, (self.encoder_con, self.encoder_spa), edges)
        return Views(h3[:, 0], h3[:, 1], h1.sum(dim=1), h2.sum(dim=1))

    def fused(self, views: Views) -> Tensor:
        if self.fusion == "concat":
            return torch.cat([views.con, views.spa], dim=1)
        return normalize(views.con) + normalize(views.spa)

    def reconstruction(self, x: Tensor, con: Edges, spa: Edges) -> Tensor:
        """Expression as decoded, (n, genes)."""
        h = self._last(x, con, spa)
        decoded: Tensor = self.decoder.bn1_(self.decoder.conv1_(h, con))
        return decoded

    def loss(
        self, x: Tensor, con: Edges, spa: Edges, moments: Moments | None = None,
        pair: Edges | None = None,
    ) -> Tensor:  # fmt: skip
        """Sum of squared errors over all nodes and genes; only while training."""
        h = self.decoder.conv1_.narrow(self._last(x, con, spa, pair), con)
        last = self.decoder.conv1_.lin_src
        return reconstruction_error(x, h, last, self.decoder.bn1_, moments)

    def draw_from(self, generator: torch.Generator) -> None:
        """Draw all dropout from this generator."""
        for module in self.modules():
            if isinstance(module, GraphAttention):
                module.generator = generator

    def _last(self, x: Tensor, con: Edges, spa: Edges, pair: Edges | None = None) -> Tensor:
        views = self.views(x, con, spa, pair)
        last: Tensor = self.decoder(self.fused(views), views, con)
        return last


@dataclass(frozen=True)
class Moments:
    """Of every gene: the mean, and the sum of squares about it."""

    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Moments:
        mean = x.mean(dim=0)
        squares = x.square().sum(dim=0, dtype=torch.float64) - len(x) * mean.double().square()
        return cls(mean, squares)


def reconstruction_error(
    x: Tensor, h: Tensor, weights: Tensor, norm: nn.BatchNorm1d, moments: Moments | None = None
) -> Tensor:
    """Sum of (x - BN(h W))^2, exactly, without laying out h W.

    With centred H, variances are the diagonal of W'H'H W / n, and the error of a gene is
    |x|^2 + n (mean x - b)^2 - 2 a w'H'x + a^2 w'H'H w, where a = scale / sd.
    """
    n = x.shape[0]
    middle = h.mean(dim=0)
    centred = h - middle
    known = moments if moments is not None else Moments.of(x)
    squares = (centred.T @ centred) @ weights
    spread = (weights * squares).sum(dim=0)
    with_x = (weights * (centred.T @ x)).sum(dim=0)
    variance = spread / n
    _remember(norm, (middle @ weights).detach(), variance.detach() * (n / max(n - 1, 1)))
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    shift = known.mean - norm.bias
    by_gene = n * shift.square() - 2 * scale * with_x + scale.square() * spread
    return by_gene.sum() + known.squares.sum().to(x.dtype)


def _remember(norm: nn.BatchNorm1d, mean: Tensor, variance: Tensor) -> None:
    """Follow the running statistics as the batch norm itself does."""
    momentum = norm.momentum if norm.momentum is not None else 0.1
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        norm.running_mean.lerp_(mean, momentum)
        norm.running_var.lerp_(variance, momentum)
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
