"""What a trained network says of a slide, however it looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_stml.methods.expression_models.networks import FROM_BAGS, PATCHES, takes_tiles
from napari_stml.models.blocks import Block, SelfAttention
from napari_stml.models.stf import Stf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.methods.expression_models.samples import Slide

AT_ONCE = 256


@torch.no_grad()
def seen_by(
    name: str, net: nn.Module, slide: Slide, *, neighbours: int = 8, device: str = "cpu"
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Prediction of every spot in the targets' units, and pathway scores where there are any."""
    if takes_tiles(name):
        assert slide.tiles is not None
        parts = torch.split(torch.from_numpy(slide.tiles), AT_ONCE)
        return _joined([net(as_images(p).to(device)) for p in parts]), None
    if name in FROM_BAGS:
        bags = torch.split(torch.from_numpy(bags_of(slide, neighbours)), AT_ONCE)
        return _joined([net(b.to(device))[0] for b in bags]), None
    assert isinstance(net, Stf)
    if name == PATCHES:
        whole = [torch.from_numpy(a) for a in patches_of(slide, neighbours)]
        pairs = zip(*(torch.split(a, AT_ONCE) for a in whole), strict=True)
        outs = [net(f.to(device), p.to(device), mode="global") for f, p in pairs]
        return _joined([o.mean for o in outs]), _joined([o.scores for o in outs])
    features, xy = whole_slide(slide)
    out = net(features[None].to(device), xy[None].to(device))
    return _joined([out.mean[0]]), _joined([out.scores[0]])


def awake(net: nn.Module) -> None:
    """Let dropout work while everything else rests: each pass is then a sample."""
    net.eval()
    for module in net.modules():
        if isinstance(module, nn.Dropout | SelfAttention | Block):
            module.training = True


def as_images(pixels: Tensor) -> Tensor:
    """Tiles (n, h, w, 3) uint8 as (n, 3, h, w) in 0..1."""
    return pixels.permute(0, 3, 1, 2).float() / 255


def whole_slide(slide: Slide) -> tuple[Tensor, Tensor]:
    """Features and places from the slide's own corner."""
    assert slide.features is not None
    xy = np.asarray(slide.xy - slide.xy.min(axis=0), dtype=np.float32)
    return torch.from_numpy(np.ascontiguousarray(slide.features)), torch.from_numpy(xy)


def bags_of(slide: Slide, neighbours: int) -> NDArray[np.float32]:
    """The features of each spot and its nearest neighbours, (n, 1 + k, features)."""
    return patches_of(slide, neighbours)[0]


def patches_of(slide: Slide, neighbours: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each spot and its nearest neighbours: features, and places as seen from the spot."""
    from scipy.spatial import cKDTree

    assert slide.features is not None
    k = min(neighbours + 1, len(slide))
    _, near = cKDTree(slide.xy).query(slide.xy, k=k)
    near = np.asarray(near).reshape(len(slide), k)
    away = slide.xy[near] - slide.xy[:, None]
    return (np.asarray(slide.features[near], dtype=np.float32),
            np.asarray(away, dtype=np.float32))  # fmt: skip


def _joined(parts: list[Any]) -> NDArray[np.float32]:
    return np.asarray(torch.cat([p.float().cpu() for p in parts]).numpy(), dtype=np.float32)
