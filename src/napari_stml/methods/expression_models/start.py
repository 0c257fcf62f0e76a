"""What a network starts from: a linear prediction that it only corrects.

A linear model of the features, perhaps with smooth functions of the place, is solved first and
stays as it is; the network learns what is left. On the spots that teach it the network is shown
what the linear model says of them when their own block takes no part: what is left there looks as
it will on spots nobody has seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.methods.expression_models import linear
from napari_stml.methods.expression_models.scores import pearson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.methods.expression_models.samples import Slide

StartKind = Literal["ridge", "reduced rank"]
REACH = 16.0
PLACE_GAIN = 0.005
"""Places must raise the inner score by this: they are of use on their own section only."""


@dataclass(frozen=True)
class Places:
    """Bell-shaped functions of the place in one section; elsewhere they say nothing."""

    section: str
    centres: NDArray[np.float32]
    level: NDArray[np.float32]
    spread: NDArray[np.float32]
    reach: float = REACH

    @classmethod
    def over(cls, slide: Slide, rows: NDArray[np.bool_], reach: float = REACH) -> Places:
        low, high = slide.xy.min(axis=0), slide.xy.max(axis=0)
        axes = [np.arange(a, b + reach, reach) for a, b in zip(low, high, strict=True)]
        centres = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2).astype(np.float32)
        raw = _bells(slide.xy[rows], centres, reach)
        return cls(slide.name, centres, raw.mean(axis=0), np.maximum(raw.std(axis=0), 1e-6), reach)

    def __call__(self, slide: Slide) -> NDArray[np.float32]:
        if slide.name != self.section:
            return np.zeros((len(slide), len(self.centres)), dtype=np.float32)
        raw = _bells(slide.xy, self.centres, self.reach)
        return np.asarray((raw - self.level) / self.spread, dtype=np.float32)


@dataclass(frozen=True)
class Start:
    """A linear model of the features on the model's scale, and of the place.

    ``elsewhere`` is the one of the features alone, for sections where the places say nothing.
    """

    model: linear.Linear
    places: Places | None = None
    elsewhere: linear.Linear | None = None

    def __call__(self, slide: Slide) -> NDArray[np.float32]:
        away = self.places is not None and slide.name != self.places.section
        if away and self.elsewhere is not None:
            return self.elsewhere(_seen(slide, None))
        return self.model(_seen(slide, self.places))

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        found = _named("start.", self.model)
        if self.elsewhere is not None:
            found |= _named("start.elsewhere.", self.elsewhere)
        if self.places is not None:
            found |= {"start.places": self.places.centres, "start.level": self.places.level,
                      "start.spread": self.places.spread}  # fmt: skip
        return found

    def said(self) -> dict[str, Any]:
        """For the model's card."""
        where = None if self.places is None else self.places.section
        return {"chosen": self.model.chosen, "places of": where, "reach": REACH}


@dataclass(frozen=True)
class Started:
    """A start for use, what the network is shown of it at every spot, and its inner score."""

    start: Start
    base: tuple[NDArray[np.float32], ...]
    score: float


def fit_start(
    kind: StartKind, slides: Sequence[Slide], wanted: Sequence[NDArray[Any]],
    train: Sequence[NDArray[np.bool_]], stop: Sequence[NDArray[np.bool_]],
    groups: Sequence[NDArray[np.intp]],
) -> Started:  # fmt: skip
    """Solve the start; places join it where there is one section and inner folds gain from them.

    ``groups`` are the inner folds of every spot.
    """
    found = _fitted(kind, slides, wanted, train, stop, groups, None)
    if len(slides) == 1:
        places = Places.over(slides[0], train[0] | stop[0])
        placed = _fitted(kind, slides, wanted, train, stop, groups, places)
        if placed.score > found.score + PLACE_GAIN:
            return replace(placed, start=replace(placed.start, elsewhere=found.start.model))
    return found


def _fitted(
    kind: StartKind, slides: Sequence[Slide], wanted: Sequence[NDArray[Any]],
    train: Sequence[NDArray[np.bool_]], stop: Sequence[NDArray[np.bool_]],
    groups: Sequence[NDArray[np.intp]], places: Places | None,
) -> Started:  # fmt: skip
    fit = linear.fit_ridge if kind == "ridge" else linear.fit_reduced
    given: dict[str, Any] = {}
    looks = [_seen(s, places) for s in slides]
    teach = [t | s for t, s in zip(train, stop, strict=True)]

    def rows(arrays: Sequence[NDArray[Any]], masks: Sequence[NDArray[np.bool_]]) -> NDArray[Any]:
        return np.concatenate([a[m] for a, m in zip(arrays, masks, strict=True)])

    x, y, g = rows(looks, train), rows(wanted, train), rows(groups, train)
    alone = fit(x, y, g)
    given["penalties"] = [alone.penalty]
    if kind == "reduced rank":
        given["ranks"] = [alone.rank]
    base = [alone(v) for v in looks]
    inner = np.full(y.shape, np.nan, dtype=np.float32)
    scores = []
    for group in np.unique(g):
        out, rest = g == group, g != group
        if rest.sum() < 5:
            inner[out] = alone(x[out])
            continue
        inner[out] = fit(x[rest], y[rest], g[rest], **given)(x[out])
        if out.sum() >= 3:
            scores.append(pearson(inner[out], y[out]).mean())
    done = 0
    for values, mask in zip(base, train, strict=True):
        values[mask] = inner[done : done + int(mask.sum())]
        done += int(mask.sum())
    whole = fit(rows(looks, teach), rows(wanted, teach), rows(groups, teach), **given)
    score = float(np.mean(scores)) if scores else float("nan")
    return Started(Start(whole, places), tuple(base), score)


def read_start(said: dict[str, Any], tensors: dict[str, NDArray[Any]], where: str) -> Start | None:
    """Take a stored start out of ``tensors``; None where the model has none."""
    if "start.weight" not in tensors:
        return None
    names = ["centre", "weight", "offset"]
    placed = "start.places" in tensors
    if placed:
        names += ["places", "level", "spread", *(f"elsewhere.{n}" for n in names)]
    missing = [f"start.{n}" for n in names if f"start.{n}" not in tensors]
    if missing:
        raise StmlError(
            f"The weights do not fit this model (missing: {', '.join(missing)})", where=where,
            do="use the model as it was saved, or train it again",
        )  # fmt: skip
    taken = {n: np.asarray(tensors.pop(f"start.{n}"), dtype=np.float32) for n in names}
    model = linear.Linear(taken["centre"], taken["weight"], taken["offset"],
                          str(said.get("chosen", "")))  # fmt: skip
    places = elsewhere = None
    if placed:
        centre, weight, offset = (taken[f"elsewhere.{n}"] for n in names[:3])
        elsewhere = linear.Linear(centre, weight, offset)
        places = Places(str(said.get("places of", "")), taken["places"], taken["level"],
                        taken["spread"], float(said.get("reach", REACH)))  # fmt: skip
    return Start(model, places, elsewhere)


def _named(prefix: str, model: linear.Linear) -> dict[str, NDArray[np.float32]]:
    return {f"{prefix}centre": model.centre, f"{prefix}weight": model.weight,
            f"{prefix}offset": model.offset}  # fmt: skip


def _seen(slide: Slide, places: Places | None) -> NDArray[np.float32]:
    assert slide.features is not None
    if places is None:
        return slide.features
    return np.concatenate([slide.features, places(slide)], axis=1)


def _bells(xy: NDArray[Any], centres: NDArray[Any], reach: float) -> NDArray[np.float32]:
    away = ((xy[:, None] - centres[None]) ** 2).sum(axis=-1)
    return np.asarray(np.exp(-away / (2 * reach**2)), dtype=np.float32)
