"""Learning while drawing: the section is prepared once, every stroke is learnt from at once.

The preparation (seconds) and each answer (tens of milliseconds in BLAS) are computed in a thread of
the window; a Run of "Learn from a few strokes" gives the same answer and keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.results import Labels, Values
from napari_stml.core.scope import Scope
from napari_stml.methods.strokes import linear
from napari_stml.methods.strokes.learning import Ground
from napari_stml.regions.inside import Positions
from napari_stml.runs.inputs import resolve_section

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from numpy.typing import NDArray

    from napari_stml.analyses._regions.stroke_features import Features
    from napari_stml.core.inputs import SectionInputs
    from napari_stml.core.progress import Progress
    from napari_stml.io.section import Section
    from napari_stml.regions.region import Drawn

LEAST_CLASSES = 2


@dataclass(frozen=True)
class Answer:
    """What the strokes teach: parts to paint, words, and rows where a label would help."""

    predicted: Labels
    uncertainty: Values
    words: str
    next_rows: NDArray[np.intp]


class Teaching:
    """One section with chosen features; `prepare` and `learn` are for threads."""

    def __init__(
        self, section: Section, embedding: str, with_expression: bool, smooth: int
    ) -> None:
        self._section = section
        self._choice = {"embedding": embedding, "with_expression": with_expression,
                        "smooth": smooth}  # fmt: skip
        self._ground: Ground | None = None
        self._inputs: SectionInputs | None = None
        self._rows: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._place: Positions | None = None

    def prepare(self) -> Teaching:
        """Read the features and find their directions."""
        from napari_stml.analyses._regions.stroke_features import (
            StrokeFeatures,
            features_of,
            links_of,
        )

        params = StrokeFeatures.model_validate(self._choice)
        resolved = resolve_section(
            self._section, self._section.shelf, params.feature_needs(), Scope()
        )

        found = _finished(features_of(resolved.inputs, params, (0, 100)))
        links = links_of(found.spots) if params.smooth else None
        self._ground = Ground.of(found.values, links, params.smooth, standardise=found.standardise)
        self._inputs, self._rows = resolved.inputs, found.spots.rows
        self._place = Positions(resolved.inputs.xy[self._rows])
        return self

    def learn(
        self, regions: Iterable[Drawn], ignored: Iterable[str] = ("Ignore",)
    ) -> Answer | None:
        """Learn from the regions that have a class; None while there are fewer than two."""
        ground, inputs, place = self._ground, self._inputs, self._place
        if ground is None or inputs is None or place is None:
            return None
        some = [r for r in regions if r.is_area and r.kind and r.kind not in set(ignored)]
        names = list(dict.fromkeys(r.kind for r in some))
        codes = np.full(len(self._rows), -1, dtype=np.int32)
        for region in some:
            codes[place.inside(region.outline)] = names.index(region.kind)
        known = [i for i in range(len(names)) if (codes == i).any()]
        if len(known) < LEAST_CLASSES:
            return None
        back = np.full(len(names) + 1, -1, dtype=np.int32)
        back[known] = np.arange(len(known), dtype=np.int32)
        codes, names = back[codes], [names[i] for i in known]
        rows = np.flatnonzero(codes >= 0)
        learnt = ground.learn(rows, codes[rows], len(names))
        count = len(inputs.names)
        predicted = np.full(count, -1, dtype=np.int32)
        predicted[self._rows] = learnt.codes
        unsure = np.full(count, np.nan, dtype=np.float32)
        unsure[self._rows] = learnt.uncertainty
        ask = linear.look_next(learnt.uncertainty, ground.points, inputs.xy[self._rows], codes >= 0)
        counts = np.bincount(codes[rows], minlength=len(names))
        words = ", ".join(f"{n} {c}" for n, c in zip(names, counts, strict=True))
        if np.isfinite(learnt.checked):
            words += f"; held-out accuracy {learnt.checked:.2f}"
        return Answer(Labels("predicted", predicted, tuple(names)), Values("uncertainty", unsure),
                      words, self._rows[ask])  # fmt: skip


def _finished(steps: Generator[Progress, None, Features]) -> Features:
    """The features, without watching how they are made."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Features = end.value
            return found
