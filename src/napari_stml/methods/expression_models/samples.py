"""What is learned from: sections with their spots' places, looks and counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

LEAST_SPOTS = 30

Surroundings = Literal["spot", "spot and neighbours", "neighbourhood"]


@dataclass(frozen=True)
class Slide:
    """The spots of one section.

    Attributes
    ----------
    xy
        Places in steps of the array: neighbours are about 1 apart.
    features, tiles
        What the spots look like: (n, k) float32, or (n, side, side, 3) uint8.
    counts
        Raw counts (n, genes); None where expression is to be predicted.
    patient
        Sections of one patient belong together.
    """

    name: str
    xy: NDArray[np.float64]
    features: NDArray[np.float32] | None = None
    tiles: NDArray[np.uint8] | None = None
    counts: csr_matrix | None = None
    patient: str = ""

    def __len__(self) -> int:
        return len(self.xy)

    def only(self, rows: NDArray[np.bool_]) -> Slide:
        """Some of the spots."""
        return replace(
            self,
            xy=self.xy[rows],
            features=None if self.features is None else self.features[rows],
            tiles=None if self.tiles is None else self.tiles[rows],
            counts=None if self.counts is None else self.counts[rows],
        )


def with_surroundings(slide: Slide, kind: Surroundings) -> Slide:
    """Features averaged over neighbours: once beside the spot's own, or twice in their place."""
    from napari_stml.methods.expression_models.targets import smoothed

    if kind == "spot" or slide.features is None:
        return slide
    near = smoothed(slide.features, slide.xy)
    if kind == "spot and neighbours":
        return replace(slide, features=np.concatenate([slide.features, near], axis=1))
    return replace(slide, features=smoothed(near, slide.xy))


def checked(slides: Sequence[Slide], genes: Sequence[str], *, least: int = LEAST_SPOTS) -> None:
    """Raise where sections do not fit together or hold what cannot be learned from."""
    total = sum(map(len, slides))
    if total < least:
        raise StmlError(
            f"Only {total} spots with expression and image: at least {least} are needed",
            where=", ".join(s.name for s in slides), do="choose a wider scope or more sections",
        )  # fmt: skip
    widths = {s.name: s.features.shape[1] for s in slides if s.features is not None}
    if len(set(widths.values())) > 1:
        said = ", ".join(f"{name}: {k}" for name, k in widths.items())
        raise StmlError(
            f"The sections' features have different lengths ({said})", where="features",
            do="compute them with the same encoder and settings for every section",
        )  # fmt: skip
    for slide in slides:
        finite(slide.features, slide.name)
        if slide.counts is not None and slide.counts.shape != (len(slide), len(genes)):
            raise ValueError(f"{slide.name}: counts {slide.counts.shape} for {len(slide)} spots")


def finite(features: NDArray[Any] | None, where: str) -> None:
    """Raise where a feature is missing or infinite."""
    if features is None:
        return
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise StmlError(
            f"The features of {int(bad.sum())} of {len(bad)} spots are not numbers (NaN)",
            where=where, do="compute the features again, or leave these spots out of the scope",
        )  # fmt: skip


def same_length(given: int, expected: int, model: str) -> None:
    """Raise where features do not fit a model, naming what it was trained on."""
    if given != expected:
        raise StmlError(
            f"This model takes {expected} features per spot, and these have {given}", where=model,
            do="use the encoder and windows that its card names",
        )  # fmt: skip
