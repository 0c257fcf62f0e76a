"""How each kind of network sees the spots: tile by tile, slide by slide, or a spot and its bag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from napari_stml.methods.expression_models.networks import PATCHES
from napari_stml.methods.expression_models.seeing import (
    as_images,
    bags_of,
    patches_of,
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

    Base = Sequence[NDArray[np.float32]] | None
    """What networks correct, at every spot."""

WINDOWS = 8
"""Windows whose means are compared together."""


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
        base: Base = None,
    ) -> None:  # fmt: skip
        self.net, self.objective, self.batch = net.to(device), objective, batch
        self.base = _stacked(base, train)
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
            if self.base is not None:
                found = found + self.base[index].to(self.device)
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
    all of it); coordinates are turned, features cannot be. With ``means`` only the mean over each
    window's training spots is compared, a batch of windows at a time.
    """

    def __init__(
        self, net: Stf, slides: Sequence[Slide], wanted: Sequence[NDArray[np.float32]],
        train: Sequence[NDArray[np.bool_]], objective: Objective, *, steps: int = 4,
        window: float = 0.0, noise: float = 0.0, augment: bool = True, device: str = "cpu",
        base: Base = None, means: bool = False,
    ) -> None:  # fmt: skip
        self.net, self.objective, self.device = net.to(device), objective, device
        self.means = means
        self.steps, self.window, self.noise, self.augment = steps, window, noise, augment
        used = [i for i, m in enumerate(train) if m.any()]
        self.slides = [whole_slide(slides[i]) for i in used]
        self.wanted = [torch.from_numpy(wanted[i]) for i in used]
        self.train = [torch.from_numpy(train[i]) for i in used]
        self.base = None if base is None else [torch.from_numpy(base[i]) for i in used]

    def losses(self, generator: torch.Generator) -> Iterator[Tensor]:
        if self.means:
            yield from self._losses_of_means(generator)
            return
        order = torch.arange(len(self.slides)).repeat(self.steps)
        for i in order[torch.randperm(len(order), generator=generator)].tolist():
            features, xy, keep = self._cut(i, generator)
            ignore = (~self.train[i][keep])[None].to(self.device)
            out = self.net(features[None].to(self.device), xy[None].to(self.device))
            wanted = self.wanted[i][keep][None].to(self.device)
            found = out.scores if out.genes is None else out.genes
            if self.base is not None and not isinstance(found, tuple):
                found = found + self.base[i][keep][None].to(self.device)
            yield self.objective(found, wanted, ignore, out.scores)

    def _losses_of_means(self, generator: torch.Generator) -> Iterator[Tensor]:
        for i in range(len(self.slides)):
            for _ in range(max(1, self.steps // 2)):
                found, wanted, scores = [], [], []
                for _ in range(WINDOWS):
                    features, xy, keep = self._cut(i, generator)
                    learns = self.train[i][keep]
                    out = self.net(features[None].to(self.device), xy[None].to(self.device),
                                   ~learns[None].to(self.device), mode="global")  # fmt: skip
                    found.append(out.scores if out.genes is None else out.genes)
                    scores.append(out.scores)
                    wanted.append(self.wanted[i][keep][learns].mean(dim=0, keepdim=True))
                if isinstance(found[0], tuple):
                    joined: Any = tuple(torch.cat(p) for p in zip(*found, strict=True))
                else:
                    joined = torch.cat(found)
                there = torch.cat(wanted).to(self.device)
                yield self.objective(joined, there, None, torch.cat(scores))

    def _cut(self, i: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Features and places of a window of slide ``i``, and which spots it holds."""
        features, xy = self.slides[i]
        keep = self._window(xy, self.train[i], generator)
        features, xy = features[keep], xy[keep]
        if self.augment:
            way = int(torch.randint(0, WAYS, (1,), generator=generator))
            xy = turned_xy(xy - xy.mean(dim=0), way)
            xy = xy - xy.amin(dim=0)
        if self.noise:
            features = features + self.noise * torch.randn(features.shape, generator=generator)
        return features, xy, keep

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


class PatchLearner:
    """An stf that sees a spot with its nearest neighbours, places told from the spot.

    Up to two neighbours of each are hidden while it learns, so that it does not lean on one.
    """

    def __init__(
        self, net: Stf, slides: Sequence[Slide], wanted: Sequence[NDArray[np.float32]],
        train: Sequence[NDArray[np.bool_]], objective: Objective, *, neighbours: int = 8,
        batch: int = 64, augment: bool = True, device: str = "cpu", base: Base = None,
    ) -> None:  # fmt: skip
        self.net, self.objective, self.batch = net.to(device), objective, batch
        self.neighbours, self.augment, self.device = neighbours, augment, device
        self.base = _stacked(base, train)
        each = [patches_of(s, neighbours) for s in slides]
        self.features, self.xy = (
            torch.from_numpy(np.concatenate([e[k][m] for e, m in zip(each, train, strict=True)]))
            for k in (0, 1)
        )
        self.wanted = torch.from_numpy(
            np.concatenate([w[m] for w, m in zip(wanted, train, strict=True)])
        )

    def losses(self, generator: torch.Generator) -> Iterator[Tensor]:
        order = torch.randperm(len(self.wanted), generator=generator)
        for index in torch.split(order, self.batch):
            if len(index) < 2:
                continue
            features, xy = self.features[index], self.xy[index]
            if self.augment:
                xy = turned_xy(xy, int(torch.randint(0, WAYS, (1,), generator=generator)))
                features = self._some_hidden(features, generator)
            out = self.net(features.to(self.device), xy.to(self.device), mode="global")
            found = out.scores if out.genes is None else out.genes
            if self.base is not None and not isinstance(found, tuple):
                found = found + self.base[index].to(self.device)
            yield self.objective(found, self.wanted[index].to(self.device), None, out.scores)

    def _some_hidden(self, features: Tensor, generator: torch.Generator) -> Tensor:
        around = features.shape[1] - 1
        if around < 1:
            return features
        count = torch.randint(0, min(2, around) + 1, (len(features), 1), generator=generator)
        rank = torch.rand(len(features), around, generator=generator).argsort(dim=1).argsort(dim=1)
        hidden = torch.cat([torch.zeros(len(features), 1, dtype=torch.bool), rank < count], dim=1)
        return features.masked_fill(hidden.unsqueeze(-1), 0.0)

    def predict(self, slides: Sequence[Slide]) -> list[NDArray[np.float32]]:
        return [
            seen_by(PATCHES, self.net, s, neighbours=self.neighbours, device=self.device)[0]
            for s in slides
        ]


class BagLearner:
    """A spot with its nearest neighbours as a bag; the bag's prediction is the spot's."""

    def __init__(
        self, net: nn.Module, slides: Sequence[Slide], wanted: Sequence[NDArray[np.float32]],
        train: Sequence[NDArray[np.bool_]], objective: Objective, *, neighbours: int = 8,
        batch: int = 64, device: str = "cpu", base: Base = None,
    ) -> None:  # fmt: skip
        self.net, self.objective, self.batch = net.to(device), objective, batch
        self.base = _stacked(base, train)
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
                if self.base is not None:
                    found = found + self.base[index].to(self.device)
                yield self.objective(found, self.wanted[index].to(self.device))

    def predict(self, slides: Sequence[Slide]) -> list[NDArray[np.float32]]:
        return [
            seen_by("transmil", self.net, s, neighbours=self.neighbours, device=self.device)[0]
            for s in slides
        ]


def _stacked(base: Base, train: Sequence[NDArray[np.bool_]]) -> Tensor | None:
    if base is None:
        return None
    return torch.from_numpy(np.concatenate([b[m] for b, m in zip(base, train, strict=True)]))


def _tiles(slide: Slide) -> NDArray[Any]:
    assert slide.tiles is not None
    return slide.tiles
