"""Which tokens may attend to which: pathways p first, spots h after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_stml.models.stf.config import INTERACTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence


def blocked_pairs(pathways: int, spots: int, interactions: Sequence[str] | None) -> Tensor | None:
    """Mask (T, T), True where a query (row) must not see a key; None where all may.

    Every token always sees itself.
    """
    names = INTERACTIONS if interactions is None else tuple(interactions)
    for name in names:
        if name not in INTERACTIONS:
            raise ValueError(f"no interaction {name!r}; there are {', '.join(INTERACTIONS)}")
    if set(names) == set(INTERACTIONS):
        return None
    tokens = pathways + spots
    blocked = torch.ones(tokens, tokens, dtype=torch.bool)
    part = {"p": slice(0, pathways), "h": slice(pathways, tokens)}
    for name in names:
        blocked[part[name[0]], part[name[2]]] = False
    blocked.fill_diagonal_(False)
    return blocked
