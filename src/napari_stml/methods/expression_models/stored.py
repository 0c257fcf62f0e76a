"""A trained model as tensors and a card, and what it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.methods.expression_models.linear import Linear
from napari_stml.methods.expression_models.networks import LINEAR, PATCHES, build, load_exactly
from napari_stml.methods.expression_models.samples import finite, same_length, with_surroundings
from napari_stml.methods.expression_models.standing import FeatureScale
from napari_stml.methods.expression_models.start import Start, read_start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_stml.methods.expression_models.samples import Slide

FORMAT = 1
KIND = "napari-stml expression model"


@dataclass(frozen=True)
class Predicted:
    """Of one slide: genes (log-normalised, or counts), their spread over samples, pathways."""

    values: NDArray[np.float32]
    spread: NDArray[np.float32] | None
    pathways: NDArray[np.float32] | None


@dataclass(frozen=True)
class Trained:
    """Networks of one description (or one linear model) with the scales they work on."""

    card: Mapping[str, Any]
    nets: tuple[nn.Module, ...]
    linear: Linear | None
    scale: FeatureScale | None
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    start: Start | None = None

    @property
    def name(self) -> str:
        return str(self.card["config"]["network"])

    @property
    def genes(self) -> tuple[str, ...]:
        return tuple(self.card["genes"])

    @property
    def pathways(self) -> tuple[str, ...]:
        return tuple(self.card.get("pathways", ()))

    def ready(self, slide: Slide) -> Slide:
        """Check the slide's features and put them on the model's scale."""
        if self.scale is None:
            return slide
        slide = with_surroundings(slide, self.card.get("surroundings", "spot"))
        assert slide.features is not None
        same_length(slide.features.shape[1], len(self.scale.mean), self.name)
        finite(slide.features, slide.name)
        return self.scale(slide)

    def predict(
        self, slide: Slide, *, samples: int = 0, seed: int = 0, device: str = "cpu"
    ) -> Predicted:
        """Mean over the networks (and ``samples`` of dropout); the slide is made ready first."""
        slide = self.ready(slide)
        if self.linear is not None:
            assert slide.features is not None
            return Predicted(self.linear(slide.features) * self.spread + self.mean, None, None)
        import torch

        from napari_stml.methods.expression_models.seeing import awake, seen_by

        found, scores = [], []
        neighbours = int(self.card.get("neighbours", 8))
        way = PATCHES if self.card.get("supervision") == "patches" else self.name
        for net in self.nets:
            net.to(device).eval()
            values, pathways = seen_by(way, net, slide, neighbours=neighbours, device=device)
            found.append(values)
            if pathways is not None:
                scores.append(pathways)
        drawn = list(found)
        torch.manual_seed(seed)
        for i in range(samples):
            net = self.nets[i % len(self.nets)]
            awake(net)
            drawn.append(seen_by(way, net, slide, neighbours=neighbours, device=device)[0])
            net.eval()
        base = 0.0 if self.start is None else self.start(slide)
        values = (np.mean(found, axis=0) + base) * self.spread + self.mean
        sd = np.std(drawn, axis=0) * self.spread if len(drawn) > 1 else None
        return Predicted(values, sd, np.mean(scores, axis=0) if scores else None)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Everything numeric by name."""
        found: dict[str, NDArray[np.float32]] = {
            "targets.mean": self.mean, "targets.spread": self.spread,
        }  # fmt: skip
        if self.scale is not None:
            found |= {"features.mean": self.scale.mean, "features.spread": self.scale.spread}
        if self.linear is not None:
            found |= {"linear.centre": self.linear.centre, "linear.weight": self.linear.weight,
                      "linear.offset": self.linear.offset}  # fmt: skip
        if self.start is not None:
            found |= self.start.tensors()
        for i, net in enumerate(self.nets):
            for key, value in net.state_dict().items():
                found[f"members.{i}.{key}"] = value.detach().cpu().numpy()
        return found


def read(card: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], where: str) -> Trained:
    """Build a stored model again; what is missing or does not fit is an error that names it."""
    import torch

    if card.get("kind") != KIND or "genes" not in card:
        raise StmlError(
            "This is no expression model", where=where,
            do="choose a Run of 'Train expression model', or the folder of one",
        )  # fmt: skip
    if int(card.get("format", 0)) > FORMAT:
        raise StmlError("This model is of a newer version", where=where, do="update napari-stml")
    rest = {k: np.asarray(v) for k, v in tensors.items()}
    mean, spread = (_taken(rest, f"targets.{n}", where) for n in ("mean", "spread"))
    genes = card["genes"]
    if len(mean) != len(genes):
        raise StmlError(
            f"The card names {len(genes)} genes and the weights have {len(mean)}", where=where,
            do="use card and weights of the same training",
        )  # fmt: skip
    scale = None
    if "features.mean" in rest:
        scale = FeatureScale(
            rest.pop("features.mean"),
            _taken(rest, "features.spread", where),
            card.get("feature scaling", "training spots"),
        )
    config = card["config"]
    if config["network"] in LINEAR:
        a, b, c = (_taken(rest, f"linear.{n}", where) for n in ("centre", "weight", "offset"))
        return Trained(card, (), Linear(a, b, c), scale, mean, spread)
    start = read_start(card.get("start", {}), rest, where)
    nets = []
    for i in range(int(card.get("members", 1))):
        net = build(config)
        prefix = f"members.{i}."
        own = {k.removeprefix(prefix): torch.from_numpy(np.array(v)) for k, v in rest.items()
               if k.startswith(prefix)}  # fmt: skip
        load_exactly(net, own, where)
        nets.append(net.eval())
    extra = [k for k in rest if not k.startswith("members.")]
    if extra:
        raise StmlError(
            f"The weights hold what this model does not know: {', '.join(extra[:4])}", where=where,
            do="use the model as it was saved",
        )  # fmt: skip
    return Trained(card, tuple(nets), None, scale, mean, spread, start)


def same_genes(model: Sequence[str], asked: Sequence[str]) -> None:
    """Raise where genes are asked for that the model does not predict."""
    unknown = [g for g in asked if g not in set(model)]
    if unknown:
        raise StmlError(
            f"This model does not predict {', '.join(unknown[:5])}", where="genes",
            do=f"it predicts {len(model)} genes such as {', '.join(list(model)[:5])}",
        )  # fmt: skip


def _taken(tensors: dict[str, NDArray[Any]], name: str, where: str) -> NDArray[np.float32]:
    if name not in tensors:
        raise StmlError(
            f"The weights do not fit this model (missing: {name})", where=where,
            do="use the model as it was saved, or train it again",
        )  # fmt: skip
    return np.asarray(tensors.pop(name), dtype=np.float32)
