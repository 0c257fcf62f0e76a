"""A graph-attention autoencoder: a short description of each spot that its neighbours share.

The network of gsMap's first step (Song et al. 2025, doi:10.1038/s41586-025-08757-x); graph
attention after Velickovic et al. 2018 (arXiv:1710.10903).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Generator

DROPOUT = 0.1


@dataclass(frozen=True)
class Sizes:
    """Widths of the network; ``classes`` 0 leaves out the label head."""

    features: int
    hidden: tuple[int, int] = (256, 128)
    attention: int = 64
    heads: int = 3
    latent: int = 30
    classes: int = 0


class GraphAttention(nn.Module):
    """One layer: a spot receives from its neighbours and itself, weighted by attention."""

    def __init__(
        self, inputs: int, outputs: int, heads: int, *, join: bool, dropout: float
    ) -> None:
        super().__init__()
        self.heads, self.outputs, self.join, self.dropout = heads, outputs, join, dropout
        self.lin = nn.Linear(inputs, heads * outputs, bias=False)
        self.att_src = nn.Parameter(torch.empty(1, heads, outputs))
        self.att_dst = nn.Parameter(torch.empty(1, heads, outputs))
        self.bias = nn.Parameter(torch.zeros(heads * outputs if join else outputs))
        for weight in (self.lin.weight, self.att_src, self.att_dst):
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, receiver: Tensor, sender: Tensor) -> Tensor:
        n = len(x)
        value = self.lin(x).view(n, self.heads, self.outputs)
        of_sender = (value * self.att_src).sum(-1)
        of_receiver = (value * self.att_dst).sum(-1)
        score = functional.leaky_relu(of_sender[sender] + of_receiver[receiver], 0.2)
        at = receiver[:, None].expand(-1, self.heads)
        highest = torch.full((n, self.heads), -torch.inf, dtype=score.dtype, device=score.device)
        highest = highest.scatter_reduce(0, at, score.detach(), "amax")
        weight = torch.exp(score - highest[receiver])
        total = torch.zeros_like(highest).index_add(0, receiver, weight)
        weight = weight / (total[receiver] + 1e-16)
        weight = functional.dropout(weight, self.dropout, self.training)
        out = torch.zeros_like(value).index_add(0, receiver, weight[..., None] * value[sender])
        joined = out.flatten(1) if self.join else out.mean(dim=1)
        return joined + self.bias


def _block(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ELU(), nn.Dropout(dropout)
    )


class GraphAutoencoder(nn.Module):
    """Encoder, two attention layers, decoder, and a head that tells labels apart."""

    def __init__(self, sizes: Sizes, dropout: float = DROPOUT) -> None:
        super().__init__()
        first, second = sizes.hidden
        self.dropout = dropout
        self.encoder = nn.Sequential(
            _block(sizes.features, first, dropout), _block(first, second, dropout)
        )
        self.gat1 = GraphAttention(second, sizes.attention, sizes.heads, join=True, dropout=dropout)
        self.gat2 = GraphAttention(
            sizes.attention * sizes.heads, sizes.latent, 1, join=False, dropout=dropout
        )
        self.decoder = nn.Sequential(
            _block(sizes.latent, second, dropout), _block(second, first, dropout),
            nn.Linear(first, sizes.features),
        )  # fmt: skip
        self.cluster = nn.Sequential(
            _block(sizes.latent, second, dropout), nn.Linear(second, sizes.classes)
        ) if sizes.classes else None  # fmt: skip

    def encode(self, x: Tensor, receiver: Tensor, sender: Tensor) -> Tensor:
        hidden = functional.relu(self.gat1(self.encoder(x), receiver, sender))
        hidden = functional.dropout(hidden, self.dropout, self.training)
        return torch.as_tensor(self.gat2(hidden, receiver, sender))

    def forward(
        self, x: Tensor, receiver: Tensor, sender: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Latent vectors, reconstruction, and scores of the labels."""
        z = self.encode(x, receiver, sender)
        return z, self.decoder(z), None if self.cluster is None else self.cluster(z)


def with_self(receiver: Tensor, sender: Tensor, spots: int) -> tuple[Tensor, Tensor]:
    """Links as they are, with one from every spot to itself."""
    other = receiver != sender
    own = torch.arange(spots, device=receiver.device)
    return torch.cat([receiver[other], own]), torch.cat([sender[other], own])


def losses(
    network: GraphAutoencoder, x: Tensor, receiver: Tensor, sender: Tensor, labels: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Squared error of the reconstruction, and cross-entropy of the labels."""
    _, rebuilt, scores = network(x, receiver, sender)
    rebuilding = functional.mse_loss(rebuilt, x)
    if labels is None or scores is None:
        return rebuilding, torch.zeros_like(rebuilding)
    return rebuilding, functional.cross_entropy(scores, labels)


def train(
    network: GraphAutoencoder, x: Tensor, receiver: Tensor, sender: Tensor,
    labels: Tensor | None = None, *, epochs: int = 300, least: int = 200, rate: float = 1e-3,
    settled: float = 1e-4,
) -> Generator[tuple[float, float], None, Tensor]:  # fmt: skip
    """Train on the whole graph; yields both losses, gives the latent vectors.

    Stops after ``least`` epochs once the loss changes by no more than ``settled``.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=rate, weight_decay=0.01)
    network.train()
    before = float("inf")
    for epoch in range(epochs):
        optimiser.zero_grad()
        rebuilding, telling = losses(network, x, receiver, sender, labels)
        total = rebuilding + telling
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        now = float(total.detach())
        yield float(rebuilding.detach()), float(telling.detach())
        if abs(now - before) <= settled and epoch >= least:
            break
        before = now
    network.eval()
    with torch.no_grad():
        return network.encode(x, receiver, sender)
