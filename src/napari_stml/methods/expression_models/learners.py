"""How each kind of network sees the spots: tile by tile, slide by slide, or a spot and its bag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from napari_stml.methods.expression_models.seeing import (
    as_images,
    bags_of,
    seen_by,
    whole_slide,
)
from napari_stml.models.dihedral import WAYS, turned, turned_xy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from napari_stml.methods.expression_models.samples import Slide
    from napari_stml.models.losses import Objective
    from napari_stml.models.stf import Stf


class Learner(Protocol):
    """A network with what it learns from."""

    @property
    def net(self) -> nn.Module: ...

    def losses(self, generator: torch.Generator) -> Iterator[Tensor]:
        """One loss per step of an epoch."""
        ...

    def predict(self, slides: Sequence[Slide]) -> list[NDArray[np.float32]]:
        """Predictions of every spot, in the targets' units."""
        ...


class TileLearner:
    """Tiles one by one, laid in any of eight ways, a little lighter or darker."""

    def __init__(
        self, net: nn.Module, slides: Sequence[Slide], wanted: Sequence[NDArray[np.float32]],
        train: Sequence[NDArray[np.bool_]], objective: Objective, *, batch: int = 64,
        augment: bool = True, jitter: float = 0.1, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.net, self.objective, self.batch = net.to(device), objective, batch
        self.augment, self.jitter, self.device = augment, jitter, device
        self.pixels = torch.from_numpy(np.concatenate(
            [_tiles(s)[m] for s, m in zip(slides, train, strict=True)]))  # fmt: skip
        self.wanted = torch.from_numpy(
            np.concatenate([w[m] for w, m in zip(wanted, train, strict=True)])
        )

    def losses(self, generator: torch.Generator) -> Iterator[Tensor]:
        order = torch.randperm(len(self.wanted), generator=generator)
        for index in torch.split(order, self.batch):
            if len(index) < 2:
                continue
            images = as_images(self.pixels[index]).to(self.device)
            if self.augment:
                images = self._changed(images, generator)
            found = self.net(images)
            yield self.objective(found, self.wanted[index].to(self.device))

    def _changed(self, images: Tensor, generator: torch.Generator) -> Tensor:
        ways = torch.randint(0, WAYS, (len(images),), generator=generator)
        images = torch.stack([turned(i, int(w)) for i, w in zip(images, ways, strict=True)])
        light, contrast = (
            1 + self.jitter * (2 * torch.rand(len(images), 1, 1, 1, generator=generator) - 1)
            for _ in range(2)
        )
        light, contrast = light.to(images), contrast.to(images)
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        return ((images - mean) * contrast + mean * light).clamp(0, 1)

    def predict(self, slides: Sequence[Slide]) -> list[NDArray[np.float32]]:
        return [seen_by("tile vit", self.net, s, device=self.device)[0] for s in slides]


class SlideLearner:
    """Whole slides at once: every spot sees the slide, only training spots are compared.

    ``window`` cuts a square of so many steps out of the slide for each step of training (0 takes
    all of it); coordinates are turned, features cannot be.
    """

    def __init__(
        self, net: Stf, slides: Sequence[Slide], wanted: Sequence[NDArray[np.float32]],
        train: Sequence[NDArray[np.bool_]], objective: Objective, *, steps: int = 4,
        window: float = 0.0, noise: float = 0.0, augment: bool = True, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.net, self.objective, self.device = net.to(device), objective, device
        self.steps, self.window, self.noise, self.augment = steps, window, noise, augment
        used = [i for i, m in enumerate(train) if m.any()]
        self.slides = [whole_slide(slides[i]) for i in used]
        self.wanted = [torch.from_numpy(wanted[i]) for i in used]
        self.train = [torch.from_numpy(train[i]) for i in used]

    def losses(self, generator: torch.Generator) -> Iterator[Tensor]:
        order = torch.arange(len(self.slides)).repeat(self.steps)
        for i in order[torch.randperm(len(order), generator=generator)].tolist():
            features, xy = self.slides[i]
            keep = self._window(xy, self.train[i], generator)
            features, xy = features[keep], xy[keep]
            if self.augment:
                way = int(torch.randint(0, WAYS, (1,), generator=generator))
                xy = turned_xy(xy - xy.mean(dim=0), way)
                xy = xy - xy.amin(dim=0)
            if self.noise:
                features = features + self.noise * torch.randn(features.shape, generator=generator)
            ignore = (~self.train[i][keep])[None].to(self.device)
            out = self.net(features[None].to(self.device), xy[None].to(self.device))
            wanted = self.wanted[i][keep][None].to(self.device)
            found = out.scores if out.genes is None else out.genes
            yield self.objective(found, wanted, ignore, out.scores)

    def _window(self, xy: Tensor, train: Tensor, generator: torch.Generator) -> Tensor:
        everything = torch.arange(len(xy))
        if not self.window:
            return everything
        learning = torch.nonzero(train).ravel()
        centre = xy[learning[int(torch.randint(len(learning), (1,), generator=generator))]]
        inside = ((xy - centre).abs() <= self.window / 2).all(dim=1)
        few = int((inside & train).sum()) < 8
        return everything if few else everything[inside]

    def predict(self, slides: Sequence[Slide]) -> list[NDArray[np.float32]]:
        return [seen_by("stf", self.net, s, device=self.device)[0] for s in slides]


class BagLearner:
    """A spot with its nearest neighbours as a bag; the bag's prediction is the spot's."""

    def __init__(
        self, net: nn.Module, slides: Sequence[Slide], wanted: Sequence[NDArray[np.float32]],
        train: Sequence[NDArray[np.bool_]], objective: Objective, *, neighbours: int = 8,
        batch: int = 64, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.net, self.objective, self.batch = net.to(device), objective, batch
        self.neighbours, self.device = neighbours, device
        bags = [bags_of(s, neighbours)[m] for s, m in zip(slides, train, strict=True)]
        self.bags = torch.from_numpy(np.concatenate(bags))
        self.wanted = torch.from_numpy(
            np.concatenate([w[m] for w, m in zip(wanted, train, strict=True)])
        )

    def losses(self, generator: torch.Generator) -> Iterator[Tensor]:
        order = torch.randperm(len(self.wanted), generator=generator)
        for index in torch.split(order, self.batch):
            if len(index) >= 2:
                found, _ = self.net(self.bags[index].to(self.device))
                yield self.objective(found, self.wanted[index].to(self.device))

    def predict(self, slides: Sequence[Slide]) -> list[NDArray[np.float32]]:
        return [
            seen_by("transmil", self.net, s, neighbours=self.neighbours, device=self.device)[0]
            for s in slides
        ]


def _tiles(slide: Slide) -> NDArray[Any]:
    assert slide.tiles is not None
    return slide.tiles
