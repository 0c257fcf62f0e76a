"""Features on one scale: by the training spots, or within each section."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.methods.expression_models.samples import Slide

Scaling = Literal["training spots", "each section", "ranks in each section"]
LIMIT = 6.0


@dataclass(frozen=True)
class FeatureScale:
    """Mean and spread of the training spots, or what a section's own spots say.

    Within a section stain and light cancel out; it needs enough of the section to be seen. Ranks
    (as normal scores) also take away how a feature is spread.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    scaling: Scaling = "training spots"

    @classmethod
    def of(
        cls, slides: Sequence[Slide], train: Sequence[NDArray[np.bool_]], scaling: Scaling
    ) -> FeatureScale:
        seen = np.concatenate([_known(s)[m] for s, m in zip(slides, train, strict=True)])
        return cls(*_mean_spread(seen), scaling)

    def __call__(self, slide: Slide) -> Slide:
        if self.scaling == "ranks in each section":
            return replace(slide, features=normal_scores(_known(slide)))
        mean, spread = self.mean, self.spread
        if self.scaling == "each section":
            mean, spread = _mean_spread(_known(slide))
        z = np.clip((_known(slide) - mean) / spread, -LIMIT, LIMIT)
        return replace(slide, features=np.asarray(z, dtype=np.float32))


def normal_scores(values: NDArray[Any]) -> NDArray[np.float32]:
    """Each column's ranks as quantiles of the normal distribution; equal values stay equal."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=0)
    return np.asarray(ndtri((ranks - 0.5) / len(values)), dtype=np.float32)


def _known(slide: Slide) -> NDArray[np.float32]:
    assert slide.features is not None
    return slide.features


def _mean_spread(values: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    mean, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.where(spread > 1e-6, spread, 1.0)
    return np.asarray(mean, dtype=np.float32), np.asarray(spread, dtype=np.float32)
