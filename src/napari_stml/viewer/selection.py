"""Which observations the user has picked, by rule or by click."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.scope import Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.io.contents import Observations


@dataclass(frozen=True)
class Selection:
    """Names of observations of one section, in its order, and what they are called."""

    names: tuple[str, ...]
    title: str

    def __len__(self) -> int:
        return len(self.names)

    @property
    def scope(self) -> Scope:
        """As the scope of a Run."""
        return Scope("selection", self.names, title=self.title)

    def mask(self, observations: Observations) -> NDArray[np.bool_]:
        inside = frozenset(self.names)
        return np.fromiter((n in inside for n in observations.names), bool, len(observations))

    def toggled(self, name: str, observations: Observations) -> Selection:
        """With one observation more or less."""
        mask = self.mask(observations)
        mask[observations.names == name] ^= True
        return selected(mask, observations)


def selected(mask: NDArray[np.bool_], observations: Observations, title: str = "") -> Selection:
    """What a mask over the observations selects."""
    names = tuple(observations.names[mask].tolist())
    count = f"{len(names):,} selected {observations.kind}"
    return Selection(names, f"{count}: {title}" if title else count)
