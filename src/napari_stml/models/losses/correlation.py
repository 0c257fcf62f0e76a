"""How alike two maps are, gene by gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.models.losses.errors import detached_zero

if TYPE_CHECKING:
    from torch import Tensor

EPS = 1e-8


def correlation(found: Tensor, wanted: Tensor, padding: Tensor | None = None) -> Tensor:
    """Pearson r over spots, per slide and gene (B, G); 0 where either is constant.

    Items that are single spots, (B, G) or (B, 1, G), are compared over the batch: (1, G).
    """
    if found.ndim == 3 and found.shape[1] == 1:
        keep = slice(None) if padding is None else ~padding[:, 0]
        found, wanted, padding = found[:, 0][keep], wanted[:, 0][keep], None
    if found.ndim == 2:
        found, wanted = found.unsqueeze(0), wanted.unsqueeze(0)
        padding = None
    dx, dy = _centred(found, padding), _centred(wanted, padding)
    size = (dx.square().sum(dim=1) + EPS).sqrt() * (dy.square().sum(dim=1) + EPS).sqrt()
    return (dx * dy).sum(dim=1) / size


def pcc_loss(found: Tensor, wanted: Tensor, padding: Tensor | None = None) -> Tensor:
    """1 - mean r; constant genes and empty slides count as r = 0."""
    single = found.ndim == 2 or found.shape[1] == 1
    items = found.shape[0]
    if single and found.ndim == 3 and padding is not None:
        items = int((~padding).sum())
    if single and items < 2:
        return detached_zero(found)
    return 1 - correlation(found, wanted, padding).mean()


def _centred(values: Tensor, padding: Tensor | None) -> Tensor:
    if padding is None:
        return values - values.mean(dim=1, keepdim=True)
    valid = (~padding).unsqueeze(-1)
    count = valid.sum(dim=1, keepdim=True).clamp(min=1)
    kept = values.masked_fill(~valid, 0.0)
    return (kept - kept.sum(dim=1, keepdim=True) / count).masked_fill(~valid, 0.0)
